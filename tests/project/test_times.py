"""Machine-readable times in pages."""

from datetime import UTC, datetime

import pytest
from django.template import engines


@pytest.mark.parametrize(
    ("moment", "shown"),
    [
        (datetime(2026, 11, 28, 9, 5, 7, 150794, tzinfo=UTC), "2026-11-28T09:05:07+00:00"),
        ("2026-11-28T09:05:07.150794+00:00", "2026-11-28T09:05:07+00:00"),
        (None, ""),
        ("", ""),
    ],
)
def test_time_has_no_fraction_of_a_second(moment, shown):
    template = engines["django"].from_string("{{ moment|machine_time }}")
    assert template.render({"moment": moment}) == shown
