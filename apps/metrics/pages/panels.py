"""Build the dashboard's panels: a figure, its comparison with the weeks before, its
chart by week, and the same numbers as a table.

Pure: the figures of a period in, panels out. The large figure is that of the whole period;
the figure of each week is in the chart.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from django.utils.html import format_html
from django.utils.safestring import SafeString

from apps.metrics.charts.scale import day
from apps.metrics.charts.weekly import (
    Shares,
    Week,
    bar_chart,
    data_table,
    line_chart,
    percent,
    share_chart,
)
from apps.metrics.figures.declarations import MEASURES
from apps.metrics.figures.definitions import MIN_SAMPLE, Verdict
from apps.metrics.figures.periods import PeriodFigures
from apps.metrics.figures.selection import Period
from apps.metrics.figures.significance import of_medians, of_weekly_counts
from apps.metrics.formatting import MINUS, NBSP, in_hours, in_lines, in_unit, unit_of
from apps.metrics.weeks import week_label

MIN_COMPARED = 10  # values on each side of a comparison
WIDE = (540, 190)  # px, see `line_chart`
NARROW = (340, 150)
# The definition behind each panel.
MEASURED_AS = {
    "merge": "time_to_merge",
    "merged": "merged",
    "size": "size",
    "review": "pickup",
    "ai": "ai_assisted",
}
VERDICTS = {
    Verdict.ASSISTED: "assisted",
    Verdict.NO_MARKER: "no evidence",
    Verdict.UNREAD: "not read",
}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Compare a figure with the weeks before.

    `arrow` is up, down, or level, and empty if nothing can be compared. `tone` is
    better or worse, and empty if neither applies.
    """

    arrow: str
    words: str
    tone: str = ""


NOTHING_EARLIER = Comparison("", "No earlier data to compare with")
TOO_FEW = Comparison("", "Not enough data to compare")


@dataclass(frozen=True, slots=True)
class Panel:
    key: str
    title: str
    note: str
    figure: str
    aside: str
    comparison: Comparison
    chart: SafeString
    table: SafeString
    # The chart's numbers for other programs: names of columns, and a row for each week.
    columns: tuple[str, ...] = ()
    values: Sequence[tuple[str | float | int | None, ...]] = ()

    @property
    def measured(self) -> str:
        """Return how the figure is measured, in a sentence or two."""
        return MEASURES[MEASURED_AS[self.key]].formula


@dataclass(frozen=True)
class Frame:
    """What all panels of a page share: the figures of the weeks, and those of the weeks
    before, if they are known.

    `link_prefix` is the address of a week's pull requests, up to its date; empty for
    charts that lead nowhere.
    """

    now: PeriodFigures
    before: PeriodFigures | None = None
    link_prefix: str = ""

    @property
    def period(self) -> Period:
        return self.now.period

    def link(self, week: date) -> str:
        return f"{self.link_prefix}{week.isoformat()}" if self.link_prefix else ""

    @property
    def links(self) -> Callable[[date], str] | None:
        return self.link if self.link_prefix else None

    def named(self, week: date) -> str:
        """Return a week for a table, as a link to its pull requests."""
        if not self.link_prefix:
            return day(week)
        return format_html('<a href="{}">{}</a>', self.link(week), day(week))

    @property
    def weeks_before(self) -> str:
        weeks = len(self.period.weeks)
        return "the previous week" if weeks == 1 else f"the previous {weeks} weeks"


def panels(frame: Frame) -> list[Panel]:
    """Return the panels in the page's order: two wide ones, three narrow ones."""
    return [
        _time_to_merge(frame),
        _merged(frame),
        _medians(frame, "size", "Pull request size", "lines", "size_lines", in_lines, NARROW),
        _medians(
            frame, "review", "Time to first review", "h", "pickup_hours", in_hours, NARROW
        ),
        _ai(frame),
    ]


def member_panels(frame: Frame) -> list[Panel]:
    """Return the panels of a person: the merged pull requests, and the time to merge if
    there are enough of them for a median.
    """
    shown = [_merged(frame)]
    if frame.now.summary("time_to_merge_hours").n >= MIN_SAMPLE:
        shown.append(_time_to_merge(frame))
    return shown


