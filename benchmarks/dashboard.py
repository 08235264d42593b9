"""`python -m benchmarks.dashboard`: server time and statements of each page of a team
with 130,000 pull requests and 500 members.

Pages are asked for through Django's own handler, warm, in turn; the median, the 95th
percentile and the number of statements are printed. `--keep FOLDER` fills an SQLite
there once and uses it again.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from typing import Any

from benchmarks.metrics import fill, setup

PAGES = (
    ("dashboard, 12 weeks", "/"),
    ("dashboard, 52 weeks", "/?weeks=52"),
    ("pull requests", "/pull-requests/"),
    ("pull requests, searched", "/pull-requests/?q=Change+99"),
    ("repositories", "/repositories/"),
    ("people", "/people/"),
    ("a person", "/people/{member}/"),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--pulls", type=int, default=130_000)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--database-url", default="")
    parser.add_argument("--keep", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        setup(options.database_url, options.keep or state, debug=True)
        measure(options.pulls, options.rounds)


def measure(pulls: int, rounds: int) -> None:
    from django.conf import settings
    from django.db import connection, transaction
    from django.test import Client
    from django.test.utils import CaptureQueriesContext
    from rich.console import Console
    from rich.table import Table

    from apps.metrics.cache import touch
    from apps.metrics.figures.weekly import recompute
    from apps.metrics.models import PullRequest, TeamMember, WeeklyMetrics
    from apps.teams.models import Membership, Team
    from apps.users.models import User

    pk = Team.objects.filter(slug__startswith="bench-").values_list(
        "pk", flat=True
    ).first() or fill(pulls)
    Team.objects.filter(pk=pk).update(slug="bench-large")
    team = Team.objects.get(pk=pk)
    if not WeeklyMetrics.objects.for_team(team).exists():
        with transaction.atomic():
            recompute(team.pk)
    user, _ = User.objects.get_or_create(email="lead@bench.example")
    Membership.objects.get_or_create(team=team, user=user, defaults={"role": "owner"})
    settings.DEBUG, settings.ALLOWED_HOSTS = False, ["*"]
    client = Client()
    client.force_login(user)
    member = TeamMember.objects.for_team(team).order_by("-pk").first()
    count = PullRequest.objects.for_team(team).count()
    table = Table(
        title=f"Pages of a team with {count:,} pull requests on {connection.vendor}, {os.cpu_count()} cores"
    )
    for heading in ("page", "median, ms", "p95, ms", "cold, ms", "statements"):
        table.add_column(heading, justify="left" if heading == "page" else "right")
    for name, path in PAGES:
        address = f"/t/{team.slug}{path.format(member=member.pk)}"
        touch(team.pk)
        began = time.perf_counter()
        answer = client.get(address)
        assert answer.status_code == 200, (address, answer.status_code)
        cold = (time.perf_counter() - began) * 1000
        client.get(address)
        spent: list[float] = []
        for _ in range(rounds):
            began = time.perf_counter()
            client.get(address)
            spent.append((time.perf_counter() - began) * 1000)
        with CaptureQueriesContext(connection) as asked:
            client.get(address)
        spent.sort()
        p95: Any = spent[min(len(spent) - 1, int(len(spent) * 0.95))]
        table.add_row(
            name,
            f"{statistics.median(spent):.0f}",
            f"{p95:.0f}",
            f"{cold:,.0f}",
            str(len(asked)),
        )
    table.caption = "asked for: under 150 ms p95 warm, at most 12 statements; cold: the first after a change of the data"
    Console(width=100).print(table)


if __name__ == "__main__":
    sys.exit(main())
