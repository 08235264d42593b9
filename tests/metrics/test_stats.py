import random

import pytest

from apps.metrics.figures.statistics import rank_sum_z, share_z


def test_a_known_rank_sum():
    # U = 2 of 16 for samples of 4, no ties: (2 - 8) / sqrt(4 * 4 * 9 / 12)
    assert rank_sum_z([3, 4, 5, 6], [1, 2, 3.5, 2.5]) == pytest.approx((1 - 8) / (12**0.5))


def test_ties_shrink_the_variance():
    assert rank_sum_z([1, 1, 2, 2], [2, 2, 3, 3]) == pytest.approx(
        6 / (16 / 12 * (9 - 72 / 56)) ** 0.5
    )


@pytest.mark.parametrize(
    ("before", "after"), [([], [1]), ([1], []), ([], []), ([2, 2], [2, 2, 2])]
)
def test_there_is_no_telling(before, after):
    assert rank_sum_z(before, after) == 0.0


def test_samples_of_one_kind_rarely_differ():
    random.seed(1)
    beyond = sum(
        abs(
            rank_sum_z(
                [random.expovariate(1) for _ in range(30)],
                [random.expovariate(1) for _ in range(30)],
            )
        )
        > 1.96
        for _ in range(1000)
    )
    assert 25 <= beyond <= 75


def test_shares():
    assert share_z(10, 100, 10, 100) == 0.0
    assert share_z(0, 0, 1, 1) == share_z(0, 5, 0, 5) == 0.0
    assert share_z(10, 100, 30, 100) == pytest.approx(3.5355, abs=1e-4)
