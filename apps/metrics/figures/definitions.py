"""Define the figures. Weekly table, dashboard, insights, export, and email all take
them from here.

Weeks start on Monday, 00:00 in the team's time zone, which is UTC unless the team has
chosen another one. `opened` counts by the week of createdAt and `closed` by that of
closedAt; everything else counts merged pull requests, by the week of mergedAt. Deleted
accounts count together as one person, the ghost.

A direct commit (one that reached the trunk without a pull request) is in no figure but
`direct_commits`, by the week in which it landed. A release (a merge of one long-lived
branch into another) counts as opened and merged; what it brings was counted before, so
it has no size, no time to merge, and no phases. A pull request whose opening isn't
known (a clone's squash) has no time to merge either.

Bots' pull requests count, except if a formula is "by people". A review counts if it was
submitted by a person other than the author; AI reviewers are bots. All deleted accounts
look the same, so an approval or a request for changes by one counts even if the
author's account is deleted, too: an author cannot submit these. Which accounts are bots
is one rule for all sources (`apps.metrics.ingest.bots`), unless an admin has decided.

A period's percentiles come from its pull requests, never from weekly medians.
`apps.metrics.figures.declarations` has each formula in words.
Increase `DEFINITIONS_VERSION` whenever a formula changes.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from math import floor
from typing import Any, NamedTuple

import numpy as np

from apps.metrics.records import ReviewState

DEFINITIONS_VERSION = 10

# Fewer values than these are shown as they are, one by one, and never as a median of a
# person or a repository.
MIN_SAMPLE = 5


class Verdict(StrEnum):
    """The result of reading a pull request's markers.

    No marker found is not the same as no AI used.
    """

    ASSISTED = "assisted"
    NO_MARKER = "no-marker"
    UNREAD = "unread"


class Summary(NamedTuple):
    """The median and the p75 of some values; `n` is the number of values."""

    median: float | None
    p75: float | None
    n: int


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the value at rank (n - 1) * share of ascending values; None of no values.

    It is interpolated linearly between the closest ranks, as numpy does by default and
    SQL's PERCENTILE_CONT.
    """
    if not ordered:
        return None
    rank = (len(ordered) - 1) * share
    below = floor(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (rank - below)


def median(values: Sequence[float]) -> float | None:
    """Return the 50th percentile of values in any order; None of no values."""
    return percentile(sorted(values), 0.5)


def summary(values: Iterable[float | None]) -> Summary:
    """Return the median and p75 of the values that are not None, and their number."""
    ordered = sorted(value for value in values if value is not None)
    return Summary(percentile(ordered, 0.5), percentile(ordered, 0.75), len(ordered))


# What no account can submit about its own pull request. Only an approval or a request
# for changes is ever dismissed.
BY_OTHERS = (ReviewState.APPROVED, ReviewState.CHANGES_REQUESTED, ReviewState.DISMISSED)


class Phases(NamedTuple):
    """Hold the hours of merged pull requests, as arrays of one length. A value is NaN
    if the pull request has no such phase.
    """

    coding: Any
    pickup: Any
    review: Any
    merge: Any
    cycle: Any


def phases(
    first_commit: Any, ready: Any, first_review: Any, approved: Any, merged: Any
) -> Phases:
    """Split the time from the first commit to the merge; the known parts sum to
    `cycle`.

    The arguments are arrays of datetime64, with NaT for "never": `first_review` is the
    first review that counts, `approved` the first approval among them, and `ready` the
    moment from which others could review (createdAt). What happened after the merge did
    not delay it, and what happened before `ready` belongs to coding.

        coding   ready - first commit; none if no commit is known, or the first is after `ready`
        pickup   first review - ready; none without a review
        review   first approval - first review; without an approval, up to the merge
        merge    merge - first approval; without reviews, from `ready` on; none with reviews but no approval
        cycle    merge - first commit; without coding time, from `ready` on
    """
    never = np.datetime64("NaT", "us")
    ready = np.minimum(ready, merged)
    began = np.where(first_commit <= ready, first_commit, never)
    reviewed = np.where(first_review <= merged, np.maximum(first_review, ready), never)
    approved = np.where(approved <= merged, np.maximum(approved, reviewed), never)
    review_ended = np.where(np.isnat(approved), merged, approved)
    mergeable = np.where(np.isnat(reviewed), ready, approved)
    return Phases(
        coding=_hours(ready - began),
        pickup=_hours(reviewed - ready),
        review=_hours(review_ended - reviewed),
        merge=_hours(merged - mergeable),
        cycle=_hours(merged - np.where(np.isnat(began), ready, began)),
    )


def _hours(spans: Any) -> Any:
    return spans / np.timedelta64(1, "h")


def rework_cycles(changes_requested: Sequence[Any], commits: Sequence[Any], until: Any) -> int:
    """Count how often a request for changes was followed by commits before `until`,
    which is the first approval or else the merge.

    Each request (of reviews that count) that is answered by at least one commit, at its
    moment or later, and before the next answered request, is one cycle: request,
    commit, commit, request, commit are two.
    """
    events = sorted(
        [(at, 0) for at in changes_requested if at <= until]
        + [(at, 1) for at in commits if at <= until]
    )
    cycles, asked = 0, False
    for _, is_commit in events:
        cycles += bool(is_commit) and asked
        asked = not is_commit
    return cycles


def gini(counts: Sequence[int]) -> float | None:
    """Return how unequal counts are, as the Gini coefficient; None of no counts.

    It is 0 if all are the same, and the closer to 1 the more one person has. With x
    ascending and i from 1: 2 * sum(i * x) / (n * sum(x)) - (n + 1) / n.
    """
    ordered, total = sorted(counts), sum(counts)
    if not total:
        return None
    n = len(ordered)
    return 2 * sum(i * x for i, x in enumerate(ordered, 1)) / (n * total) - (n + 1) / n


def review_depth(reviews: float, lines: float) -> float | None:
    """Return the counted reviews per 100 changed lines; None if no line changed."""
    return 100 * reviews / lines if lines else None


# Upper bounds of changed lines, in ascending order; more than the last is huge.
SIZES = ((20, "tiny"), (100, "small"), (250, "medium"), (500, "large"))


def size_bucket(lines: int) -> str:
    """Return the size in words: tiny (under 20 changed lines), small (under 100),
    medium (under 250), large (to 500), or huge (over 500).
    """
    if lines == SIZES[-1][0]:
        return SIZES[-1][1]
    return next((name for bound, name in SIZES if lines < bound), "huge")
