import statistics
from datetime import UTC, date, datetime, timedelta

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.metrics.definitions import (
    Merged,
    figures,
    median,
    percentile,
    time_to_merge_hours,
    week_label,
    week_of,
    week_start,
)
from apps.metrics.records import ChangeKind

HOURS = st.lists(st.floats(0, 1e5), max_size=60)


@given(HOURS, st.floats(0, 1))
def test_percentiles_are_numpy_s(values, share):
    ours = percentile(sorted(values), share)
    theirs = pytest.approx(numpy.percentile(values, share * 100), rel=1e-9, abs=1e-9) if values else None
    assert ours == theirs


@given(HOURS)
def test_the_median_is_the_standard_library_s(values):
    assert median(values) == (pytest.approx(statistics.median(values), abs=1e-9) if values else None)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.timezones()))  # noqa: DTZ001 - Hypothesis adds zones
def test_weeks_are_iso_weeks_in_utc(moment):
    week = week_of(moment)
    assert week.weekday() == 0
    assert week_start(week) <= moment < week_start(week + timedelta(weeks=1))
    assert week_label(week) == moment.astimezone(UTC).strftime("%G-W%V")


def test_a_year_s_first_days_belong_to_the_last_iso_year():
    assert week_label(week_of(datetime(2027, 1, 1, tzinfo=UTC))) == "2026-W53"
    assert week_label(date(2026, 2, 9)) == "2026-W07"


def test_a_change_has_no_time_to_merge():
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert time_to_merge_hours(ChangeKind.CHANGE, start, start) is None
    assert time_to_merge_hours(ChangeKind.PULL_REQUEST, start, start + timedelta(minutes=90)) == 1.5


def test_a_week_of_changes_alone_has_counts_but_no_times():
    week = figures(
        1, [Merged(7, None, True, 3, 1, 0), Merged(None, None, False, 2, 2, 0), Merged(None, None, False, 0, 0, 0)]
    )
    assert (week.opened, week.merged, week.authors, week.ai_assisted, week.additions, week.deletions) == (
        1,
        3,
        2,
        1,
        5,
        3,
    )
    assert week.time_to_merge_hours_median is week.time_to_merge_hours_p75 is week.time_to_merge_hours_p90 is None
