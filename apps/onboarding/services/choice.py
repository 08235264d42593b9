"""Choose repositories: what is listed, what is ticked, and how long reading would take.

What a person has ticked, searched, and set is kept in their session, per team, until
the run is started; so it survives search, back, reload, and errors. Keys of
repositories are `source:name`.
"""

from collections.abc import Iterable, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Self
from zlib import crc32

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from apps.integrations.connections import service
from apps.integrations.models import Connection, TrackedRepository
from apps.integrations.sources import base
from apps.integrations.sources.base import Listed, Source
from apps.integrations.sources.errors import ConnectionProblem
from apps.integrations.sources.sizes import Size, in_window, is_exact, weeks
from apps.integrations.sync.window import day_of, first_day, midnight, months_between, start
from apps.onboarding.forms import ListingForm, ListingQuery
from apps.teams.models import Team

MONTHS = (1, 3, 6, 12, 24, 36)
VIEWS = ("all", "active", "picked")
PER_PAGE = 50
SUGGESTED = 6
SMALL = 10
SPARK_WEEKS = 12
# Seconds that a repository takes besides its pull requests, and a run besides its
# repositories.
SECONDS_EACH, SECONDS_ALL = 1.5, 5


@dataclass
class State:
    """What a person has set on the page.

    `picked` is None until they have ticked or unticked something.
    """

    picked: list[str] | None = None
    months: int = 0
    q: str = ""
    view: str = "all"
    page: int = 1

    @classmethod
    def load(cls, session: MutableMapping[str, Any], team: Team) -> Self:
        kept = session.get("choices", {}).get(str(team.pk), {})
        state = cls(
            **{name: kept[name] for name in ("picked", "q", "view", "page") if name in kept}
        )
        state.months = kept.get("months") or window_of(team)
        return state

    def save(self, session: MutableMapping[str, Any], team: Team) -> None:
        session["choices"] = {**session.get("choices", {}), str(team.pk): vars(self)}

    def follow(self, query: ListingQuery) -> bool:
        """Take what an address asks for (`?q=api&view=active&page=2`); return whether
        it asked for anything.
        """
        asked = query.values
        view, number = asked["view"], asked["page"]
        if query.has("q"):
            self._search(asked["q"])
        if view in VIEWS:
            self.view, self.page = view, 1
        if number:
            self.page = number
        return query.has("q") or view in VIEWS or bool(number)

    def take(self, form: ListingForm, before: "Page") -> None:
        """Take what the form has.

        Only what it showed can have been ticked or unticked on it.
        """
        given = form.values
        # A form sends only boxes that are ticked, so a box that was shown and is not
        # sent was unticked. Rows of other pages keep their ticks.
        keys = before.picked_keys - set(given["shown"]) | set(given["pick"])
        if given["months"] in MONTHS:
            self.months = given["months"]
        if form.has("q"):
            self._search(given["q"])
        verb, _, what = given["do"].partition("-")
        if verb == "view" and what in VIEWS:
            self.view, self.page = what, 1
        elif verb == "page":
            self.page = _whole(what) or 1
        elif verb == "pick":
            found = {row.key for row in before.found}
            keys = keys | found if what == "all" else keys - found
        # Only what is listed can be chosen, whatever the form names.
        self.picked = [row.key for row in before.rows if row.key in keys]

    def _search(self, text: str) -> None:
        text = text.strip()[:100]
        # Another search has other pages, so the list begins again at the first.
        if text != self.q:
            self.q, self.page = text, 1

    @staticmethod
    def forget(session: MutableMapping[str, Any], team: Team) -> None:
        session["choices"] = {
            key: kept for key, kept in session.get("choices", {}).items() if key != str(team.pk)
        }


