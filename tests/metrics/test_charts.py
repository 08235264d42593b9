from datetime import date, timedelta
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.metrics.charts.scale import months, scale_for
from apps.metrics.charts.weekly import (
    Shares,
    Week,
    bar_chart,
    data_table,
    line_chart,
    percent,
    share_chart,
)

FIRST = date(2026, 9, 7)
SIZE = {"width": 540, "height": 180}
NAMES = ("assisted", "no marker", "not read")


def weeks(*values):
    """Weeks from values, or from pairs of median and p75."""
    pairs = [value if isinstance(value, tuple) else (value, None) for value in values]
    return [Week(FIRST + timedelta(weeks=n), *pair) for n, pair in enumerate(pairs)]


def line(rows, **options):
    return parsed(
        line_chart(
            rows,
            **{"unit": "h", "label": "Time to merge", "latest_so_far": True} | SIZE | options,
        )
    )


def bars(rows, **options):
    return parsed(
        bar_chart(rows, **{"label": "Merged", "latest_so_far": True} | SIZE | options)
    )


def parsed(markup):
    assert "style=" not in markup
    return ElementTree.fromstring(markup)


def of(chart, css):
    return [element for element in chart.iter() if css in (element.get("class") or "").split()]


def words(chart):
    return [element.text for element in chart.iter("text")]


def test_a_line_with_its_band():
    chart = line(weeks((30, 60), (20, 50), (18, 41)))
    assert chart.get("role") == "img"
    assert chart.get("aria-label") == (
        "Time to merge, median by week from 7 September to 21 September: 30\xa0h first, 18\xa0h last, so far, p75 41\xa0h."
    )
    assert [len(of(chart, css)) for css in ("median", "high", "band", "now")] == [1, 1, 1, 1]
    # The axis ends at 60 h; the plot is 146 px high and starts at 10.
    assert of(chart, "median")[0].get("points") == "0,83 50,107.33 100,112.2"
    assert words(chart)[-2:] == ["p75\xa041", "18\xa0h"]
    assert "Sep" in words(chart)


def test_no_line_crosses_a_week_without_a_value():
    chart = line(weeks((30, 60), (20, 50), None, (18, 41), None, (10, 20), (11, 21)))
    assert [run.get("points").count(",") for run in of(chart, "median")] == [2, 1, 2]
    assert len(of(chart, "lone")) == 1
    rows = weeks(1, 2, 3, 4)
    assert (
        len(of(line([rows[0], rows[1], rows[3]]), "median")) == 2
    )  # a week that is not there is no bridge either


def test_the_latest_week_without_a_value_is_not_marked_as_now():
    chart = line(weeks(5, 6, None))
    assert not of(chart, "now")
    assert len(of(chart, "dot")) == 1
    assert "so far" not in chart.get("aria-label")
    assert not of(chart, "high")


def test_weeks_that_have_not_arrived_are_hatched_and_said():
    before = FIRST + timedelta(weeks=2)
    chart = line(weeks(99, 98, 3, 2, 1), missing_before=before)
    assert len(of(chart, "missing")) == 1
    assert "still arriving" in words(chart)
    assert of(chart, "median")[0].get("points").count(",") == 3
    chart = bars(weeks(99, 98, 3, 2, 1), missing_before=before)
    hatched = of(chart, "missing")
    assert len(hatched) == 2
    assert len({bar.get("height") for bar in hatched}) == 1
    assert "still arriving" in words(chart)
    assert "3 first, 1 last, so far, at most 3" in chart.get("aria-label")


def test_bars_and_the_latest():
    chart = bars(weeks(10, 0, 20))
    assert len(of(chart, "bar")) == 3
    assert [bar.find("title").text for bar in of(chart, "now")] == [
        "Week of 21 September, so far: 20"
    ]
    assert words(chart)[-2:] == ["20", "so far"]
    assert "so far" not in words(bars(weeks(10, 0, 20), latest_so_far=False))


