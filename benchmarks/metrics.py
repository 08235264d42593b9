"""`python -m benchmarks.metrics`: the weekly figures of a large team, beside polars on
the same rows.

A team of 500 members and 40 repositories with 100,000 pull requests over two years,
their reviews and commits, in a SQLite of its own (or, with --database-url, in that
database). Measured: the whole weekly table (rows read, computed, written), its
computation alone against polars on the same columns in memory, and one changed pull
request.
"""

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from benchmarks.engines import production

END = datetime(2026, 11, 1, tzinfo=UTC)


def setup(database_url: str, state: str, *, debug: bool = False) -> None:
    """As in production: with `debug`, which pages need where no static files were
    collected, Django writes every statement down until it is turned off.
    """
    os.environ |= production() | {
        "STATE_DIR": state,
        "DATABASE_URL": database_url,
        "REDIS_URL": "",
    }
    os.environ |= {"DEBUG": "1"} if debug else {}
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.settings")
    import django
    from django.core.management import call_command

    django.setup()
    call_command("migrate", verbosity=0)


def fill(count: int) -> int:
    """The team's primary key."""
    from django.db import transaction

    from apps.metrics.models import (
        Commit,
        DetailState,
        PRReview,
        PullRequest,
        Repository,
        TeamMember,
    )
    from apps.teams.models import Team

    dice = random.Random(7)
    team = Team.objects.create(name="Bench", slug=f"bench-{dice.random()}-{time.time_ns()}")
    repositories = Repository.objects.bulk_create(
        Repository(team=team, source="github", full_name=f"bench/{n}", external_id=f"R_{n}")
        for n in range(40)
    )
    members = TeamMember.objects.bulk_create(
        TeamMember(team=team, key=f"github:{n}", login=f"person-{n}", github_id=n, is_bot=n < 5)
        for n in range(500)
    )
    for start in range(0, count, 10_000):
        pulls, children = [], []
        for n in range(start, min(start + 10_000, count)):
            created = END - timedelta(days=728 * (1 - n / count), minutes=dice.randrange(600))
            merged = min(created + timedelta(hours=dice.lognormvariate(2, 1.5)), END)
            state = "merged" if dice.random() < 0.9 else "closed"
            assisted = dice.random() < 0.25
            pulls.append(
                PullRequest(
                    team=team,
                    repository=dice.choice(repositories),
                    external_id=f"PR_{n}",
                    number=n,
                    title=f"Change {n}",
                    state=state,
                    author=dice.choice(members),
                    created_at=created,
                    updated_at=merged,
                    closed_at=merged,
                    merged_at=merged if state == "merged" else None,
                    additions=int(dice.lognormvariate(4, 1.3)),
                    deletions=int(dice.lognormvariate(3, 1.3)),
                    detail_state=DetailState.COMPLETE,
                    markers_version=1,
                    ai_assisted=assisted,
                    ai_tools=["claude"] if assisted else [],
                    head_ref=f"topic-{n}",
                    ai_evidence=[
                        {"rule": "trailer", "tool": "claude", "tier": "A", "axis": "wrote"}
                    ]
                    if assisted
                    else [],
                )
            )
            wait = (merged - created) / 3
            children.append(
                (
                    [
                        (
                            dice.choice(members),
                            dice.choice(
                                ("approved", "approved", "commented", "changes_requested")
                            ),
                            created + wait * (m + 1),
                        )
                        for m in range(dice.choice((0, 1, 1, 2, 3)))
                    ],
                    [
                        created - timedelta(hours=dice.expovariate(0.1)) + wait * m
                        for m in range(dice.choice((1, 2, 3)))
                    ],
                )
            )
        with transaction.atomic():
            made = PullRequest.objects.bulk_create(pulls, batch_size=1000)
            PRReview.objects.bulk_create(
                [
                    PRReview(
                        team=team,
                        pull_request=pull,
                        external_id=f"{pull.external_id}-{m}",
                        reviewer=who,
                        state=state,
                        submitted_at=at,
                    )
                    for pull, (reviews, _) in zip(made, children, strict=True)
                    for m, (who, state, at) in enumerate(reviews)
                ],
                batch_size=2000,
            )
            Commit.objects.bulk_create(
                [
                    Commit(
                        team=team,
                        pull_request=pull,
                        oid=f"{pull.external_id}-{m}",
                        message="Work",
                        authored_at=at,
                        committed_at=at,
                    )
                    for pull, (_, commits) in zip(made, children, strict=True)
                    for m, at in enumerate(commits)
                ],
                batch_size=2000,
            )
    return team.pk


def seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def by_polars(measured: Any) -> list[Any]:
    """The same figures as `apps.metrics.figures.aggregate`, but for the names of tools:
    one table for each scope and kind.
    """
    import numpy as np
    import polars as pl

    pulls, reviews = measured
    place = np.arange(len(pulls.pk))
    summed = {
        "assisted": pulls.ai_verdict == "assisted",
        "additions": np.nan_to_num(pulls.additions),
        "deletions": np.nan_to_num(pulls.deletions),
        "received": pulls.reviews,
        "counted": np.bincount(reviews.pull, minlength=len(place)),
        "lines": np.nan_to_num(pulls.size_lines),
        "reviewable": ~np.isnan(pulls.without_approval),
        "unapproved": np.nan_to_num(pulls.without_approval),
        "rework": np.nan_to_num(pulls.rework_cycles),
        "reverts": pulls.is_revert,
        "agent": pulls.ai_agent_authored,
        "hinted": pulls.ai_hinted,
    }
    quantiles = {
        "to_merge": pulls.time_to_merge_hours,
        "coding": pulls.coding_hours,
        "pickup": pulls.pickup_hours,
        "review": pulls.review_hours,
        "merge": pulls.merge_hours,
        "cycle": pulls.cycle_hours,
        "size": pulls.size_lines,
    }
    moments = {"opened": pulls.opened_at, "merged": pulls.merged_at, "closed": pulls.closed_at}
    rows = pl.DataFrame(
        {
            "place": place,
            "team": np.zeros(len(place), dtype=np.int64),
            "repository": pulls.repository,
            "member": pulls.author,
            **moments,
            **summed,
            **quantiles,
        },
        nan_to_null=True,
    )
    rows = rows.with_columns(
        pl.col(name).dt.truncate("1w").alias(f"{name}_week") for name in moments
    )
    given = pl.DataFrame({"place": reviews.pull, "reviewer": reviews.reviewer})
    pairs = given.unique().join(rows, on="place").filter(pl.col("merged_week").is_not_null())
    tables = []
    for scope in ("team", "repository", "member"):
        merged = (
            rows.filter(pl.col("merged_week").is_not_null())
            .group_by(scope, "merged_week")
            .agg(
                pl.len().alias("merged"),
                pl.col("member").n_unique().alias("authors"),
                *(pl.col(name).sum() for name in summed),
                (pl.col("rework") > 0).sum().alias("reworked"),
                *(
                    pl.col(name).quantile(share, "linear").alias(f"{name}_{share}")
                    for name in quantiles
                    for share in (0.5, 0.75, 0.9)
                ),
                *(pl.col(name).count().alias(f"{name}_n") for name in quantiles),
            )
        )
        loads = (
            pairs.group_by(scope, "merged_week", "reviewer")
            .agg(pl.len().alias("load"))
            .sort("load")
        )
        rank = pl.int_range(1, pl.len() + 1)
        gini = loads.group_by(scope, "merged_week", maintain_order=False).agg(
            pl.len().alias("reviewers"),
            (
                2 * (rank * pl.col("load")).sum() / (pl.len() * pl.col("load").sum())
                - (pl.len() + 1) / pl.len()
            ).alias("gini"),
        )
        load_key = "reviewer" if scope == "member" else scope
        reviewed = (
            pairs.group_by(load_key, "merged_week")
            .agg(pl.len().alias("reviewed"))
            .rename({load_key: f"{scope}"} if load_key != scope else {})
        )
        opened = rows.group_by(scope, pl.col("opened_week").alias("merged_week")).agg(
            pl.len().alias("opened")
        )
        closed = (
            rows.filter(pl.col("closed_week").is_not_null())
            .group_by(scope, pl.col("closed_week").alias("merged_week"))
            .agg(pl.len().alias("closed"))
        )
        whole = merged
        for other in (gini, reviewed, opened, closed):
            whole = whole.join(other, on=[scope, "merged_week"], how="full", coalesce=True)
        tables.append(whole.rows())
    return tables


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.metrics", description=__doc__)
    parser.add_argument("--pulls", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--database-url", default="")
    parser.add_argument(
        "--keep", default="", help="a folder whose SQLite is filled once and used again"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as state:
        setup(options.database_url, options.keep or state)
        measure(options.pulls, options.rounds)


def measure(count: int, rounds: int) -> None:
    from django.db import connection, transaction
    from rich.console import Console
    from rich.table import Table

    from apps.metrics.figures.aggregate import weekly
    from apps.metrics.figures.pull_requests import read
    from apps.metrics.figures.weekly import recompute, touched_weeks
    from apps.metrics.models import (
        Commit,
        PRReview,
        PullRequest,
        PullRequestFigures,
        WeeklyMetrics,
    )
    from apps.metrics.weeks import week_of
    from apps.teams.models import Team

    team = Team.objects.filter(slug__startswith="bench-").values_list(
        "pk", flat=True
    ).first() or fill(count)
    console = Console(width=110)
    count = PullRequest.objects.for_team(team).count()
    reviews, commits = (
        PRReview.objects.for_team(team).count(),
        Commit.objects.for_team(team).count(),
    )
    console.print(
        f"{count:,} pull requests, {reviews:,} reviews, {commits:,} commits on {connection.vendor}, {os.cpu_count()} cores"
    )

    def whole() -> None:
        with transaction.atomic():
            recompute(team)

    def from_measures() -> None:
        measured = read(PullRequest.objects.for_team(team))
        weekly(measured, touched_weeks(team), UTC)

    full, first = [], []
    for _ in range(rounds):
        WeeklyMetrics.objects.for_team(team).delete()
        PullRequestFigures.objects.for_team(team).delete()
        first.append(seconds(whole))
        WeeklyMetrics.objects.for_team(team).delete()
        full.append(seconds(whole))
    stored = [seconds(from_measures) for _ in range(rounds)]
    again = seconds(whole)
    rows = WeeklyMetrics.objects.for_team(team).count()

    weeks = touched_weeks(team)
    measured = read(PullRequest.objects.for_team(team))
    ours, theirs = [], []
    by_polars(measured)  # its first call loads what it needs
    for _ in range(max(rounds, 5)):
        ours.append(seconds(lambda: weekly(measured, weeks, UTC)))
        theirs.append(seconds(lambda: by_polars(measured)))

    one = []
    keys = list(
        PullRequest.objects.for_team(team).filter(state="merged").values_list("pk", flat=True)
    )
    for key in random.Random(1).sample(keys, 20):
        PullRequest.objects.for_team(team).filter(pk=key).update(
            additions=key % 97 + rounds, deletions=5
        )
        pull = PullRequest.objects.for_team(team).get(pk=key)
        touched = {week_of(pull.created_at), week_of(pull.merged_at)}

        def renew(touched: set[Any] = touched) -> None:
            with transaction.atomic():
                recompute(team, touched)

        one.append(seconds(renew))
    table = Table(title="Weekly figures")
    for heading in ("", "median", "worst", "asked for"):
        table.add_column(heading, justify="left" if not heading else "right")
    mid, top = statistics.median, max
    table.add_row(
        f"whole table, {rows:,} rows read, computed, written, s",
        f"{mid(full):.2f}",
        f"{top(full):.2f}",
        "6",
    )
    table.add_row(
        "and the measures of all pull requests written first, s",
        f"{mid(first):.2f}",
        f"{top(first):.2f}",
        "",
    )
    table.add_row(
        "stored measures read and aggregated, s", f"{mid(stored):.2f}", f"{top(stored):.2f}", ""
    )
    table.add_row("the same again, nothing to write, s", f"{again:.2f}", "", "")
    table.add_row("computation alone, s", f"{mid(ours):.3f}", f"{top(ours):.3f}", "")
    table.add_row(
        "polars on the same columns, s", f"{mid(theirs):.3f}", f"{top(theirs):.3f}", ""
    )
    table.add_row("computation / polars", f"{mid(ours) / mid(theirs):.2f}", "", "4")
    table.add_row(
        "one changed pull request, ms", f"{mid(one) * 1000:.1f}", f"{top(one) * 1000:.1f}", "50"
    )
    console.print(table)


if __name__ == "__main__":
    sys.exit(main())