@dataclass(frozen=True, slots=True)
class Row:
    """A repository as the page shows it.

    `pull_requests` is an estimate for the window; None while unknown.
    """

    key: str
    source: Source
    listed: Listed
    size: Size | None
    pushed_at: datetime | None
    active: bool
    pull_requests: int | None
    seconds: float | None
    estimated: bool = False

    @property
    def name(self) -> str:
        return self.listed["name"]

    @property
    def id(self) -> str:
        """Return the id of the row's elements in the page."""
        return f"{crc32(self.key.encode()):08x}"

    @property
    def takes(self) -> str:
        """Return the expected time as minutes and seconds, like `2:05`; empty if
        unknown.
        """
        return (
            ""
            if self.seconds is None
            else f"{round(self.seconds) // 60}:{round(self.seconds) % 60:02d}"
        )

    @property
    def spark(self) -> list[tuple[int, int, int]]:
        """Return the bars of the last weeks as x, y, and height in a box 20 high.

        Weeks whose count is unknown or zero have no bar.
        """
        counts = weeks(self.size, SPARK_WEEKS) if self.size else []
        most = max((count or 0 for count in counts), default=0)
        # A bar of less than 2 would hardly be seen.
        heights = [max(2, round(20 * count / most)) if count else 0 for count in counts]
        return [
            (index * 10, 20 - height, height) for index, height in enumerate(heights) if height
        ]


@dataclass
class Page:
    """The listing under a person's state: the rows shown, and what is ticked in all."""

    state: State
    rows: list[Row]
    found: list[Row]
    shown: list[Row]
    picked: list[Row]
    pages: int
    suggested: bool
    more: bool
    # Keys of the rows that the team reads already.
    followed_keys: set[str]
    # Whether the window differs from that of the last setup, so that all that is ticked
    # is read again.
    window_changed: bool
    # The window of the last setup in months: a team that is set up can only widen it. 0
    # before the setup.
    least_months: int = 0
    first_day: date | None = None
    # Whether sizes were asked for this page already, so that it does not ask again for
    # those that cannot be had.
    measured: bool = False
    troubles: list[ConnectionProblem] = field(default_factory=list)

    @property
    def active(self) -> int:
        return sum(row.active for row in self.rows)

    @property
    def views(self) -> list[tuple[str, str, int]]:
        return [
            ("all", "All", len(self.rows)),
            ("active", "Active", self.active),
            ("picked", "Selected", len(self.picked)),
        ]

    @property
    def months(self) -> tuple[int, ...]:
        """Return the windows on offer, including the one that is set now."""
        return tuple(
            sorted(
                {months for months in MONTHS if months > self.least_months}
                | {self.state.months}
            )
        )

    @property
    def picked_keys(self) -> set[str]:
        return {row.key for row in self.picked}

    @property
    def added(self) -> list[Row]:
        """Return the rows that are ticked and not read yet."""
        return [row for row in self.picked if row.key not in self.followed_keys]

    @property
    def dropped(self) -> list[Row]:
        """Return the rows that are read, and not ticked any more."""
        kept = self.picked_keys
        return [
            row for row in self.rows if row.key in self.followed_keys and row.key not in kept
        ]

    @property
    def to_read(self) -> list[Row]:
        """Return the rows that a run has to read after this choice: the new ones, or
        all if the window changed.
        """
        return self.picked if self.window_changed else self.added

    @property
    def unmeasured(self) -> list[Row]:
        """Return the rows whose size can be requested: those that are shown or
        ticked.
        """
        wanted = {row.key: row for row in [*self.shown, *self.picked[:PER_PAGE]]}
        return [row for row in wanted.values() if row.size is None and row.source.has_sizes]

    @property
    def pull_requests(self) -> int:
        return sum(row.pull_requests or 0 for row in self.picked)

    @property
    def not_counted(self) -> int:
        return sum(row.pull_requests is None for row in self.picked)

    @property
    def estimated(self) -> bool:
        """Return whether the number of pull requests is an estimate for any ticked
        row.
        """
        return any(row.estimated or row.pull_requests is None for row in self.picked)

    @property
    def counted(self) -> int:
        return len(self.picked) - self.not_counted

    @property
    def speed(self) -> str:
        """Return what the source adds about its speed; empty if the ticked rows are of
        several sources.
        """
        speeds = {row.source.speed for row in self.picked}
        return speeds.pop() if len(speeds) == 1 else ""

    @property
    def time(self) -> str:
        return in_words(SECONDS_ALL + sum(row.seconds or SECONDS_EACH for row in self.picked))


def _whole(text: object) -> int:
    return (
        int(text)
        if isinstance(text, str) and text.isascii() and text.isdecimal() and len(text) < 6
        else 0
    )


