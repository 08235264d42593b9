"""Find what pull requests are like now: large ones that take long, stale ones, and
those merged without an approval.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from math import log2, sqrt

from apps.metrics.figures.definitions import median
from apps.metrics.figures.moments import is_possible
from apps.metrics.figures.significance import MIN_CASES, SURE
from apps.metrics.figures.statistics import rank_sum_z
from apps.metrics.formatting import in_hours
from apps.metrics.insights.base import MIN_HOURS, MOST_SHOWN, Finding, recent, times
from apps.metrics.insights.dataset import Dataset, Pull

LARGE = 500  # changed lines
STALE = timedelta(days=30)


def large_pull_requests(dataset: Dataset) -> Iterator[Finding]:
    """Find that pull requests over 500 changed lines take at least twice as long to
    merge, in the team's half year.
    """
    merged = [
        pull
        for pull in dataset.pulls
        if pull.merged_at and pull.merged_at > dataset.before_from and not pull.by_bot
    ]
    large = [pull for pull in merged if pull.lines > LARGE]
    small = [
        pull.hours_to_merge
        for pull in merged
        if pull.lines <= LARGE and pull.hours_to_merge is not None
    ]
    slow = [pull.hours_to_merge for pull in large if pull.hours_to_merge is not None]
    if min(len(slow), len(small)) < MIN_CASES:
        return
    long, short = median(slow) or 0.0, median(small) or 0.0
    if (
        short <= 0
        or long < 2 * short
        or long - short < MIN_HOURS
        or rank_sum_z(small, slow) < SURE
    ):
        return
    yield Finding(
        rule="large-pull-requests",
        subject="team",
        title=f"Pull requests over {LARGE} lines take {times(long / short)} as long to merge.",
        body=f"Median {in_hours(long)} for {len(slow):,} large pull requests, {in_hours(short)} for the other {len(small):,},"
        " merged in the last 6 months. Correlation, not causation: large changes may also be harder.",
        advice="Split large changes into parts that can be reviewed separately.",
        evidence={"large": long, "other": short, "n_large": len(slow), "n_other": len(small)}
        | {
            "pull_requests": [
                pull.pk for pull in sorted(large, key=lambda pull: -(pull.hours_to_merge or 0))
            ][:MOST_SHOWN]
        },
        effect=min(1.0, log2(long / short) / 4),
    )


def stale_pull_requests(dataset: Dataset) -> Iterator[Finding]:
    """Find repositories with five or more open pull requests, drafts left out, that had
    no activity for 30 days.
    """
    stale: dict[int, list[Pull]] = defaultdict(list)
    open_count: Counter[int] = Counter()
    for pull in dataset.pulls:
        if pull.is_open and not pull.is_draft and not pull.by_bot:
            open_count[pull.repository] += 1
            if is_possible(pull.updated_at) and pull.updated_at < dataset.until - STALE:
                stale[pull.repository].append(pull)
    for repository, pulls in sorted(stale.items()):
        if len(pulls) < 5:
            continue
        share = len(pulls) / open_count[repository]
        yield Finding(
            rule="stale-pull-requests",
            subject=f"repository:{repository}",
            title=f"{len(pulls):,} open pull requests in {dataset.repositories[repository]} have had no activity for 30 days.",
            body=f"Of {open_count[repository]:,} open pull requests, not counting drafts and bots.",
            advice="Close or revive these pull requests.",
            evidence={"n": open_count[repository], "stale": len(pulls)}
            | {
                "pull_requests": [
                    pull.pk for pull in sorted(pulls, key=lambda pull: pull.updated_at)
                ][:MOST_SHOWN]
            },
            # A state of some pull requests ranks below a change of all of them.
            effect=min(0.3, 0.02 * len(pulls) * share),
        )


def merged_without_approval(dataset: Dataset) -> Iterator[Finding]:
    """Find repositories in which surely more than a fifth of the recent merges had no
    approval, although approving is the habit.
    """
    merged: dict[int, list[Pull]] = defaultdict(list)
    for pull in dataset.pulls:
        if (
            pull.merged_at
            and pull.merged_at > dataset.recent_from
            and pull.without_approval is not None
        ):
            merged[pull.repository].append(pull)
    for repository, pulls in sorted(merged.items()):
        without = [pull for pull in pulls if pull.without_approval]
        share = len(without) / len(pulls)
        # If most merges have none, the team works in another way, or its source does
        # not record reviews.
        surely = 0.2 + 2 * sqrt(0.2 * 0.8 / len(pulls))  # two standard errors
        if len(pulls) < MIN_CASES or not surely <= share <= 0.7:
            continue
        yield Finding(
            rule="merged-without-approval",
            subject=f"repository:{repository}",
            title=f"{len(without):,} of {len(pulls):,} merged pull requests"
            f" in {dataset.repositories[repository]} had no approval.",
            body=f"In {recent(dataset)}; only approvals by other people before the merge count."
            " Bots' pull requests are left out.",
            advice="If this is not intended, protect the branch: require one approval.",
            evidence={
                "share": share,
                "n": len(pulls),
                "pull_requests": [pull.pk for pull in without][-MOST_SHOWN:],
            },
            effect=0.4 * share,
        )