def test_shares_stack_and_the_unknown_is_hatched():
    rows = [
        Shares(FIRST, 1, 2, 1),
        Shares(FIRST + timedelta(weeks=1), 0, 0, 0),
        Shares(FIRST + timedelta(weeks=2), 1, 1, 2),
    ]
    chart = parsed(share_chart(rows, label="AI", names=NAMES, **SIZE))
    assert [len(of(chart, css)) for css in ("having", "lacking", "unknown")] == [2, 2, 2]
    pattern = next(chart.iter("pattern")).get("id")
    assert {part.get("fill") for part in of(chart, "unknown")} == {f"url(#{pattern})"}
    assert words(chart)[-3:] == ["50\xa0% not read", "25\xa0% no marker", "25\xa0% assisted"]
    heights = [
        float(part.get("height"))
        for css in ("having", "lacking", "unknown")
        for part in of(chart, css)[-1:]
    ]
    assert sum(heights) == pytest.approx(146, abs=0.1)


@pytest.mark.parametrize("empty", [[], weeks(None, None)])
def test_nothing_is_a_box_of_the_same_size(empty):
    for chart in (
        line(empty),
        bars(empty),
        parsed(share_chart([], label="AI", names=NAMES, **SIZE)),
    ):
        assert chart.get("height") == "180"
        assert words(chart) == ["Nothing to show yet"]


def test_words_are_escaped():
    label = '"><script>alert(1)</script>'
    rows = weeks((1, 2), (2, 3))
    shares = [Shares(FIRST, 1, 1, 1)]
    for markup in (
        line_chart(rows, unit="h", label=label, latest_so_far=False, **SIZE),
        bar_chart(rows, label=label, latest_so_far=False, **SIZE),
        share_chart(shares, label=label, names=(label,) * 3, **SIZE),
        line_chart([], unit="h", label=label, latest_so_far=False, **SIZE),
        data_table(label, [label], [(label, label)]),
    ):
        assert "<script" not in markup
        ElementTree.fromstring(markup)


def test_a_table_has_row_and_column_heads():
    table = ElementTree.fromstring(
        data_table("Merged", ["Week", "Merged"], [("7 Sep", "4"), ("14 Sep", "5")])
    )
    assert table.tag == "details"
    assert [head.get("scope") for head in table.iter("th")] == ["col", "col", "row", "row"]
    assert [cell.text for cell in table.iter("td")] == ["4", "5"]


@pytest.mark.parametrize(
    ("values", "unit", "ticks"),
    [
        ([66], "h", ["0", "20\xa0h", "40\xa0h", "60\xa0h", "80\xa0h"]),
        ([0.9], "h", ["0", "15\xa0min", "30\xa0min", "45\xa0min", "60\xa0min"]),
        ([300], "h", ["0", "5\xa0d", "10\xa0d", "15\xa0d"]),
        ([217], "", ["0", "100", "200", "300"]),
        ([3], "", ["0", "1", "2", "3"]),
        ([0], "", ["0", "1"]),
        ([9_500], "lines", ["0", "2,500", "5,000", "7,500", "10,000"]),
    ],
)
def test_ticks_are_round(values, unit, ticks):
    axis = scale_for(values, unit)
    assert [axis.tick(tick) for tick in axis.ticks] == ticks


@given(st.lists(st.floats(0, 1e7), min_size=1), st.sampled_from(["h", "", "lines", "%"]))
def test_every_value_is_within_two_to_five_ticks(values, unit):
    axis = scale_for(values, unit)
    assert axis.top >= max(values) * (1 - 1e-9)
    assert 2 <= len(axis.ticks) <= 5


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 60), st.floats(3, 100))
def test_names_of_months_do_not_touch(day, count, room):
    monday = day - timedelta(days=day.weekday())
    found = months([monday + timedelta(weeks=n) for n in range(count)], room=room)
    assert found
    assert all((b.index - a.index) * room >= 24 for a, b in pairwise(found))


def test_shares_in_words():
    assert [percent(0, 0), percent(0, 5), percent(1, 500), percent(31, 100), percent(1, 1)] == [
        "0\xa0%",
        "0\xa0%",
        "under\xa01\xa0%",
        "31\xa0%",
        "100\xa0%",
    ]
