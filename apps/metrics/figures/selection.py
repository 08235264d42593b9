"""Read the selection of a page of figures from its address: how many weeks, which
repository, and whose pull requests.

    ?weeks=26&repository=7&author=people

An unknown value is ignored and no error, because addresses are shared, and what they
name may be gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import urlencode

from django.db.models import Exists, Max, Min, OuterRef, Q

from apps.metrics.figures.moments import possible_condition
from apps.metrics.figures.weekly import zone_of
from apps.metrics.formatting import person
from apps.metrics.models import PullRequest, Repository, TeamMember
from apps.metrics.records import PullRequestState
from apps.metrics.weeks import WEEK, week_of, week_start

WINDOWS = (4, 12, 26, 52)
USUAL = 12
PEOPLE = "people"


@dataclass(frozen=True, slots=True)
class Selection:
    """A choice of pull requests.

    `repository` and `author` are primary keys, None for all; with `people_only`, bots'
    pull requests are left out.
    """

    weeks: int = USUAL
    repository: int | None = None
    author: int | None = None
    people_only: bool = False

    @property
    def is_whole(self) -> bool:
        """Return whether it includes all of the team's pull requests in its weeks."""
        return self.repository is None and self.author is None and not self.people_only

    @property
    def author_value(self) -> str:
        return PEOPLE if self.people_only else str(self.author or "")

    @property
    def query(self) -> str:
        """Return the query string of all choices that are not the default; empty for
        none.
        """
        values = {
            "weeks": self.weeks if self.weeks != USUAL else "",
            "repository": self.repository or "",
            "author": self.author_value,
        }
        return urlencode({name: value for name, value in values.items() if value})

    @property
    def condition(self) -> Q:
        """Return the condition of the pull requests that are selected."""
        wanted = Q()
        if self.repository is not None:
            wanted &= Q(repository=self.repository)
        if self.author is not None:
            wanted &= Q(author=self.author)
        return wanted & Q(author__is_bot=False) if self.people_only else wanted


@dataclass(frozen=True, slots=True)
class Choices:
    """What a team's pages can be limited to: repositories, people, and bots, as pairs
    of key and name in the order of their names.
    """

    repositories: list[tuple[int, str]]
    people: list[tuple[int, str]]
    bots: list[tuple[int, str]]

    def read(self, asked: Mapping[str, str]) -> Selection:
        """Return the selection that an address asks for. Unknown choices are
        ignored.
        """
        weeks = asked.get("weeks", "")
        author = asked.get("author", "")
        return Selection(
            weeks=int(weeks) if weeks in map(str, WINDOWS) else USUAL,
            repository=_known(asked.get("repository", ""), self.repositories),
            author=_known(author, [*self.people, *self.bots]),
            people_only=author == PEOPLE,
        )

    def name_of_author(self, key: int | None) -> str:
        return dict([*self.people, *self.bots]).get(key or 0, "")


def _known(asked: str, choices: list[tuple[int, str]]) -> int | None:
    return next((key for key, _ in choices if str(key) == asked), None)


def choices(team_id: int) -> Choices:
    """Return the choices that a team has, in two statements."""
    repositories = Repository.objects.for_team(team_id).values_list("pk", "full_name")
    written = PullRequest.objects.for_team(team_id).filter(author=OuterRef("pk"))
    authors: Any = TeamMember.objects.for_team(team_id).filter(Exists(written))
    # What has one name keeps the order of the query, which no primary key decides.
    named = sorted(
        ((row.pk, person(row), row.is_bot) for row in authors.order_by("login", "key")),
        key=lambda row: row[1].casefold(),
    )
    return Choices(
        repositories=sorted(
            repositories.order_by("full_name", "source"), key=lambda row: row[1].casefold()
        ),
        people=[(key, name) for key, name, is_bot in named if not is_bot],
        bots=[(key, name) for key, name, is_bot in named if is_bot],
    )


@dataclass(frozen=True, slots=True)
class Period:
    """Consecutive weeks by their Mondays, ascending.

    `so_far` is True if the last week is not over yet. `is_cut` is True if the history
    is shorter than what was requested.
    """

    weeks: tuple[date, ...]
    so_far: bool
    is_cut: bool
    earliest: date
    last_day: date
    zone: tzinfo = UTC

    @property
    def since(self) -> datetime:
        return week_start(self.weeks[0], self.zone)

    @property
    def until(self) -> datetime:
        return week_start(self.weeks[-1] + WEEK, self.zone)

    @property
    def whole_weeks(self) -> int:
        """Return how many of the weeks are over."""
        return len(self.weeks) - self.so_far

    def before(self) -> "Period | None":
        """Return as many weeks before these; None if the history does not reach so far
        back.
        """
        first = self.weeks[0] - len(self.weeks) * WEEK
        if self.is_cut or first < self.earliest:
            return None
        return replace(
            self,
            weeks=tuple(week - len(self.weeks) * WEEK for week in self.weeks),
            so_far=False,
        )


def period(team_id: int, now: datetime, count: int) -> Period:
    """Return the `count` weeks up to this one, or to the last in which anything landed,
    as far as the history reaches.

    Weeks are those of the team's time zone. Two statements.
    """
    zone = zone_of(team_id)
    merged = PullRequest.objects.for_team(team_id).filter(
        possible_condition("merged_at"), state=PullRequestState.MERGED
    )
    ends = merged.aggregate(first=Min("merged_at"), last=Max("merged_at"))
    last = week_of(min(now, ends["last"] or now), zone)
    earliest = week_of(min(now, ends["first"] or now), zone)
    asked = [last - back * WEEK for back in reversed(range(count))]
    known = [week for week in asked if week >= earliest] or asked[-1:]
    end = min(now.astimezone(zone).date(), last + WEEK - timedelta(days=1))
    return Period(
        tuple(known), last == week_of(now, zone), len(known) < count, earliest, end, zone
    )
