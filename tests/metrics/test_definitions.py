import statistics
from datetime import UTC, date, datetime, timedelta

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.metrics.figures.declarations import FIGURES, MEASURES
from apps.metrics.figures.definitions import (
    gini,
    median,
    percentile,
    phases,
    rework_cycles,
    size_bucket,
)
from apps.metrics.figures.pull_requests import STORED
from apps.metrics.figures.reverts import is_revert
from apps.metrics.insights.change_types import change_type
from apps.metrics.models import PullRequestFigures, WeeklyMetrics
from apps.metrics.weeks import week_label, week_of, week_start
from tests.metrics import reference

HOURS = st.lists(st.floats(0, 1e5), max_size=60)


@given(HOURS, st.floats(0, 1))
def test_percentiles_are_numpy_s(values, share):
    ours = percentile(sorted(values), share)
    theirs = (
        pytest.approx(numpy.percentile(values, share * 100), rel=1e-9, abs=1e-9)
        if values
        else None
    )
    assert ours == theirs


@given(HOURS)
def test_the_median_is_the_standard_library_s(values):
    assert median(values) == (
        pytest.approx(statistics.median(values), abs=1e-9) if values else None
    )


@given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.timezones()))  # noqa: DTZ001 - Hypothesis adds zones
def test_weeks_are_iso_weeks_in_utc(moment):
    week = week_of(moment)
    assert week.weekday() == 0
    assert week_start(week) <= moment < week_start(week + timedelta(weeks=1))
    assert week_label(week) == moment.astimezone(UTC).strftime("%G-W%V")


def test_a_year_s_first_days_belong_to_the_last_iso_year():
    assert week_label(week_of(datetime(2027, 1, 1, tzinfo=UTC))) == "2026-W53"
    assert week_label(date(2026, 2, 9)) == "2026-W07"


MOMENTS = st.none() | st.integers(0, 10**6)


def instants(values):
    return numpy.array(
        [
            numpy.datetime64("NaT", "us") if one is None else numpy.datetime64(one * 61, "s")
            for one in values
        ]
    ).astype("datetime64[us]")


@given(
    st.lists(
        st.tuples(MOMENTS, st.integers(0, 10**6), MOMENTS, MOMENTS, st.integers(0, 10**6)),
        min_size=1,
        max_size=20,
    )
)
def test_the_phases_sum_to_the_cycle(rows):
    columns = [instants(column) for column in zip(*rows, strict=True)]
    *parts, cycle = phases(*columns)
    assert numpy.nansum(parts, axis=0) == pytest.approx(cycle, rel=1e-9, abs=1e-9)
    assert all(not (part < 0).any() for part in parts)


def test_the_phases_of_a_reviewed_pull_request():
    found = phases(*(instants([n]) for n in (0, 60, 180, 240, 600)))
    assert [float(part[0]) for part in found] == pytest.approx(
        [61 / 60 * n for n in (1, 2, 1, 6, 10)]
    )


@pytest.mark.parametrize(
    ("asked", "commits", "until", "cycles"),
    [
        ([], [1, 2], 9, 0),
        ([3], [1], 9, 0),
        ([3], [4, 5], 9, 1),
        ([3, 4], [5], 9, 1),
        ([3, 6], [4, 7], 9, 2),
        ([3, 6], [4, 7], 5, 1),
        ([3], [3], 9, 1),
    ],
)
def test_a_rework_cycle_is_a_request_answered_by_commits(asked, commits, until, cycles):
    assert rework_cycles(asked, commits, until) == cycles


@pytest.mark.parametrize(
    ("title", "head", "expected"),
    [
        ('Revert "Add a page"', "topic", True),
        ('Revert "Add a page', "", True),
        ("Anything", "revert-12-topic", True),
        ('Revert "Add a page"', "revert-12-topic", True),
        ('Revert "Revert "Add a page""', "revert-13-revert-12-topic", False),
        ('Revert "Revert "Add a page""', "", False),
        ('Revert "Revert "Revert "Add a page"""', "", True),
        ('Revert^2 "Add a page"', "", False),
        ('Revert^3 "Add a page"', "", True),
        ('Reapply "Add a page"', "revert-13-revert-12-topic", False),
        ('Reapply "Add a page"', "revert-13-topic", False),
        ('Reland "Add a page"', "", False),
        ('Revert "Reapply "Add a page""', "", True),
        ('Reapply "Reapply "Add a page""', "", False),
        ("Bring the page back", "revert-13-revert-12-topic", False),
        ("Revert the colors to blue", "topic", False),
        ("Reapply the paint", "topic", False),
        ("Anything", "revert-the-thing", False),
        ("Anything", "", False),
    ],
)
def test_reverts_are_counted_once(title, head, expected):
    assert is_revert(title, head) is expected


@given(st.lists(st.integers(1, 50), max_size=12))
def test_gini_is_half_the_mean_difference_over_the_mean(counts):
    assert gini(counts) == (
        None if not counts else pytest.approx(reference.gini(counts), abs=1e-9)
    )


def test_the_gini_of_equal_loads_is_none_at_all():
    assert gini([3, 3, 3]) == pytest.approx(0)
    assert gini([0, 0, 0, 12]) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("fix(api)!: x", "fix"),
        ("docs: x", "docs"),
        ("Fix a typo", "fix"),
        ("chore: x", "upkeep"),
        ("Rework x", "other"),
    ],
)
def test_what_a_pull_request_is_for(title, kind):
    assert change_type(title) == kind


def test_sizes():
    assert [size_bucket(n) for n in (0, 19, 20, 99, 100, 250, 500, 501)] == [
        "tiny",
        "tiny",
        "small",
        "small",
        "medium",
        "large",
        "large",
        "huge",
    ]


def test_every_figure_says_how_it_is_measured():
    assert all(measure.formula.endswith(".") and measure.title for measure in MEASURES.values())
    assert {figure.measure for figure in FIGURES} == set(MEASURES)


def test_declared_figures_are_the_columns_of_the_weekly_table():
    """Also in their types: counts are integers, and what may be missing is a float."""
    columns = [
        field
        for field in WeeklyMetrics._meta.concrete_fields
        if field.name in {figure.name for figure in FIGURES}
    ]
    assert len(columns) == len(FIGURES)
    for figure in FIGURES:
        field = WeeklyMetrics._meta.get_field(figure.name)
        optional = figure.aggregate in ("median", "p75", "p90", "depth", "gini")
        assert field.null == optional, figure.name
    labels = {"id", "team", "scope", "subject", "repository", "member", "week"}
    named = {field.name for field in WeeklyMetrics._meta.concrete_fields}
    assert named - labels - {"definitions_version"} == {figure.name for figure in FIGURES}


def test_every_column_of_a_figure_is_a_measure():
    derived = {"", "author", "ai_assisted", "size_lines"}
    columns = {field.name for field in PullRequestFigures._meta.concrete_fields}
    assert {figure.column for figure in FIGURES} - derived <= columns
    # And each stored measure has a column of its type.
    assert set(STORED) < columns
