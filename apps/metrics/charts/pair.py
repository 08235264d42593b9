"""Draw two series in one chart, week by week from the first of each. The lines are
those of `apps.metrics.charts.weekly`.
"""

from collections.abc import Sequence
from itertools import groupby, zip_longest

from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.metrics.charts.frame import Frame, Label, number
from apps.metrics.charts.scale import NBSP, Scale, day, scale_for
from apps.metrics.charts.weekly import Week


def pair_chart(
    first: Sequence[Week],
    second: Sequence[Week],
    *,
    unit: str,
    label: str,
    width: int,
    height: int,
) -> SafeString:
    """Draw the weekly medians of two sides, A and B, in ascending order of weeks.

    `unit` is that of `scale_for`. Months are named if both sides have the same ones.
    """
    longer = max(first, second, key=len)
    frame = Frame("lines", label, width, height, [week.week for week in longer])
    values = [week.value for week in (*first, *second) if week.value is not None]
    if not values:
        return frame.empty("Not enough data")
    axis = scale_for(values, unit)
    alike = bool(first and second) and first[0].week == second[0].week
    sides = (("B", second, "median other"), ("A", first, "median"))
    marks = [
        frame.grid(axis),
        *([frame.months()] if alike else []),
        frame.stretched(_line(frame, axis, weeks, css) for _, weeks, css in sides),
        *(_dots(frame, axis, weeks, css.replace("median", "dot")) for _, weeks, css in sides),
        frame.hovers(
            (week, _titles(axis, pair))
            for week, pair in zip(frame.span, zip_longest(first, second), strict=True)
        ),
    ]
    labels = sorted(
        (_label(frame, axis, name, weeks) for name, weeks, _ in sides if _last(weeks)),
        key=lambda row: row[2],
    )
    said = " ".join(_sentence(axis, name, weeks) for name, weeks, _ in reversed(sides))
    return frame.svg(f"{label}, median by week. {said}", marks, frame.labels(labels))


def _last(weeks: Sequence[Week]) -> Week | None:
    return next((week for week in reversed(weeks) if week.value is not None), None)


def _label(frame: Frame, axis: Scale, name: str, weeks: Sequence[Week]) -> Label:
    last = _last(weeks)
    value = last.value if last and last.value is not None else 0.0
    return (
        f"{name}{NBSP}{axis.label(value)}",
        "value" if name == "A" else "soft",
        frame.y(axis, value),
    )


def _line(frame: Frame, axis: Scale, weeks: Sequence[Week], css: str) -> SafeString:
    """Return a line for each stretch of weeks with values; none crosses a week
    without.
    """
    stretches = groupby(enumerate(weeks), key=lambda row: row[1].value is not None)
    drawn = [
        " ".join(
            f"{number(frame.point(frame.span[n]))},{number(frame.y(axis, week.value or 0.0))}"
            for n, week in stretch
        )
        for known, stretch in stretches
        if known
    ]
    lines = [format_html('<polyline class="{}" points="{}"/>', css, points) for points in drawn]
    return format_html("{}" * len(lines), *lines) if lines else SafeString("")


def _dots(frame: Frame, axis: Scale, weeks: Sequence[Week], css: str) -> SafeString:
    """Return the dot at the last value of a side."""
    last = _last(weeks)
    if last is None or last.value is None:
        return SafeString("")
    x = frame.point(frame.span[list(weeks).index(last)])
    return format_html(
        '<circle class="{}" cx="{}%" cy="{}" r="4"/>',
        css,
        number(x),
        number(frame.y(axis, last.value)),
    )


def _titles(axis: Scale, pair: tuple[Week | None, Week | None]) -> str:
    return ". ".join(
        f"{name}: {_said(axis, week)}" for name, week in zip("AB", pair, strict=True) if week
    )


def _said(axis: Scale, week: Week) -> str:
    value = "no value" if week.value is None else axis.label(week.value)
    return f"week of {day(week.week)}, {value}"


def _sentence(axis: Scale, name: str, weeks: Sequence[Week]) -> str:
    known = [week for week in weeks if week.value is not None]
    if not known:
        return f"{name} has no week with values."
    return f"{name} from {_said(axis, known[0])}, to {_said(axis, known[-1])}."