def _time_to_merge(frame: Frame) -> Panel:
    return _medians(frame, "merge", "Time to merge", "h", "time_to_merge_hours", in_hours, WIDE)


def _medians(
    frame: Frame,
    key: str,
    title: str,
    unit: str,
    column: str,
    words: Callable[[float], str],
    size: tuple[int, int],
) -> Panel:
    series = list(zip(frame.period.weeks, frame.now.summaries(column), strict=True))
    whole = frame.now.summary(column)
    if unit == "h":
        # Headline, comparison, chart, and table share one unit, so that they can be
        # compared.
        unit = unit_of(whole.median, whole.p75)
        words = partial(in_unit, unit=unit)
    chart = line_chart(
        [Week(week, found.median, found.p75) for week, found in series],
        unit=unit,
        label=title,
        latest_so_far=frame.period.so_far,
        width=size[0],
        height=size[1],
        link=frame.links,
    )
    cells = [
        (
            frame.named(week),
            _or_dash(found.median, words),
            _or_dash(found.p75, words),
            f"{found.n:,}",
        )
        for week, found in reversed(series)
    ]
    return Panel(
        key=key,
        title=title,
        note="median and 75th percentile (p75)",
        figure=_or_dash(whole.median, words),
        aside="" if whole.p75 is None else f"75{NBSP}% within {words(whole.p75)}",
        comparison=_compared(frame, column, words),
        chart=chart,
        table=data_table(title, ("Week of", "Median", "p75", "Count"), cells),
        columns=("week", "week_start", "median", "p75", "n"),
        values=[
            (week_label(week), week.isoformat(), found.median, found.p75, found.n)
            for week, found in series
        ],
    )


def _compared(frame: Frame, column: str, words: Callable[[float], str]) -> Comparison:
    """Compare a median with the weeks before; less is better.

    Only a change beyond chance is better or worse.
    """
    if frame.before is None:
        return NOTHING_EARLIER
    before, now = frame.before.values(column), frame.now.values(column)
    old, new = frame.before.summary(column).median, frame.now.summary(column).median
    if min(len(now), len(before)) < MIN_COMPARED or old is None or new is None:
        return TOO_FEW
    if words(old) == words(new):
        return Comparison("level", f"No change vs. {frame.weeks_before}")
    is_beyond = of_medians([(before, now)]).is_beyond
    change = new - old
    if change < 0:
        return Comparison(
            "down",
            f"{MINUS}{words(-change)} vs. {frame.weeks_before}",
            "better" if is_beyond else "",
        )
    return Comparison(
        "up", f"+{words(change)} vs. {frame.weeks_before}", "worse" if is_beyond else ""
    )


def _merged(frame: Frame) -> Panel:
    weeks = frame.period.weeks
    counts = list(zip(weeks, frame.now.by_week("merged"), strict=True))
    last = counts[-1][1]
    aside = "this week so far" if frame.period.so_far else f"in the week of {day(weeks[-1])}"
    if len(counts) > 1:
        aside += f", {counts[-2][1]:,} in the previous week"
    direct = dict(zip(weeks, frame.now.by_week("direct_commits"), strict=True))
    has_direct = any(direct.values())
    chart = bar_chart(
        [Week(week, count) for week, count in counts],
        label="Merged pull requests",
        latest_so_far=frame.period.so_far,
        width=WIDE[0],
        height=WIDE[1],
        link=frame.links,
    )
    return Panel(
        key="merged",
        title="Merged pull requests",
        note="by week",
        figure=f"{last:,}",
        aside=aside,
        comparison=_pace(frame),
        chart=chart,
        table=data_table(
            "Merged pull requests",
            ("Week of", "Merged", *(("Direct commits",) if has_direct else ())),
            [
                _merged_cells(frame, week, n, direct[week] if has_direct else None)
                for week, n in reversed(counts)
            ],
        ),
        columns=("week", "week_start", "merged", "direct_commits"),
        values=[
            (week_label(week), week.isoformat(), count, direct[week]) for week, count in counts
        ],
    )


