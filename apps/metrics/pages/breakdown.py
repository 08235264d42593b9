"""Compute the same figures for each repository and each member.

Rows are in the order of their names, which is no ranking. A handful of values has no
median.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from django.utils.safestring import SafeString

from apps.metrics.charts.spark import spark_bars
from apps.metrics.charts.weekly import percent
from apps.metrics.figures.declarations import FIGURES, Aggregate, Figure
from apps.metrics.figures.definitions import MIN_SAMPLE
from apps.metrics.figures.periods import PeriodFigures, reviewed_by, summary_figures
from apps.metrics.formatting import in_hours, in_lines, person
from apps.metrics.models import Repository, TeamMember

_MEDIANS = ("time_to_merge_hours", "size_lines", "pickup_hours")
_WANTED = ("merged", "direct_commits", "ai_assisted", "reviewed")
_RECEIVED = "received"
_FIGURES = [
    *(figure for figure in FIGURES if figure.name in _WANTED),
    *(figure for column in _MEDIANS for figure in summary_figures(column)),
    Figure(_RECEIVED, "reviews", Aggregate.SUM, "counted_reviews"),
]
_NOTHING = {figure.name: None for figure in _FIGURES} | dict.fromkeys((*_WANTED, _RECEIVED), 0)


@dataclass(frozen=True, slots=True)
class Line:
    """The figures of one repository or member as text; None if there are too few values
    for a median.
    """

    key: int
    name: str
    login: str
    is_bot: bool
    merged: int
    direct: int
    merge: str | None
    size: str | None
    wait: str | None
    assisted: str
    given: int
    received: int
    trend: SafeString


def by_repository(team_id: int, figures: PeriodFigures) -> list[Line]:
    """Return a line for every repository of the team, with or without merges."""
    owners = figures.measured.pulls.repository
    found = figures.by_subject(owners, owners[figures.aggregator.pairs.pull], _FIGURES)
    trends = figures.merged_per_week(owners)
    repositories = Repository.objects.for_team(team_id).order_by("full_name", "source")
    lines = [
        _line(Named(key, name), found.get(key, _NOTHING), _trend(figures, trends, key))
        for key, name in repositories.values_list("pk", "full_name")
    ]
    return sorted(lines, key=_by_name)


def by_member(team_id: int, figures: PeriodFigures) -> list[Line]:
    """Return a line for each account that merged, pushed, or reviewed what was merged
    in the weeks, bots too.
    """
    owners = figures.measured.pulls.author
    found = figures.by_subject(owners, figures.aggregator.pairs.reviewer, _FIGURES)
    trends = figures.merged_per_week(owners)
    active = [
        key
        for key, row in found.items()
        if row["merged"] or row["direct_commits"] or row["reviewed"]
    ]
    members: Any = TeamMember.objects.for_team(team_id).filter(pk__in=active)
    lines = [
        _line(_named(member), found[member.pk], _trend(figures, trends, member.pk))
        for member in members.order_by("login", "key")
    ]
    return sorted(lines, key=_by_name)


def of_member(team_id: int, figures: PeriodFigures, member: TeamMember) -> Line:
    """Return one person's line. The figures are only of that person's pull requests."""
    owners = figures.measured.pulls.author
    no_reviews = np.zeros(len(figures.aggregator.pairs.pull), dtype=np.int64)
    found = figures.by_subject(owners, no_reviews, _FIGURES).get(member.pk, _NOTHING)
    reviewed = reviewed_by(team_id, figures.period, member.pk)
    trends = figures.merged_per_week(owners)
    return _line(
        _named(member),
        {**found, "reviewed": reviewed},
        _trend(figures, trends, member.pk),
    )


class Named(NamedTuple):
    """Whose line it is, with the name that is shown."""

    key: int
    name: str
    login: str = ""
    is_bot: bool = False


def _named(member: TeamMember) -> Named:
    name = person(member)
    # A login next to the same name would only repeat it.
    login = member.login if member.login != name else ""
    return Named(member.pk, name, login, member.is_bot)


def _trend(figures: PeriodFigures, trends: Mapping[int, list[int]], key: int) -> SafeString:
    weeks = len(figures.period.weeks)
    return spark_bars(trends.get(key, [0] * weeks), label=f"Merged per week, {weeks} weeks")


def _by_name(line: Line) -> str:
    """Order lines by name; those of one name keep their order, which no primary key
    decides.
    """
    return line.name.casefold()


def _line(whose: Named, row: Mapping[str, Any], trend: SafeString) -> Line:
    merged = row["merged"]
    has_share = merged >= MIN_SAMPLE
    return Line(
        key=whose.key,
        name=whose.name,
        login=whose.login,
        is_bot=whose.is_bot,
        merged=merged,
        direct=row["direct_commits"],
        merge=_median(row, "time_to_merge_hours", in_hours),
        size=_median(row, "size_lines", in_lines),
        wait=_median(row, "pickup_hours", in_hours),
        assisted=percent(row["ai_assisted"], merged) if has_share else "",
        given=row["reviewed"],
        received=row[_RECEIVED],
        trend=trend,
    )


def _median(row: Mapping[str, Any], column: str, words: Callable[[float], str]) -> str | None:
    """Return the median as text; None of fewer values than `MIN_SAMPLE`.

    A median of so few would describe single pull requests and not the person.
    """
    median, _, known = (row[figure.name] for figure in summary_figures(column))
    return words(median) if known and known >= MIN_SAMPLE else None
