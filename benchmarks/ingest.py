"""`python -m benchmarks.ingest`: recorded answers of GitHub become rows, into SQLite
and into PostgreSQL.

Each answer has 25 pull requests with 3 commits and 2 reviews each, as a detail request
brings them. Measured: reading the answers, translating and writing them, four answers
(100 pull requests) a transaction, in one process; and the most memory that it had at a
tenth of the way and at the end.
"""

import argparse
import gc
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.metrics import setup

BATCH, TOGETHER = 25, 4
END = datetime(2026, 11, 1, tzinfo=UTC)


def record(path: Path, count: int) -> None:
    """Answers to as many detail requests as `count` pull requests need, one a line,
    newest first.
    """
    dice = random.Random(11)
    with path.open("w") as file:
        for start in range(0, count, BATCH):
            nodes = [node(number, dice) for number in range(start, min(start + BATCH, count))]
            file.write(json.dumps({"data": {"nodes": nodes}}) + "\n")


def node(number: int, dice: random.Random) -> dict[str, Any]:
    created = END - timedelta(minutes=5 * number)
    merged, author, reviewer = (
        created + timedelta(hours=dice.lognormvariate(2, 1.3)),
        dice.randrange(200),
        dice.randrange(200),
    )
    message = (
        "Carry totals over between pages\n\n"
        + "The cursor of the last page is kept with the rows it brought. " * 3
    )
    return {
        "__typename": "PullRequest",
        "id": f"PR_kwDO{number:08}",
        "fullDatabaseId": str(10_000_000 + number),
        "number": number + 1,
        "isCrossRepository": False,
        "title": f"Carry totals over, part {number}",
        "url": f"https://github.com/bench/one/pull/{number + 1}",
        "state": "MERGED",
        "isDraft": False,
        "createdAt": moment(created),
        "updatedAt": moment(merged),
        "mergedAt": moment(merged),
        "closedAt": moment(merged),
        "additions": dice.randrange(400),
        "deletions": dice.randrange(200),
        "changedFiles": 4,
        "baseRefName": "main",
        "headRefName": f"topic-{number}",
        "author": actor(author),
        "mergedBy": actor(author),
        "mergeCommit": {"oid": f"{number:040x}"},
        "labels": {"nodes": [{"name": "backend"}]},
        "body": message * 3,
        "commits": {
            "pageInfo": {"hasNextPage": False, "endCursor": "x"},
            "nodes": [
                {
                    "commit": {
                        "oid": f"{dice.getrandbits(160):040x}",
                        "message": message,
                        "authoredDate": moment(created),
                        "committedDate": moment(created),
                        "author": {
                            "name": f"Person {author}",
                            "email": f"person-{author}@bench.example",
                            "user": actor(author),
                        },
                    }
                }
                for _ in range(3)
            ],
        },
        "reviews": {
            "pageInfo": {"hasNextPage": False, "endCursor": "x"},
            "nodes": [
                {
                    "id": f"PRR_{number:08}_{place}",
                    "state": state,
                    "submittedAt": moment(created + (merged - created) * share),
                    "author": actor(reviewer),
                }
                for place, (state, share) in enumerate((("COMMENTED", 0.4), ("APPROVED", 0.8)))
            ],
        },
    }


def actor(number: int) -> dict[str, Any]:
    return {
        "__typename": "User",
        "login": f"person-{number}",
        "name": f"Person {number}",
        "databaseId": 1000 + number,
    }


def moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def answers(path: Path) -> Iterator[str]:
    with path.open() as file:
        yield from file


def ingest(path: Path) -> dict[str, float]:
    """Runs in a process of its own, with Django set up.

    Seconds of work, and MB at a tenth and at the end.
    """
    from django.conf import settings
    from django.db import transaction

    from apps.integrations.sources.github import translate
    from apps.metrics.ingest.writer import ingest_pull_requests
    from apps.metrics.models import Commit, PRReview, PullRequest, Repository
    from apps.teams.models import Team

    # With DEBUG Django keeps the text of every statement.
    settings.DEBUG = False
    team = Team.objects.create(name="Bench", slug=f"bench-{time.time_ns()}")
    repository = Repository.objects.across_teams().create(
        team=team, source="github", full_name="bench/one"
    )
    lines = sum(1 for _ in answers(path))
    # The models of all migrations are garbage by now. It takes a quarter of a second to
    # find it, now or meanwhile.
    gc.collect()
    early, began = 0.0, time.process_time()
    wall = time.perf_counter()
    for place, together in enumerate(itertools.batched(answers(path), TOGETHER)):
        nodes = [node for line in together for node in json.loads(line)["data"]["nodes"]]
        records = [translate.detail(node).record for node in nodes]
        with transaction.atomic():
            ingest_pull_requests(repository, records)
        if place == lines // TOGETHER // 10:
            early = memory()
    wall, cpu = time.perf_counter() - wall, time.process_time() - began
    pulls = PullRequest.objects.for_team(team).count()
    assert Commit.objects.for_team(team).count() == 3 * pulls
    assert PRReview.objects.for_team(team).count() == 2 * pulls
    return {"pulls": pulls, "wall": wall, "cpu": cpu, "early": early, "end": memory()}


def memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(path: Path, database_url: str) -> dict[str, float]:
    code = f"from benchmarks import ingest as i; from pathlib import Path; import json; i.run({str(path)!r}, {database_url!r})"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def run(path: str, database_url: str) -> None:
    with tempfile.TemporaryDirectory() as state:
        setup(database_url, state)
        print(json.dumps(ingest(Path(path))))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("--pulls", type=int, default=100_000)
    parser.add_argument("--databases", default="sqlite,postgres")
    options = parser.parse_args()
    from rich.console import Console
    from rich.table import Table

    from tests import services

    table = Table(
        title=f"{options.pulls:,} pull requests with 3 commits and 2 reviews each, {os.cpu_count()} cores"
    )
    for heading in ("database", "PRs a second", "its CPU, s", "MB at a tenth", "MB at the end"):
        table.add_column(heading, justify="left" if heading == "database" else "right")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "answers.jsonl"
        record(path, options.pulls)
        for name in options.databases.split(","):
            with (
                services.postgres_server() if name == "postgres" else nullcontext("") as address
            ):
                found = measure(path, address)
            table.add_row(
                name,
                f"{found['pulls'] / found['wall']:,.0f}",
                f"{found['cpu']:.1f}",
                f"{found['early']:.0f}",
                f"{found['end']:.0f}",
            )
    table.caption = (
        "asked for: 1,500 a second; under 300 MB, and no more at the end than at a tenth"
    )
    Console(width=110).print(table)


if __name__ == "__main__":
    sys.exit(main())