def page(team: Team, sources: Sequence[Connection], state: State) -> Page:
    """Return the page for what is listed now. `state` is not changed."""
    since = midnight(first_day_of(team, state.months))
    rows: list[Row] = []
    for connection in sources:
        # The source of a stored connection may no longer be registered.
        source = base.find(connection.source)
        if source is not None:
            rows += [_row(connection, source, listed, since) for listed in connection.listing]
    rows.sort(key=lambda row: row.pushed_at.timestamp() if row.pushed_at else 0.0, reverse=True)
    suggested = state.picked is None
    followed = _followed(team)
    followed_keys = {
        row.key for row in rows if (row.source.rows, row.name.casefold()) in followed
    }
    keys = set(_first_choice(rows, followed_keys) if state.picked is None else state.picked)
    picked = [row for row in rows if row.key in keys]
    found = [row for row in rows if _matches(row, state, keys)]
    # This rounds up.
    pages = max(1, -(-len(found) // PER_PAGE))
    # The list may have become shorter since the page was chosen.
    number = min(max(1, state.page), pages)
    return Page(
        state=state,
        rows=rows,
        found=found,
        shown=found[(number - 1) * PER_PAGE : number * PER_PAGE],
        picked=picked,
        pages=pages,
        suggested=suggested and not followed,
        more=any(connection.listing_more for connection in sources),
        followed_keys=followed_keys,
        window_changed=bool(followed) and state.months > window_of(team),
        least_months=window_of(team) if followed else 0,
        first_day=first_day(team.pk) if followed else None,
    )


def _row(connection: Connection, source: Source, listed: Listed, since: datetime) -> Row:
    size = service.size_of(connection, listed["name"])
    pushed = parse_datetime(listed["pushed_at"]) if listed["pushed_at"] else None
    count = in_window(size, since) if size else None
    is_active = source.is_always_active or (
        not listed["archived"] and pushed is not None and pushed >= since
    )
    seconds = None if count is None else SECONDS_EACH + count * source.seconds_each
    return Row(
        key=f"{connection.source}:{listed['name']}",
        source=source,
        listed=listed,
        size=size,
        pushed_at=pushed,
        active=is_active,
        pull_requests=count,
        estimated=size is not None and not is_exact(size, since),
        seconds=seconds,
    )


def _matches(row: Row, state: State, picked: set[str]) -> bool:
    if state.view == "active" and not row.active:
        return False
    if state.view == "picked" and row.key not in picked:
        return False
    return all(word in row.name.casefold() for word in state.q.casefold().split())


def window_of(team: Team) -> int:
    """Return how many months of history the team reads; the installation's default
    before the first setup.
    """
    chosen = first_day(team.pk)
    if chosen is None:
        return int(settings.HISTORICAL_SYNC_CONFIG["HISTORY_MONTHS"])
    return months_between(chosen, day_of(timezone.now()))


def first_day_of(team: Team, months: int) -> date:
    """Return the first day that so many months of history begin with; the team's own if
    they are its window.
    """
    chosen = first_day(team.pk)
    if chosen is not None and months == window_of(team):
        return chosen
    return day_of(start(timezone.now(), months))


def _first_choice(rows: Sequence[Row], followed_keys: set[str]) -> list[str]:
    """Return what is ticked before the first tick: what the team reads, else all of a
    few, else those pushed to last.
    """
    if followed_keys:
        return [row.key for row in rows if row.key in followed_keys]
    active = [row.key for row in rows if row.active]
    return active if len(active) <= SMALL else active[:SUGGESTED]


def _followed(team: Team) -> set[tuple[str, str]]:
    names = TrackedRepository.objects.for_team(team).values_list(
        "repository__source", "repository__full_name"
    )
    return {(source, name.casefold()) for source, name in names}


def by_source(rows: Iterable[Row]) -> dict[str, list[str]]:
    """Group the names by the source that their rows in the database have."""
    chosen: dict[str, list[str]] = {}
    for row in rows:
        chosen.setdefault(row.source.rows, []).append(row.name)
    return chosen


def in_words(seconds: float) -> str:
    if seconds < 60:
        return "less than a minute"
    minutes = round(seconds / 60)
    return (
        f"about {minutes}\u00a0min" if minutes < 90 else f"about {round(minutes / 60)}\u00a0h"
    )
