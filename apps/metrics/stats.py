"""Whether a difference is more than chance: two tests, as pure functions of the samples."""

from collections.abc import Sequence
from math import sqrt


def rank_sum_z(before: Sequence[float], after: Sequence[float]) -> float:
    """How many standard errors `after` lies above `before` by the Mann-Whitney rank sum, with correction for ties.

    0.0 where either is empty or all values are the same. The normal approximation wants some ten values on each side.
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
    """How many standard errors the share after lies above the share before; 0.0 where there is no telling."""
    if not of_before or not of_after:
        return 0.0
    pooled = (before + after) / (of_before + of_after)
    variance = pooled * (1 - pooled) * (1 / of_before + 1 / of_after)
    return (after / of_after - before / of_before) / sqrt(variance) if variance > 0 else 0.0
