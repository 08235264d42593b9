"""The definitions of the figures. Weekly table, dashboard, insights, export and mail all take them from here.

Weeks start on Monday, 00:00 UTC. `opened` counts by the week of createdAt; everything else counts merged pull requests,
by the week of mergedAt. Bots count; deleted accounts count together as one author, the ghost. A change (a commit on the
trunk without a pull request) counts as opened and merged, with its author, size and markers, but has no time to merge.

Bump `DEFINITIONS_VERSION` whenever a formula changes.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from math import floor
from typing import NamedTuple

from apps.metrics.records import ChangeKind, PullRequestState

DEFINITIONS_VERSION = 1

WEEK = timedelta(days=7)


# Fewer values than these are shown as they are, one by one, and never as a median of a person or a repository.
MIN_SAMPLE = 5


class Verdict(StrEnum):
    """What the markers say of a pull request. No marker found is not the same as no AI used."""

    ASSISTED = "assisted"
    NO_MARKER = "no-marker"
    UNREAD = "unread"


class Spread(NamedTuple):
    """The middle of some values and how far the upper quarter reaches; `n` is how many there are."""

    median: float | None
    p75: float | None
    n: int


class Merged(NamedTuple):
    """What the figures need to know of one merged pull request. `hours` None: it has no time to merge."""

    author: int | None
    hours: float | None
    ai_assisted: bool
    additions: int
    deletions: int
    reviews: int


class Figures(NamedTuple):
    """The figures of one week; the fields are the columns of `WeeklyMetrics` and of the export, in its order."""

    opened: int
    merged: int
    time_to_merge_hours_median: float | None
    time_to_merge_hours_p75: float | None
    time_to_merge_hours_p90: float | None
    authors: int
    ai_assisted: int
    additions: int
    deletions: int
    reviews: int


def week_of(moment: datetime) -> date:
    """The Monday of the ISO week, in UTC, that an aware datetime falls in."""
    day = moment.astimezone(UTC).date()
    return day - timedelta(days=day.weekday())


def week_label(week: date) -> str:
    """`2026-W07`: ISO year and ISO week."""
    year, number, _ = week.isocalendar()
    return f"{year:04d}-W{number:02d}"


def week_start(week: date) -> datetime:
    """The first instant of a week that is given by its Monday."""
    return datetime(week.year, week.month, week.day, tzinfo=UTC)


def is_merged(state: str, merged_at: datetime | None) -> bool:
    """Merged: the source says so, and says when."""
    return state == PullRequestState.MERGED and merged_at is not None


def time_to_merge_hours(kind: str, created_at: datetime, merged_at: datetime) -> float | None:
    """mergedAt - createdAt, in hours. None for a change, which never was a pull request."""
    if kind == ChangeKind.CHANGE:
        return None
    return (merged_at - created_at).total_seconds() / 3600


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value at rank (n - 1) * share of ascending values, interpolated linearly between the closest ranks.

    None of no values. This is numpy's default and SQL's PERCENTILE_CONT.
    """
    if not ordered:
        return None
    rank = (len(ordered) - 1) * share
    below = floor(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)


def median(values: Sequence[float]) -> float | None:
    """The 50th percentile of values in any order."""
    return percentile(sorted(values), 0.5)


def spread(values: Iterable[float | None]) -> Spread:
    """Median and p75 of the values that there are."""
    ordered = sorted(value for value in values if value is not None)
    return Spread(percentile(ordered, 0.5), percentile(ordered, 0.75), len(ordered))


def changed_lines(additions: int, deletions: int) -> int:
    """The size of a pull request: lines added and lines deleted."""
    return additions + deletions


def counts_as_review(author: int | None, reviewer: int | None, is_bot: bool, at: datetime | None) -> bool:
    """Whether a review is one: submitted, by a person, and by somebody else than the author."""
    return not is_bot and at is not None and reviewer is not None and reviewer != author


def hours_to_review(created_at: datetime, counted: Sequence[datetime]) -> float | None:
    """The wait for the first review, in hours: from createdAt to the first of the reviews that count; None without one.

    Where a median of them is shown, it is one over pull requests by people.
    """
    return (min(counted) - created_at).total_seconds() / 3600 if counted else None


def verdict(ai_assisted: bool | None, has_detail: bool) -> Verdict:
    """Of what the markers gave (None: not read yet) and whether body, commits and reviews are all there."""
    if ai_assisted:
        return Verdict.ASSISTED
    return Verdict.NO_MARKER if ai_assisted is False and has_detail else Verdict.UNREAD


def figures(opened: int, merged: Sequence[Merged]) -> Figures:
    """The figures of one group and week.

    opened           pull requests created in the week
    merged           pull requests merged in the week
    time_to_merge    median, p75 and p90 of mergedAt - createdAt over them, in hours
    authors          distinct authors of them; authors that are not known are one
    ai_assisted      those with an explicit marker that AI wrote some of it (`apps.metrics.markers`); the others are unknown
    additions, deletions   sums of their lines
    reviews          submitted reviews that they received, whenever that was
    """
    hours = sorted(pull.hours for pull in merged if pull.hours is not None)
    return Figures(
        opened=opened,
        merged=len(merged),
        time_to_merge_hours_median=percentile(hours, 0.5),
        time_to_merge_hours_p75=percentile(hours, 0.75),
        time_to_merge_hours_p90=percentile(hours, 0.9),
        authors=len({pull.author for pull in merged}),
        ai_assisted=sum(pull.ai_assisted for pull in merged),
        additions=sum(pull.additions for pull in merged),
        deletions=sum(pull.deletions for pull in merged),
        reviews=sum(pull.reviews for pull in merged),
    )
