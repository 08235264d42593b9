"""Spans of time change their unit by the value that is shown."""

import pytest

from apps.metrics.formatting import NBSP, in_hours


@pytest.mark.parametrize(
    ("hours", "shown"),
    [
        (0.001, "1 min"),
        (0.99, "59 min"),
        (0.995, "1 h"),
        (1.25, "1.2 h"),
        (47.4, "47 h"),
        (47.6, "2 days"),
        (48, "2 days"),
    ],
)
def test_unit_follows_the_rounded_value(hours, shown):
    assert in_hours(hours) == shown.replace(" ", NBSP)
