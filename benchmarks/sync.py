"""`python -m benchmarks.sync`: one repository of 5,000 pull requests over twelve
months, from a GitHub as slow as the real one.

The sandbox takes 150 ms an answer, 2 ms a pull request by its scalars and 20 ms one
with nested lists, gives 5,000 points an hour and refuses over 60 seconds of its work in
a minute. Side by side: a plain sync, which asks for 10 whole pull requests at a time,
one request after the other; and ours: the time to the first figures and insight, and to
the end.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from benchmarks.metrics import setup

QUERY = """query Plain($after: String) { repository(owner: "bench", name: "one") { pullRequests(
  first: 10, after: $after, orderBy: {field: CREATED_AT, direction: DESC}) { pageInfo { hasNextPage endCursor } nodes {
    id number title body state createdAt updatedAt mergedAt closedAt additions deletions changedFiles author { login }
    commits(first: 50) { nodes { commit { oid message authoredDate committedDate author { name email } } } }
    reviews(first: 50) { nodes { id state submittedAt author { login } } } } } } }"""


def write(folder: Path, count: int) -> None:
    """The repository as a file that the sandbox serves: spread evenly over twelve
    months, the newest an hour old.
    """
    now = datetime.now(UTC) - timedelta(hours=1)
    with (folder / "bench__one.jsonl").open("w") as file:
        for number in range(1, count + 1):
            created = now - timedelta(days=364) * (1 - number / count)
            # In the last eight weeks a merge takes three times as long: something to
            # find.
            slower = 3 if number > count * 44 / 52 else 1
            merged = min(created + slower * timedelta(hours=1 + number % 71), now)
            people = [
                {"login": f"person-{(number + place) % 40}", "name": "", "isBot": False}
                for place in range(2)
            ]
            commits = [
                {
                    "oid": f"{number * 10 + place:040x}",
                    "message": f"Step {place}",
                    "authoredDate": text(created),
                }
                for place in range(3)
            ]
            reviews = [
                {"author": people[1], "state": state, "submittedAt": text(merged)}
                for state in ("COMMENTED", "APPROVED")
            ]
            row = {
                "repository": "bench/one",
                "number": number,
                "title": f"Change {number}",
                "state": "MERGED",
                "createdAt": text(created),
                "updatedAt": text(merged),
                "mergedAt": text(merged),
                "closedAt": text(merged),
                "additions": number % 300,
                "deletions": number % 90,
                "changedFiles": 3,
                "author": people[0],
                "body": "Why. " * 40,
                "isDraft": False,
                "commits": commits,
                "reviews": reviews,
            }
            file.write(json.dumps(row) + "\n")


def text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def plain(url: str, pages: int | None) -> float:
    """Seconds for the whole by the plain sync, which writes nothing; of `pages`,
    projected.
    """
    after, done, began = None, 0, time.perf_counter()
    with httpx.Client(
        base_url=url, headers={"authorization": "Bearer plain"}, timeout=30
    ) as http:
        while True:
            answer = http.post(
                "/graphql", json={"query": QUERY, "variables": {"after": after}}
            ).json()
            page = answer["data"]["repository"]["pullRequests"]
            after, done = page["pageInfo"]["endCursor"], done + 1
            if not page["pageInfo"]["hasNextPage"] or done == pages:
                return time.perf_counter() - began


def ours(url: str, count: int) -> dict[str, Any]:
    """Runs the sync step in this process, as a worker does.

    Return the seconds to the first insight (None without one) and to the end.
    """
    from django.conf import settings

    from apps.integrations.connections.tracking import track_repositories
    from apps.integrations.sources.github.credentials import store_token
    from apps.integrations.tasks import sync_historical_data_task
    from apps.metrics.models import DetailState, PullRequest
    from apps.teams.models import Team

    settings.GITHUB_API_URL, settings.DEBUG = url, False
    team = Team.objects.create(name="Bench", slug="bench")
    store_token(team, "ours")
    track_repositories(team, "github", ["bench/one"])
    began = time.time()
    run = sync_historical_data_task.call_local(team_id=team.pk)
    wall = time.time() - began
    assert run.state == "done", (run.error, run.missing)
    assert (
        PullRequest.objects.for_team(team).filter(detail_state=DetailState.COMPLETE).count()
        == count
    )
    first = run.events.filter(kind="insight", data__title__isnull=False).order_by("seq").first()
    counts = httpx.get(f"{url}/_sandbox/requests").json()
    return {"first": first.at.timestamp() - began if first else None, "wall": wall, **counts}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sync", description=__doc__)
    parser.add_argument("--pulls", type=int, default=5_000)
    parser.add_argument(
        "--pages",
        type=int,
        help="read so many pages by the plain sync, and project (default: all)",
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        write(Path(state), options.pulls)
        setup("", f"{state}/state")
        from tests.sandbox.server import start_sandbox

        with start_sandbox(data=state, timing=1.0, points=5000) as url:
            mine = ours(url, options.pulls)
        with start_sandbox(data=state, timing=1.0, points=5000) as url:
            pages = -(-options.pulls // 10)
            theirs = plain(url, options.pages) * (pages / options.pages if options.pages else 1)
    report(options, mine, theirs)


def report(options: argparse.Namespace, mine: dict[str, Any], theirs: float) -> None:
    from rich.console import Console
    from rich.table import Table

    allowed = mine["seconds"] / 50 * 60
    table = Table(
        title=f"One repository of {options.pulls:,} pull requests, {os.cpu_count()} cores"
    )
    for heading in ("", "measured", "ratio", "asked for"):
        table.add_column(heading, justify="left" if not heading else "right")
    how = f", projected from {options.pages} pages" if options.pages else ""
    table.add_row(f"plain sync, 10 at a time{how}, s", f"{theirs:.1f}", "", "")
    first = mine["first"]
    if first is None:
        table.add_row("ours, to the first insight, s", "none", "", "1/20")
    else:
        ratio = f"1/{theirs / first:.1f}"
        table.add_row("ours, to the first insight, s", f"{first:.2f}", ratio, "1/20")
    table.add_row("GitHub's work for ours, s", f"{mine['seconds']:.1f}", "", "")
    table.add_row(
        "ours, to the end, s",
        f"{mine['wall']:.1f}",
        f"{mine['wall'] / allowed:.2f}",
        f"1.15 of {allowed:.0f} s",
    )
    table.add_row("requests refused by a limit", str(mine["refused"]), "", "0")
    table.caption = ", ".join(f"{name} {count}" for name, count in mine["operations"].items())
    Console(width=110).print(table)


if __name__ == "__main__":
    sys.exit(main())