def _merged_cells(frame: Frame, week: date, count: int, direct: int | None) -> tuple[str, ...]:
    """Return a week's row of the table; direct commits are in it only if there are any
    in the period.
    """
    cells = (frame.named(week), f"{count:,}")
    return cells if direct is None else (*cells, f"{direct:,}")


def _pace(frame: Frame) -> Comparison:
    """Compare the merged pull requests per whole week with the weeks before."""
    if frame.before is None or not frame.period.whole_weeks:
        return NOTHING_EARLIER
    counts = weekly_counts(frame.now)
    counts_before = frame.before.by_week("merged")
    now, before = sum(counts) / len(counts), sum(counts_before) / len(counts_before)
    change = round(now) - round(before)
    if not change:
        return Comparison("level", f"{now:,.0f} per week, no change vs. {frame.weeks_before}")
    way, tone, sign = ("up", "better", "+") if change > 0 else ("down", "worse", MINUS)
    if not of_weekly_counts(counts_before, counts).is_beyond:
        tone = ""
    return Comparison(
        way, f"{now:,.0f} per week, {sign}{abs(change):,} vs. {frame.weeks_before}", tone
    )


def weekly_counts(figures: PeriodFigures) -> list[int]:
    """Return how many were merged in each whole week; the week under way is left
    out.
    """
    counts: list[int] = figures.by_week("merged")
    return counts[: figures.period.whole_weeks]


def shares(figures: PeriodFigures) -> list[Shares]:
    """Count for each week the pull requests with an AI marker, without one, and not
    read yet.
    """
    counts = (figures.verdicts_by_week(verdict) for verdict in VERDICTS)
    weeks = zip(figures.period.weeks, *counts, strict=True)
    return [Shares(*of_week) for of_week in weeks]


def _sum(weeks: Sequence[Shares]) -> Shares:
    return Shares(
        weeks[0].week,
        sum(week.having for week in weeks),
        sum(week.lacking for week in weeks),
        sum(week.unknown for week in weeks),
    )


def _ai(frame: Frame) -> Panel:
    weeks = shares(frame.now)
    whole = _sum(weeks)
    names = tuple(VERDICTS.values())
    unread = f"; {percent(whole.unknown, whole.total)} not read yet" if whole.unknown else ""
    title = "AI-assisted"
    return Panel(
        key="ai",
        title=title,
        note="share of merged",
        figure=percent(whole.having, whole.total) if whole.total else "–",
        aside=f"or more{unread}" if whole.total else "",
        comparison=_ai_compared(frame, whole),
        chart=share_chart(
            weeks,
            label=title,
            names=(names[0], names[1], names[2]),
            width=NARROW[0],
            height=NARROW[1],
            link=frame.links,
        ),
        table=data_table(
            title,
            ("Week of", "Assisted", "No AI evidence", "Not read yet"),
            [
                (
                    frame.named(week.week),
                    f"{week.having:,}",
                    f"{week.lacking:,}",
                    f"{week.unknown:,}",
                )
                for week in weeks[::-1]
            ],
        ),
        columns=("week", "week_start", "assisted", "no_marker", "not_read"),
        values=[
            (
                week_label(week.week),
                week.week.isoformat(),
                week.having,
                week.lacking,
                week.unknown,
            )
            for week in weeks
        ],
    )


def _ai_compared(frame: Frame, whole: Shares) -> Comparison:
    if frame.before is None:
        return NOTHING_EARLIER
    before = _sum(shares(frame.before))
    if min(whole.total, before.total) < MIN_COMPARED:
        return TOO_FEW
    then = percent(before.having, before.total)
    if percent(whole.having, whole.total) == then:
        return Comparison("level", f"No change vs. {frame.weeks_before}")
    up = whole.having * before.total > before.having * whole.total
    return Comparison("up" if up else "down", f"vs. at least {then} in {frame.weeks_before}")


def _or_dash(value: float | None, words: Callable[[float], str]) -> str:
    return "–" if value is None else words(value).replace(" ", NBSP)
