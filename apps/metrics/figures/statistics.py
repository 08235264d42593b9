"""Compute whether a difference is more than chance, and how large it is: pure functions
of the samples.
"""

from collections.abc import Sequence
from math import exp, lgamma, log, sqrt
from typing import Any

import numpy as np

MIN_WEEKS = 10  # of a series that may have a change point


def rank_sum_z(before: Sequence[float], after: Sequence[float]) -> float:
    """Return by how many standard errors `after` is above `before`, by the Mann-Whitney
    rank sum with correction for ties.

    0.0 if either is empty or all values are the same. The normal approximation needs
    about ten values on each side.
    """
    n, m = len(before), len(after)
    ordered = sorted([(value, False) for value in before] + [(value, True) for value in after])
    total, rank_sum, ties, start = n + m, 0.0, 0, 0
    while start < total:
        end = start
        while end < total and ordered[end][0] == ordered[start][0]:
            end += 1
        shared = (start + 1 + end) / 2  # the mean of the ranks start+1 … end
        rank_sum += shared * sum(is_after for _, is_after in ordered[start:end])
        ties += (end - start) ** 3 - (end - start)
        start = end
    if not n or not m or total < 2:
        return 0.0
    variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)))
    return (rank_sum - m * (total + 1) / 2) / sqrt(variance) if variance > 0 else 0.0


def share_z(before: int, of_before: int, after: int, of_after: int) -> float:
    """Return by how many standard errors the share after is above the share before; 0.0
    if it cannot be computed.
    """
    if not of_before or not of_after:
        return 0.0
    pooled = (before + after) / (of_before + of_after)
    variance = pooled * (1 - pooled) * (1 / of_before + 1 / of_after)
    return (after / of_after - before / of_before) / sqrt(variance) if variance > 0 else 0.0


def change_point(
    values: Sequence[float], weeks: Sequence[int], least: int, chance: float, seed: int = 1
) -> tuple[int, float] | None:
    """Return the week from which values are higher or lower than before, and its
    probability by chance; None if that is above `chance`.

    Of all splits between weeks with at least `least` values and three weeks on each
    side, it takes the one with the largest rank sum statistic (Pettitt's test,
    standardized). The probability comes from shuffling whole weeks, because values
    within a week may be alike for a common reason and are not independent.
    """
    if len(values) < 2 * least:
        return None
    names, week = np.unique(np.asarray(weeks), return_inverse=True)
    ranks = _ranks(np.asarray(values, dtype=float))
    counts = np.bincount(week).astype(float)
    sums = np.bincount(week, weights=ranks - ranks.mean())
    spread = float(ranks.var())
    if len(names) < MIN_WEEKS or spread == 0:
        return None
    at, found = _best_split(sums[None], counts[None], least, spread)
    # A split below 3 standard errors would be within chance even if it were the only
    # one tested, so shuffling is not needed.
    if found[0] < 3:
        return None
    # This many shuffles can find a probability of a fifth of `chance`. The seed is
    # fixed, so that the same data always has the same result.
    shuffled = np.random.default_rng(seed).permuted(
        np.tile(np.arange(len(names)), (round(5 / chance), 1)), axis=1
    )
    _, by_chance = _best_split(sums[shuffled], counts[shuffled], least, spread)
    # The order that was observed counts as one of the shuffles, so p is never 0.
    p = (1 + int((by_chance >= found[0]).sum())) / (1 + len(by_chance))
    return (int(names[at[0] + 1]), p) if p <= chance else None


def _best_split(sums: Any, counts: Any, least: int, spread: float) -> tuple[Any, Any]:
    """Return for each row of weeks the last week before the best split, and the split's
    statistic in standard errors.
    """
    before, n = np.cumsum(sums, axis=1)[:, :-1], np.cumsum(counts, axis=1)
    total, first = n[:, -1:], n[:, :-1]
    second = total - first
    variance = spread * first * second / (total - 1)
    z = np.where(
        (first >= least) & (second >= least),
        np.abs(before) / np.sqrt(np.maximum(variance, 1e-12)),
        0.0,
    )
    # A split needs three weeks on each side.
    z[:, :2] = z[:, -2:] = 0.0
    return z.argmax(axis=1), z.max(axis=1)


