"""`python -m benchmarks.llm`: 100 pull requests read by a language model that answers
as slowly as a real one.

The stand-in takes 1.5 s and 8 ms an output token, and refuses over 30 requests or
100,000 tokens in any minute. Ours is the step as a worker runs it; beside it what one
request a pull request, 2.1 s apart, takes by its count alone.
"""

import argparse
import os
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

import httpx

from benchmarks.metrics import setup

SPACED = 2.1


def fill(count: int) -> int:
    from django.utils import timezone

    from apps.metrics.models import Commit, PullRequest, Repository
    from apps.teams.models import Team

    team, now = Team.objects.create(name="Bench", slug="bench"), timezone.now()
    repository = Repository.objects.across_teams().create(
        team=team, source="github", full_name="bench/one"
    )
    body = (
        "The totals of a page were lost when the next one was asked for. They are kept with its cursor now. "
        * 6
    )
    pulls = PullRequest.objects.bulk_create(
        PullRequest(
            team=team,
            repository=repository,
            external_id=f"PR_{n}",
            number=n,
            title=f"fix: carry totals over, part {n}",
            body=f"{body}Part {n}.",
            state="merged",
            additions=n * 3,
            deletions=n,
            changed_files=4,
            head_ref=f"totals-{n}",
            created_at=now - timedelta(hours=count - n),
            updated_at=now,
            merged_at=now,
            detail_state="complete",
        )
        for n in range(count)
    )
    Commit.objects.bulk_create(
        Commit(
            team=team,
            pull_request=pull,
            oid=f"{n:039}{place}",
            message="Keep the cursor with the rows",
            authored_at=now,
            committed_at=now,
        )
        for n, pull in enumerate(pulls)
        for place in range(3)
    )
    return int(team.pk)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.llm", description=__doc__)
    parser.add_argument("--pulls", type=int, default=100)
    options = parser.parse_args()
    from rich.console import Console
    from rich.table import Table

    from tests.sandbox.server import start_sandbox

    with tempfile.TemporaryDirectory() as state:
        (Path(state) / "a__b.jsonl").write_text("")
        with start_sandbox(
            data=state, llm_timing=1.0, llm_requests=30, llm_tokens=100_000
        ) as url:
            os.environ["LLM_BASE_URL"] = f"{url}/v1"
            setup("", f"{state}/state")
            from apps.metrics.models import Analysis
            from apps.metrics.tasks import run_llm_analysis_batch

            team = fill(options.pulls)
            began = time.perf_counter()
            run = run_llm_analysis_batch.call_local(team_id=team)
            wall = time.perf_counter() - began
            assert run.state == "done", (run.error, run.missing)
            assert Analysis.objects.for_team(team).filter(state="done").count() == options.pulls
            bill = httpx.get(f"{url}/_sandbox/llm").json()
    spaced = SPACED * options.pulls
    table = Table(
        title=f"{options.pulls} pull requests read by a model, {os.cpu_count()} cores"
    )
    for heading in ("", "seconds", "asked for"):
        table.add_column(heading, justify="left" if not heading else "right")
    table.add_row("ours", f"{wall:.1f}", "20")
    table.add_row(f"one a request, {SPACED} s apart (computed)", f"{spaced:.0f}", "")
    table.caption = f"{bill['answered']} requests, {bill['tokens_in']:,} tokens in, {bill['tokens_out']:,} out"
    Console(width=110).print(table)


if __name__ == "__main__":
    sys.exit(main())
