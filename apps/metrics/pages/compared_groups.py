"""Compare two choices of merged pull requests: periods, repositories, people, with an
AI marker and without.

The confidence interval of a difference shows how much of it may be chance. A difference
that may be all chance is reported as "No difference beyond chance".
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from urllib.parse import urlencode

from django.utils.safestring import SafeString

from apps.metrics.charts.pair import pair_chart
from apps.metrics.charts.scale import day
from apps.metrics.charts.weekly import Week, data_table, percent
from apps.metrics.figures.definitions import Summary, Verdict, size_bucket
from apps.metrics.figures.periods import PeriodFigures, merged_in
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
from apps.metrics.pages.panels import WIDE, weekly_counts
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
        kind = ", ".join(kind for kind in kinds if kind)
        named = ", ".join(name for name in names if name)
        if named:
            return f"{named}, {kind}" if kind else named
        return f"{kind[0].upper()}{kind[1:]}" if kind else "All pull requests"


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


def figures_of(team_id: int, side: Side) -> PeriodFigures:
    """Return the figures of a side, in one statement."""
    found = merged_in(team_id, side.period, side.selection)
    if side.verdict:
        return found.narrowed(found.measured.pulls.ai_verdict == side.verdict)
    return found


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


def lines(first: Side, second: Side, one: PeriodFigures, other: PeriodFigures) -> list[Line]:
    """Return the figures of A next to those of B."""
    alike = bool(first.verdict or second.verdict)
    shown = [
        _counts(one, other),
        _medians("Time to merge", one, other, "time_to_merge_hours", in_hours, alike),
        _medians("Time to first review", one, other, "pickup_hours", in_hours, alike),
        _medians("Size", one, other, "size_lines", in_lines, False),
        _share("Reviewed", one, other, "counted_reviews", good=True),
    ]
    # A share of sides that were chosen by their verdicts has no meaning.
    if not alike:
        shown.append(_share("AI-assisted (at least)", one, other, "ai_assisted"))
    # No direct commit is on a side that is chosen by a verdict.
    direct = (
        0 if first.verdict else one.direct_commits,
        0 if second.verdict else other.direct_commits,
    )
    if any(direct):
        shown.append(Line("Direct commits", f"{direct[0]:,}", f"{direct[1]:,}", ""))
    return shown


def _counts(one: PeriodFigures, other: PeriodFigures) -> Line:
    """Compare how many were merged a week, in whole weeks; more is better."""
    a, b = weekly_counts(one), weekly_counts(other)
    found = of_weekly_counts(b, a)
    words, tone = "", ""
    if found.is_beyond:
        words = f"A has significantly {'more' if found.rose else 'fewer'} per week"
        tone = "better" if found.rose else "worse"
    return Line(
        "Merged", f"{one.merged:,}", f"{other.merged:,}", words, tone, _rate(a), _rate(b)
    )


def _rate(counts: Sequence[int]) -> str:
    """Return how many there were in a whole week; nothing before the first week is
    over.
    """
    return f"{sum(counts) / len(counts):.1f} per week" if counts else ""


def _medians(
    title: str,
    one: PeriodFigures,
    other: PeriodFigures,
    column: str,
    words: Callable[[float], str],
    alike: bool,
) -> Line:
    """Compare the medians of a column of the measures.

    `alike` compares only pull requests of similar size with each other.
    """
    found = [side.summary(column) for side in (one, other)]
    more, less = ("slower", "faster") if words is in_hours else ("larger", "smaller")
    if words is in_hours:
        words = partial(in_unit, unit=_unit(found))
    difference = of_medians(_strata(one, other, column, alike))
    text, tone = _in_words(difference, more, less)
    (a, b), (p75_a, p75_b) = ([put(side, words) for side in found] for put in (_median, _aside))
    return Line(title, a, b, text, tone, p75_a, p75_b)


def _unit(found: Sequence[Summary]) -> str:
    """Return the unit in which both sides are shown: that of the slower one."""
    slower = max(found, key=lambda side: side.median or 0.0)
    return unit_of(slower.median, slower.p75)


def _median(found: Summary, words: Callable[[float], str]) -> str:
    return "–" if found.median is None else words(found.median)


def _aside(found: Summary, words: Callable[[float], str]) -> str:
    return "" if found.p75 is None else f"75\u00a0% within {words(found.p75)}, n {found.n:,}"


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
    one: PeriodFigures, other: PeriodFigures, column: str, alike: bool
) -> list[tuple[list[float], list[float]]]:
    """Return pairs of the values of B and of A, one for each size."""
    if not alike:
        return [(other.values(column), one.values(column))]
    groups: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for place, side in enumerate((other, one)):
        for value, size in zip(*side.known_with_size(column), strict=True):
            groups[size_bucket(int(size))][place].append(value)
    return [groups[name] for name in sorted(groups)]


def _share(
    title: str, one: PeriodFigures, other: PeriodFigures, column: str, good: bool = False
) -> Line:
    """Compare the shares of pull requests of which a column is above zero."""
    (a, of_a), (b, of_b) = (
        (sum(value > 0 for value in side.values(column)), side.merged) for side in (one, other)
    )
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


def _weeks(side: PeriodFigures) -> list[tuple[date, Summary]]:
    summaries = side.summaries("time_to_merge_hours")
    return list(zip(side.period.weeks, summaries, strict=True))


def values(
    one: PeriodFigures, other: PeriodFigures
) -> list[tuple[str, str, str, float | None, float | None, int]]:
    """Return the weeks of both sides for other programs; `COLUMNS` names the values."""
    return [
        (name, week_label(week), week.isoformat(), found.median, found.p75, found.n)
        for name, side in (("A", one), ("B", other))
        for week, found in _weeks(side)
    ]


def chart(one: PeriodFigures, other: PeriodFigures) -> SafeString:
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


def table(one: PeriodFigures, other: PeriodFigures) -> SafeString:
    """Return the numbers of `chart` as a table, the newest weeks first."""
    words = partial(in_unit, unit=_unit_of_merge(one, other))
    cells = [
        (name, day(week), _median(found, words), f"{found.n:,}")
        for name, side in (("A", one), ("B", other))
        for week, found in reversed(_weeks(side))
    ]
    return data_table("Time to merge", ("Side", "Week of", "Median", "Count"), cells)


def _unit_of_merge(one: PeriodFigures, other: PeriodFigures) -> str:
    return _unit([side.summary("time_to_merge_hours") for side in (one, other)])


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