def _ranks(values: Any) -> Any:
    """Return the ranks from 1; equal values share the mean of theirs."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[inverse]


Strata = Sequence[tuple[Sequence[float], Sequence[float]]]


def bootstrap_ratio(
    strata: Strata, rounds: int = 4000, seed: int = 1
) -> tuple[float, float, float]:
    """Return how many times as large the second median is as the first, over all
    strata: the weighted geometric mean, and its 95 % interval.

    The weights are n * m / (n + m). A bootstrap's median is drawn from its exact
    distribution, by the rank that it would have among uniform numbers. This is faster
    than drawing every sample.
    """
    dice = np.random.default_rng(seed)
    weights = [len(a) * len(b) / (len(a) + len(b)) for a, b in strata]
    estimate, drawn = 0.0, np.zeros(rounds)
    for (a, b), weight in zip(strata, weights, strict=True):
        # Zero has no logarithm, so values are at least 0.01.
        low, high = (
            np.sort(np.maximum(np.asarray(side, dtype=float), 0.01)) for side in (a, b)
        )
        estimate += weight * (log(float(np.median(high))) - log(float(np.median(low))))
        drawn += weight * (
            np.log(_medians(high, rounds, dice)) - np.log(_medians(low, rounds, dice))
        )
    bounds = np.percentile(drawn / sum(weights), [2.5, 97.5])
    return exp(estimate / sum(weights)), exp(float(bounds[0])), exp(float(bounds[1]))


def _medians(ordered: Any, rounds: int, dice: Any) -> Any:
    """Return medians of bootstrap samples of ascending values."""
    n = len(ordered)
    low = (n + 1) // 2
    # The k-th smallest of n uniform numbers has a beta distribution.
    first = dice.beta(low, n - low + 1, rounds)
    one = ordered[np.minimum((first * n).astype(int), n - 1)]
    if n % 2:
        return one
    # The median of an even number of values is the mean of the two in the middle.
    second = first + (1 - first) * dice.beta(1, n - low, rounds)
    return (one + ordered[np.minimum((second * n).astype(int), n - 1)]) / 2


def cliffs_delta(strata: Strata) -> float:
    """Return how much likelier a second value is the larger one than the smaller one,
    from -1 to 1; with the weights of `bootstrap_ratio`.
    """
    total = weight = 0.0
    for a, b in strata:
        ordered, share = (
            np.sort(np.asarray(a, dtype=float)),
            len(a) * len(b) / (len(a) + len(b)),
        )
        below, up_to = (
            np.searchsorted(ordered, b, side=side).sum() for side in ("left", "right")
        )
        total += share * float(below - (len(a) * len(b) - up_to)) / (len(a) * len(b))
        weight += share
    return total / weight


def stratified_z(strata: Strata) -> float:
    """Return by how many standard errors the second values are above the first, by rank
    sums within strata (van Elteren's test).
    """
    above = variance = 0.0
    for a, b in strata:
        n, m = len(a), len(b)
        ranks = _ranks(np.asarray([*a, *b], dtype=float))
        above += float(ranks[n:].sum() - m * (n + m + 1) / 2) / (n + m + 1)
        variance += n * m * float(ranks.var(ddof=1)) / (n + m) / (n + m + 1) ** 2
    return above / sqrt(variance) if variance > 0 else 0.0


def more_by_chance(before: int, of_before: int, after: int, of_after: int) -> float:
    """Return the probability of at least as many cases after, if cases were equally
    likely before and after (Fisher's exact test, one-sided).
    """
    cases, of_all = before + after, of_before + of_after

    def ways(n: int, k: int) -> float:
        # The logarithm of the binomial coefficient, which itself would overflow.
        return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)

    whole = ways(of_all, cases)
    most = min(cases, of_after)
    return sum(
        exp(ways(of_after, k) + ways(of_before, cases - k) - whole)
        for k in range(after, most + 1)
        if cases - k <= of_before
    )
