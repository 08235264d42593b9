"""The labeled set holds the markers to the aims of `make eval`, and is what it says it
is.
"""

from evals.__main__ import PRECISION, PRECISION_EXPLICIT, RECALL, any_tier, explicit, wilson
from evals.cases import cases


def shares(says):
    every = cases()
    found = [case for case in every if says(case)]
    right = sum(case.wrote for case in found)
    return right / len(found), right / sum(case.wrote for case in every)


def test_the_markers_reach_the_aims():
    precision, recall = shares(explicit)
    assert precision >= PRECISION_EXPLICIT
    assert recall >= RECALL
    precision, recall = shares(any_tier)
    assert precision >= PRECISION
    assert recall >= RECALL


def test_the_set_is_large_hard_and_half_from_life():
    every = cases()
    hard = [case for case in every if not case.wrote]
    assert len(every) >= 300
    assert (
        len({case.name for case in every})
        == len({(case.title, case.body, case.commits) for case in every})
        == len(every)
    )
    assert len(hard) >= len(every) / 2
    assert sum(case.seen for case in hard) >= len(hard) / 2
    assert all(case.why for case in every)


def test_the_intervals_are_wilsons():
    low, high = wilson(8, 10)
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)
    assert wilson(0, 0) == (0.0, 1.0)
