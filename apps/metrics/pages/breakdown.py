"""Compute the same figures for each repository and each member.

Rows are in the order of their names, which is no ranking. A handful of values has no
median.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils.safestring import SafeString

from apps.metrics.charts.spark import spark_bars
from apps.metrics.charts.weekly import percent
from apps.metrics.figures.definitions import MIN_SAMPLE, Verdict, spread
from apps.metrics.figures.merged import Landed, given_reviews
from apps.metrics.formatting import in_hours, in_lines, person
from apps.metrics.models import Repository, TeamMember
from apps.metrics.pages.panels import Frame


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


def by_repository(team_id: int, frame: Frame) -> list[Line]:
    """Return a line for every repository of the team, with or without merges."""
    groups = _grouped(frame.rows, lambda row: row.repository)
    direct = Counter(row.repository for row in frame.direct)
    repositories = Repository.objects.for_team(team_id).order_by("full_name", "source")
    lines = [
        _line(key, name, "", groups.get(key, ()), frame.period.weeks, direct=direct[key])
        for key, name in repositories.values_list("pk", "full_name")
    ]
    return sorted(lines, key=_by_name)


def by_member(team_id: int, frame: Frame) -> list[Line]:
    """Return a line for each account that merged, pushed or reviewed in the weeks, bots
    too.
    """
    groups = _grouped(frame.rows, lambda row: row.author)
    given = given_reviews(team_id, frame.period)
    direct = Counter(row.author for row in frame.direct)
    keys = [key for key in {*groups, *given, *direct} if key is not None]
    active: Any = TeamMember.objects.for_team(team_id).filter(pk__in=keys)
    lines = [
        _line(
            member.pk,
            person(member),
            member.login,
            groups.get(member.pk, ()),
            frame.period.weeks,
            member.is_bot,
            given.get(member.pk, 0),
            direct[member.pk],
        )
        for member in active.order_by("login", "key")
    ]
    return sorted(lines, key=_by_name)


def of_member(team_id: int, frame: Frame, member: TeamMember) -> Line:
    """Return one person's line. The frame holds only that person's pull requests."""
    given = given_reviews(team_id, frame.period).get(member.pk, 0)
    weeks, direct = frame.period.weeks, len(frame.direct)
    return _line(
        member.pk, person(member), member.login, frame.rows, weeks, member.is_bot, given, direct
    )


def _grouped[K](rows: Iterable[Landed], key: Callable[[Landed], K]) -> dict[K, list[Landed]]:
    groups: dict[K, list[Landed]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups


def _by_name(line: Line) -> str:
    """Order lines by name; those of one name keep their order, which no primary key
    decides.
    """
    return line.name.casefold()


def _line(
    key: int,
    name: str,
    login: str,
    rows: Sequence[Landed],
    weeks: Sequence[date],
    is_bot: bool = False,
    given: int = 0,
    direct: int = 0,
) -> Line:
    per_week = Counter(row.week for row in rows)
    assisted = sum(row.verdict == Verdict.ASSISTED for row in rows)
    return Line(
        key=key,
        name=name,
        # A login next to the same name would only repeat it.
        login=login if login != name else "",
        is_bot=is_bot,
        merged=len(rows),
        direct=direct,
        merge=median_in_words((row.hours for row in rows), in_hours),
        size=median_in_words((row.size for row in rows), in_lines),
        wait=median_in_words((row.wait for row in rows), in_hours),
        assisted=percent(assisted, len(rows)) if len(rows) >= MIN_SAMPLE else "",
        given=given,
        received=sum(row.received for row in rows),
        trend=spark_bars(
            [per_week[week] for week in weeks], label=f"Merged per week, {len(weeks)} weeks"
        ),
    )


def median_in_words(
    values: Iterable[float | None], words: Callable[[float], str]
) -> str | None:
    """Return the median as text; None of fewer values than `MIN_SAMPLE`.

    A median of so few would describe single pull requests and not the person.
    """
    found = spread(values)
    return words(found.median) if found.median is not None and found.n >= MIN_SAMPLE else None
