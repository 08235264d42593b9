"""Compare two choices of merged pull requests: periods, repositories, people, with an
AI marker and without.

The confidence interval of a difference shows how much of it may be chance. A difference
that may be all chance is reported as "No difference beyond chance".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from urllib.parse import urlencode

from django.utils.safestring import SafeString

from apps.metrics.charts.pair import pair_chart
from apps.metrics.charts.scale import day
from apps.metrics.charts.weekly import Week, data_table, percent
from apps.metrics.figures.definitions import Spread, Verdict, size_bucket, spread
from apps.metrics.figures.merged import Landed, landings
from apps.metrics.figures.selection import USUAL, Choices, Period, Selection, period
from apps.metrics.figures.significance import (
    MIN_CASES,
    MIN_SHARE_CASES,
    Difference,
    of_medians,
    of_shares,
    of_weekly_counts,
)
from apps.metrics.formatting import in_hours, in_lines, in_unit, unit_of
from apps.metrics.pages.panels import WIDE, Frame, spreads, weekly_counts
from apps.metrics.weeks import WEEK, week_label, week_of

MOST_WEEKS = 104
COLUMNS = (
    "side",
    "week",
    "week_start",
    "time_to_merge_hours_median",
    "time_to_merge_hours_p75",
    "n",
)
VERDICTS = {Verdict.ASSISTED: "AI-assisted", Verdict.NO_MARKER: "no AI evidence"}
NO_DIFFERENCE = "No significant difference"
NOT_ENOUGH = "Not enough data: needs {} on each side"
NO_CAUSE = (
    "Compared among pull requests of similar size. Correlation, not causation. Pull requests without AI evidence may "
    "still be AI-assisted."
)


@dataclass(frozen=True, slots=True)
class Side:
    """The choices of one side. `verdict` is assisted, no-marker, or empty for all."""

    period: Period
    selection: Selection
    verdict: str = ""

    def query(self, name: str) -> dict[str, str]:
        """Return its part of the address."""
        values = {
            "from": self.period.weeks[0].isoformat(),
            "to": self.period.weeks[-1].isoformat(),
            "repository": str(self.selection.repository or ""),
            "author": self.selection.author_value,
            "verdict": self.verdict,
        }
        return {f"{name}_{key}": value for key, value in values.items() if value}

    @property
    def days(self) -> str:
        first, last = self.period.weeks[0], self.period.last_day
        return f"{day(first)}{f' {first.year}' if first.year != last.year else ''} to {day(last)} {last.year}"

    def words(self, known: Choices) -> str:
        """Return its choices in words."""
        names = [dict(known.repositories).get(self.selection.repository or 0, "")]
        names.append(known.name_of_author(self.selection.author))
        kinds = ["without bots" if self.selection.people_only else ""]
        kinds.append(VERDICTS[Verdict(self.verdict)] if self.verdict else "")
        told = ", ".join(kind for kind in kinds if kind)
        named = ", ".join(name for name in names if name)
        if named:
            return f"{named}, {told}" if told else named
        return f"{told[0].upper()}{told[1:]}" if told else "All pull requests"


def query_of(first: Side, second: Side) -> str:
    """Return the query string of a comparison."""
    return urlencode(first.query("a") | second.query("b"))


def read(
    asked: Mapping[str, str], known: Choices, team_id: int, now: datetime
) -> tuple[Side, Side, Period]:
    """Return the two sides that an address asks for, and the period of the newest
    weeks.

    Without a choice in the address, side A is the newest weeks and side B the weeks
    before them. Unknown choices are ignored. Weeks are cut to the history and to two
    years.
    """
    newest = period(team_id, now, USUAL)
    before = newest.before() or newest
    return (
        _side(asked, "a", known, newest, newest, now),
        _side(asked, "b", known, before, newest, now),
        newest,
    )


def _side(
    asked: Mapping[str, str],
    name: str,
    known: Choices,
    usual: Period,
    newest: Period,
    now: datetime,
) -> Side:
    first = _monday(asked.get(f"{name}_from", "")) or usual.weeks[0]
    last = _monday(asked.get(f"{name}_to", "")) or usual.weeks[-1]
    verdict = asked.get(f"{name}_verdict", "")
    return Side(
        _between(min(first, last), max(first, last), newest, now),
        known.read({key: asked.get(f"{name}_{key}", "") for key in ("repository", "author")}),
        verdict if verdict in (Verdict.ASSISTED, Verdict.NO_MARKER) else "",
    )


def _monday(text: str) -> date | None:
    try:
        chosen = date.fromisoformat(text)
    except ValueError:
        return None
    # The Monday of a day at either end of the calendar may not exist.
    return chosen - timedelta(days=chosen.weekday()) if 1 < chosen.year < 9999 else None


def _between(first: date, last: date, newest: Period, now: datetime) -> Period:
    """Return the weeks from one to another, within the history and `MOST_WEEKS`."""
    this_week = week_of(now, newest.zone)
    first = min(max(first, newest.earliest), this_week)
    last = max(first, min(last, this_week))
    weeks = tuple(first + n * WEEK for n in range((last - first) // WEEK + 1))[-MOST_WEEKS:]
    last_day = min(now.astimezone(newest.zone).date(), last + timedelta(days=6))
    return replace(
        newest, weeks=weeks, so_far=last == this_week, is_cut=False, last_day=last_day
    )


def frame_of(team_id: int, side: Side) -> Frame:
    """Return what landed of a side, in two statements.

    No direct commit is in one that is chosen by a verdict.
    """
    found = landings(team_id, side.period, side.selection)
    if side.verdict:
        return Frame(
            side.period, [row for row in found.pulls if row.verdict == side.verdict], None
        )
    return Frame(side.period, found.pulls, None, direct=found.direct)


@dataclass(frozen=True, slots=True)
class Line:
    """Hold one figure of both sides.

    `tone` is "better" or "worse" for A compared with B, and empty if neither applies.
    """

    title: str
    first: str
    second: str
    words: str
    tone: str = ""
    aside_first: str = ""
    aside_second: str = ""


def lines(first: Side, second: Side, one: Frame, other: Frame) -> list[Line]:
    """Return the figures of A next to those of B."""
    alike = bool(first.verdict or second.verdict)
    shown = [
        _counts(one, other),
        _medians("Time to merge", one, other, lambda row: row.hours, in_hours, alike),
        _medians("Time to first review", one, other, lambda row: row.wait, in_hours, alike),
        _medians("Size", one, other, lambda row: row.size, in_lines, False),
        _share("Reviewed", one, other, lambda row: row.received > 0, good=True),
    ]
    # A share of sides that were chosen by their verdicts has no meaning.
    if not alike:
        shown.append(
            _share(
                "AI-assisted (at least)",
                one,
                other,
                lambda row: row.verdict == Verdict.ASSISTED,
            )
        )
    if one.direct or other.direct:
        shown.append(
            Line("Direct commits", f"{len(one.direct):,}", f"{len(other.direct):,}", "")
        )
    return shown


def _counts(one: Frame, other: Frame) -> Line:
    """Compare how many were merged a week, in whole weeks; more is better."""
    a, b = weekly_counts(one), weekly_counts(other)
    found = of_weekly_counts(b, a)
    words, tone = "", ""
    if found.is_beyond:
        words = f"A has significantly {'more' if found.rose else 'fewer'} per week"
        tone = "better" if found.rose else "worse"
    return Line(
        "Merged", f"{len(one.rows):,}", f"{len(other.rows):,}", words, tone, _rate(a), _rate(b)
    )


def _rate(counts: Sequence[int]) -> str:
    """Return how many there were in a whole week; nothing before the first week is
    over.
    """
    return f"{sum(counts) / len(counts):.1f} per week" if counts else ""


def _medians(
    title: str,
    one: Frame,
    other: Frame,
    value: Callable[[Landed], float | None],
    words: Callable[[float], str],
    alike: bool,
) -> Line:
    found = [spread(map(value, side.rows)) for side in (one, other)]
    more, less = ("slower", "faster") if words is in_hours else ("larger", "smaller")
    if words is in_hours:
        words = partial(in_unit, unit=_unit(found))
    difference = _difference(one.rows, other.rows, value, alike)
    said, tone = _in_words(difference, more, less)
    (a, b), (p75_a, p75_b) = ([put(side, words) for side in found] for put in (_median, _aside))
    return Line(title, a, b, said, tone, p75_a, p75_b)


def _unit(found: Sequence[Spread]) -> str:
    """Return the unit in which both sides are shown: that of the slower one."""
    slower = max(found, key=lambda side: side.median or 0.0)
    return unit_of(slower.median, slower.p75)


def _median(found: Spread, words: Callable[[float], str]) -> str:
    return "–" if found.median is None else words(found.median)


def _aside(found: Spread, words: Callable[[float], str]) -> str:
    return "" if found.p75 is None else f"75\u00a0% within {words(found.p75)}, n {found.n:,}"


def _difference(
    one: Sequence[Landed],
    other: Sequence[Landed],
    value: Callable[[Landed], float | None],
    alike: bool,
) -> Difference:
    """Compare A with B.

    `alike` compares only pull requests of similar size with each other.
    """
    return of_medians(_strata(one, other, value, alike))


def _in_words(found: Difference, more: str, less: str) -> tuple[str, str]:
    """Return a difference in words, and "better", "worse", or empty for A.

    Example: "A is 63 % slower (95 % CI: 9 to 75 %)".
    """
    if not found.is_known:
        return NOT_ENOUGH.format(MIN_CASES), ""
    if not found.is_beyond:
        return NO_DIFFERENCE, ""
    change, *interval = (abs(ratio - 1) for ratio in (found.ratio, found.low, found.high))
    low, high = sorted(interval)
    way = more if found.rose else less
    tone = "worse" if found.rose else "better"
    return (
        f"A is {_percent(change)} {way} (95\u00a0% CI: {low * 100:.0f} to {_percent(high)})",
        tone,
    )


def _percent(share: float) -> str:
    return f"{share * 100:,.0f}\u00a0%"


def _strata(
    one: Sequence[Landed],
    other: Sequence[Landed],
    value: Callable[[Landed], float | None],
    alike: bool,
) -> list[tuple[list[float], list[float]]]:
    """Return pairs of the values of B and of A, one for each size."""
    groups: dict[str, tuple[list[float], list[float]]] = {}
    for place, rows in enumerate((other, one)):
        for row in rows:
            measured = value(row)
            if measured is not None:
                groups.setdefault(size_bucket(row.lines) if alike else "", ([], []))[
                    place
                ].append(measured)
    return [groups[name] for name in sorted(groups)]


def _share(
    title: str, one: Frame, other: Frame, has: Callable[[Landed], bool], good: bool = False
) -> Line:
    (a, of_a), (b, of_b) = ((sum(map(has, side.rows)), len(side.rows)) for side in (one, other))
    found = of_shares(b, of_b, a, of_a)
    words, tone = NO_DIFFERENCE, ""
    if not found.is_known:
        words = NOT_ENOUGH.format(MIN_SHARE_CASES)
    elif found.is_beyond:
        words = f"Significantly {'higher' if found.rose else 'lower'} in A"
        tone = ("better" if found.rose else "worse") if good else ""
    return Line(
        title, percent(a, of_a) if of_a else "–", percent(b, of_b) if of_b else "–", words, tone
    )


def _weeks(side: Frame) -> list[tuple[date, Spread]]:
    return spreads(side, lambda row: row.hours)


def values(
    one: Frame, other: Frame
) -> list[tuple[str, str, str, float | None, float | None, int]]:
    """Return the weeks of both sides for other programs; `COLUMNS` names the values."""
    return [
        (name, week_label(week), week.isoformat(), found.median, found.p75, found.n)
        for name, side in (("A", one), ("B", other))
        for week, found in _weeks(side)
    ]


def chart(one: Frame, other: Frame) -> SafeString:
    """Draw the weekly medians of the time to merge of both sides."""
    first, second = (
        [Week(week, found.median) for week, found in _weeks(side)] for side in (one, other)
    )
    return pair_chart(
        first,
        second,
        unit=_unit_of_merge(one, other),
        label="Time to merge",
        width=WIDE[0],
        height=WIDE[1],
    )


def table(one: Frame, other: Frame) -> SafeString:
    """Return the numbers of `chart` as a table, the newest weeks first."""
    words = partial(in_unit, unit=_unit_of_merge(one, other))
    cells = [
        (name, day(week), _median(found, words), f"{found.n:,}")
        for name, side in (("A", one), ("B", other))
        for week, found in reversed(_weeks(side))
    ]
    return data_table("Time to merge", ("Side", "Week of", "Median", "Count"), cells)


def _unit_of_merge(one: Frame, other: Frame) -> str:
    return _unit([spread(row.hours for row in side.rows) for side in (one, other)])


def presets(known: Choices, first: Side, second: Side, newest: Period) -> list[tuple[str, str]]:
    """Return common comparisons, each with a label and its query string."""
    now = Side(newest, Selection())
    found = []
    if before := newest.before():
        found.append(("This period vs. previous", query_of(now, Side(before, Selection()))))
    found.append(
        (
            "AI-assisted vs. no AI evidence",
            query_of(
                replace(now, verdict=Verdict.ASSISTED), replace(now, verdict=Verdict.NO_MARKER)
            ),
        )
    )
    if len(known.repositories) > 1:
        one, other = (key for key, _ in known.repositories[:2])
        found.append(
            (
                "Two repositories",
                query_of(
                    replace(now, selection=Selection(repository=one)),
                    replace(now, selection=Selection(repository=other)),
                ),
            )
        )
    found.append(("Swap A and B", query_of(second, first)))
    return found
