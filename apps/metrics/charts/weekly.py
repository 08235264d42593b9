"""Draw charts by week as SVG. Pure: plain rows in, markup out.

    line_chart(weeks, …)     the median as a line, the p75 above it, the band between
    bar_chart(weeks, …)      counts
    share_chart(weeks, …)    shares of a whole, the unknown one hatched
    data_table(…)            the same numbers as a table to unfold

Pages with charts link `css/charts.css` and put each chart into a `.chart-box`. The plot
stretches with its box while text keeps its size: positions are percentages, and the
lines are in a viewBox that is stretched in one direction. The markup has classes and
attributes but no styles, because of the content security policy. An unknown value is
never drawn as zero, and no line crosses it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.metrics.charts.frame import Frame, Label, Link, join, number
from apps.metrics.charts.scale import NBSP, Scale, day, scale_for


@dataclass(frozen=True, slots=True)
class Week:
    """Hold the values of a week, which its Monday names.

    `value` is a median or a count, and `high` is the p75; None if there is none.
    """

    week: date
    value: float | None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Shares:
    """A week's whole in three parts, as counts: with the property, without it, and not
    known.
    """

    week: date
    having: int
    lacking: int
    unknown: int

    @property
    def total(self) -> int:
        return self.having + self.lacking + self.unknown


def line_chart(
    weeks: Sequence[Week],
    *,
    unit: str,
    label: str,
    width: int,
    height: int,
    latest_so_far: bool,
    missing_before: date | None = None,
    link: Link | None = None,
) -> SafeString:
    """Draw medians and p75, in ascending order of weeks.

    Args:
        unit: see `scale_for`.
        width: the box's usual width in px, which decides how many months are named. The
            chart stretches.
        missing_before: the data of the weeks before it has not arrived yet.
        link: returns the address that a week leads to, or an empty one.
    """
    frame = Frame("lines", label, width, height, [week.week for week in weeks], link)
    known = [
        (week, week.value)
        for week in weeks
        if week.value is not None and not _missing(week, missing_before)
    ]
    if not known:
        return frame.empty()
    axis = scale_for([week.high or value for week, value in known], unit)
    (first, first_value), (last, value) = known[0], known[-1]
    is_latest = last is weeks[-1]
    so_far = ", so far" if is_latest and latest_so_far else ""
    marks = [
        frame.grid(axis),
        frame.months(),
        _missing_block(frame, missing_before),
        frame.stretched(_run(frame, axis, run) for run in _runs(weeks, missing_before)),
        *(
            # A line through one week cannot be seen, so a dot shows it.
            _dot(frame, axis, run[0][0], run[0][1], "dot lone")
            for run in _runs(weeks, missing_before)
            if len(run) == 1
        ),
        _dot(frame, axis, last, value, "dot now" if is_latest else "dot"),
        frame.hovers(
            (
                week.week,
                f"{_named(week, latest_so_far and week is weeks[-1])}: {_values(axis, week)}",
            )
            for week in weeks
        ),
    ]
    labels: list[Label] = [(axis.label(value), "value", frame.y(axis, value))]
    if last.high is not None:
        labels.insert(0, (f"p75{NBSP}{axis.bare(last.high)}", "soft", frame.y(axis, last.high)))
    sentence = (
        f"{label}, median by week from {day(first.week)} to {day(last.week)}: {axis.label(first_value)} first,"
        f" {axis.label(value)} last{so_far}{'' if last.high is None else f', p75 {axis.label(last.high)}'}."
    )
    return frame.svg(sentence, marks, frame.labels(labels))


def bar_chart(
    weeks: Sequence[Week],
    *,
    label: str,
    width: int,
    height: int,
    latest_so_far: bool,
    missing_before: date | None = None,
    link: Link | None = None,
) -> SafeString:
    """Draw counts, in ascending order of weeks; the latest one is marked.

    The other arguments are those of `line_chart`.
    """
    frame = Frame("bars", label, width, height, [week.week for week in weeks], link)
    known = [
        (week, week.value)
        for week in weeks
        if week.value is not None and not _missing(week, missing_before)
    ]
    if not known:
        return frame.empty()
    axis = scale_for([value for _, value in known], "")
    marks = [frame.grid(axis), frame.months()]
    for week in weeks:
        is_latest = week is weeks[-1]
        if week.value is None or _missing(week, missing_before):
            marks.append(
                frame.bar(
                    week.week,
                    "missing",
                    _missing_top(frame),
                    frame.base,
                    f"{_named(week)}: not read yet",
                )
            )
        else:
            title = f"{_named(week, is_latest and latest_so_far)}: {axis.label(week.value)}"
            top = frame.y(axis, week.value)
            marks.append(
                frame.bar(week.week, "bar now" if is_latest else "bar", top, frame.base, title)
            )
    marks.append(_missing_words(frame, missing_before))
    (first, first_value), (last, value) = known[0], known[-1]
    so_far = latest_so_far and last is weeks[-1]
    labels: list[Label] = [(axis.label(value), "value", frame.y(axis, value) + 6)]
    if so_far:
        labels.append(("so far", "soft", frame.y(axis, value) + 21))
    sentence = (
        f"{label} by week from {day(first.week)} to {day(last.week)}: {axis.label(first_value)} first,"
        f" {axis.label(value)} last{', so far' if so_far else ''}, at most {axis.label(max(value for _, value in known))}."
    )
    return frame.svg(sentence, marks, frame.labels(labels))


def share_chart(
    weeks: Sequence[Shares],
    *,
    label: str,
    names: tuple[str, str, str],
    width: int,
    height: int,
    link: Link | None = None,
) -> SafeString:
    """Draw the shares of each week's total, from the bottom: with the property, without
    it, and unknown (hatched). `names` are the names of the three parts.
    """
    frame = Frame("shares", label, width, height, [week.week for week in weeks], link)
    known = [week for week in weeks if week.total]
    if not known:
        return frame.empty()
    axis = Scale(100, 50, short="%", long="%")
    marks = [
        frame.grid(axis),
        frame.months(),
        *(_stack(frame, axis, week, names) for week in known),
    ]
    last = known[-1]
    words = _shares(last, names)
    middles = (last.having / 2, last.having + last.lacking / 2, last.total - last.unknown / 2)
    parts = (
        last.having or 1,
        last.lacking,
        last.unknown,
    )  # the first is named even if it is zero
    labels: list[Label] = [
        (word, "soft" if n else "value", frame.y(axis, middle * 100 / last.total))
        for n, (word, middle, part) in enumerate(zip(words, middles, parts, strict=True))
        if part
    ]
    sentence = f"{label} by week from {day(known[0].week)} to {day(last.week)}; last: {', '.join(words)}."
    return frame.svg(sentence, marks, frame.labels(labels[::-1]))


def data_table(
    caption: str, columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> SafeString:
    """Return the numbers of a chart behind "Show as table". The first column names the
    row.
    """
    head = format_html_join("", '<th scope="col">{}</th>', ((column,) for column in columns))
    body = format_html_join(
        "",
        '<tr><th scope="row">{}</th>{}</tr>',
        (
            (first, format_html_join("", "<td>{}</td>", ((cell,) for cell in rest)))
            for first, *rest in rows
        ),
    )
    return format_html(
        '<details class="chart-data"><summary>Show as table<span class="visually-hidden">: {}</span></summary>'
        '<div class="scroll" tabindex="0" role="region" aria-label="{}, as a table"><table><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div></details>",
        *(caption, caption, head, body),
    )


def percent(part: int, total: int) -> str:
    """Return a share like `31 %`; more than zero but less than one is `under 1 %`."""
    share = part * 100 / total if total else 0.0
    return f"under{NBSP}1{NBSP}%" if 0 < share < 1 else f"{share:.0f}{NBSP}%"


# Labels


def _named(week: Week | Shares, so_far: bool = False) -> str:
    return f"Week of {day(week.week)}{', so far' if so_far else ''}"


def _values(axis: Scale, week: Week) -> str:
    if week.value is None:
        return "no value"
    return f"median {axis.label(week.value)}" + (
        "" if week.high is None else f", p75 {axis.label(week.high)}"
    )


def _shares(week: Shares, names: tuple[str, str, str]) -> list[str]:
    parts = (week.having, week.lacking, week.unknown)
    return [
        f"{percent(part, week.total)} {name}" for part, name in zip(parts, names, strict=True)
    ]


# Marks


def _missing(week: Week, before: date | None) -> bool:
    return before is not None and week.week < before


def _runs(
    weeks: Sequence[Week], missing_before: date | None
) -> Iterator[list[tuple[Week, float]]]:
    """Yield stretches of consecutive weeks that have a value."""
    run: list[tuple[Week, float]] = []
    for week in weeks:
        if run and (week.value is None or (week.week - run[-1][0].week).days > 7):
            yield run
            run = []
        if week.value is not None and not _missing(week, missing_before):
            run.append((week, week.value))
    if run:
        yield run


def _run(frame: Frame, axis: Scale, run: Sequence[tuple[Week, float]]) -> SafeString:
    """Draw the band, the p75, and the median of consecutive weeks."""
    low = [
        f"{number(frame.point(week.week))},{number(frame.y(axis, value))}"
        for week, value in run
    ]
    high = [
        f"{number(frame.point(week.week))},{number(frame.y(axis, week.high))}"
        for week, _ in run
        if week.high is not None
    ]
    median = format_html('<polyline class="median" points="{}"/>', " ".join(low))
    if len(high) < len(low):
        return median
    return format_html(
        '<polygon class="band" points="{}"/><polyline class="high" points="{}"/>{}',
        *(" ".join(low + high[::-1]), " ".join(high), median),
    )


def _dot(frame: Frame, axis: Scale, week: Week, value: float, css: str) -> SafeString:
    return format_html(
        '<circle class="{}" cx="{}%" cy="{}" r="{}"/>',
        *(
            css,
            number(frame.point(week.week)),
            number(frame.y(axis, value)),
            "2.5" if css.endswith("lone") else "4",
        ),
    )


def _stack(frame: Frame, axis: Scale, week: Shares, names: tuple[str, str, str]) -> SafeString:
    title = f"{_named(week)}: {', '.join(_shares(week, names))}"
    bounds = [0, week.having, week.having + week.lacking, week.total]
    tops = [frame.y(axis, bound * 100 / week.total) for bound in bounds]
    return join(
        frame.bar(week.week, css, tops[n + 1], tops[n], title)
        for n, css in enumerate(("having", "lacking", "unknown"))
        if bounds[n + 1] > bounds[n]
    )


def _missing_top(frame: Frame) -> float:
    return frame.base - frame.plot * 0.42


def _missing_block(frame: Frame, before: date | None) -> SafeString:
    """Return a hatched block with a label over the weeks whose data has not arrived
    yet.
    """
    arrived = [week for week in frame.span if before is None or week >= before]
    if before is None or not arrived or arrived[0] == frame.span[0]:
        return join(())
    edge = frame.point(arrived[0]) - 50 / max(len(frame.span) - 1, 1)
    block = format_html(
        '<rect class="missing" x="0" y="{}" width="{}%" height="{}" rx="1.5" fill="url(#{})"/>',
        *(
            number(_missing_top(frame)),
            number(edge),
            number(frame.base - _missing_top(frame)),
            frame.pattern,
        ),
    )
    return block + _missing_words(frame, before)


def _missing_words(frame: Frame, before: date | None) -> SafeString:
    absent = [week for week in frame.span if before is not None and week < before]
    if len(absent) * 5 < len(frame.span):
        return join(())
    return format_html(
        '<text class="still" x="{}%" y="{}">still arriving</text>',
        *(
            number(len(absent) * 50 / len(frame.span)),
            number((_missing_top(frame) + frame.base) / 2 + 4),
        ),
    )
