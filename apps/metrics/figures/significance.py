"""Decide whether a difference is more than chance, by one rule for every page and
insight.

    >>> of_medians([(before, after)]).is_beyond
    True

A difference of medians counts if three things hold: the rank sum is 3.3 standard errors
off (about 1 in 1,000 by chance), the 95 % interval of the ratio does not contain 1, and
Cliff's delta is not negligible. A difference of shares or of weekly counts counts if it
is 3.3 standard errors off.
"""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

from apps.metrics.figures.statistics import (
    Strata,
    bootstrap_ratio,
    cliffs_delta,
    rank_sum_z,
    share_z,
    stratified_z,
)

SURE = 3.3  # standard errors: some 1 in 1,000 by chance
MIN_CASES = 20  # on each side of a comparison of medians
MIN_SHARE_CASES = 40  # on each side of a comparison of shares
MIN_IN_STRATUM = 5  # of either side; fewer are left out
SMALL_DELTA = 0.147  # a smaller Cliff's delta is called negligible


class Difference(NamedTuple):
    """How the second side differs from the first. `is_known` is False if there are too
    few cases to compare.

    For medians, `ratio` is second to first with its 95 % interval `low` to `high`, and
    `delta` is Cliff's, from -1 to 1. `z` counts standard errors; it is positive if the
    second side is higher.
    """

    is_known: bool
    is_beyond: bool = False
    z: float = 0.0
    ratio: float = 1.0
    low: float = 1.0
    high: float = 1.0
    delta: float = 0.0
    n_first: int = 0
    n_second: int = 0
    strata: int = 0

    @property
    def rose(self) -> bool:
        """Return whether the second side is higher."""
        return self.z > 0


def of_medians(groups: Strata) -> Difference:
    """Compare the values of two sides within groups of like cases: a pair (first,
    second) per group.
    """
    strata = [pair for pair in groups if min(map(len, pair)) >= MIN_IN_STRATUM]
    n_first, n_second = (sum(len(pair[side]) for pair in strata) for side in (0, 1))
    if min(n_first, n_second) < MIN_CASES:
        return Difference(False, n_first=n_first, n_second=n_second, strata=len(strata))
    ratio, low, high = bootstrap_ratio(strata)
    delta, z = cliffs_delta(strata), stratified_z(strata)
    is_beyond = abs(z) >= SURE and not low <= 1 <= high and abs(delta) >= SMALL_DELTA
    return Difference(
        True, is_beyond, z, ratio, low, high, delta, n_first, n_second, len(strata)
    )


def of_shares(first: int, of_first: int, second: int, of_second: int) -> Difference:
    """Compare two shares: so many of so many."""
    if min(of_first, of_second) < MIN_SHARE_CASES:
        return Difference(False, n_first=of_first, n_second=of_second)
    z = share_z(first, of_first, second, of_second)
    return Difference(True, abs(z) >= SURE, z, n_first=of_first, n_second=of_second)


def of_weekly_counts(first: Sequence[int], second: Sequence[int]) -> Difference:
    """Compare how many there are a week; each side has a count for each whole week."""
    if min(len(first), len(second)) < MIN_IN_STRATUM:
        return Difference(False, n_first=len(first), n_second=len(second))
    z = rank_sum_z(first, second)
    return Difference(True, abs(z) >= SURE, z, n_first=len(first), n_second=len(second))


def of_counts(first: int, second: int) -> Difference:
    """Compare how many there were in two periods of one length, as independent
    events.
    """
    if not first + second:
        return Difference(False)
    # The variance of the difference of two Poisson counts is about their sum.
    z = (second - first) / sqrt(first + second)
    return Difference(True, abs(z) >= SURE, z, n_first=first, n_second=second)
