"""What every source is, and the registry of them. The modules above ask the registry,
and decide nothing by a source's name.

    register(Folder())                        # once, in `registered.py`
    get("folder").check(team, token="")       # Found: the repositories that can be read
    reading(team.pk, "folder").reader(…)      # reads the tracked ones, see `reading`

A source is a folder next to this module with the same files as the others: `source.py`
(the class), `reader.py`, and `errors.py`. Most methods have an answer here that fits a
source without tokens, webhooks, and sizes.
"""

import re
from abc import abstractmethod
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, TypedDict

from django.db.models import Max

from apps.integrations.models import Connection, TrackedRepository
from apps.integrations.sources.cards import Card, Leaving, TokenForm
from apps.integrations.sources.errors import CannotConnect, UnknownSource
from apps.integrations.sources.hooks import Hook
from apps.integrations.sources.reading import Alone, Reader, Sync, window_of
from apps.integrations.sources.sizes import Size
from apps.metrics import sites
from apps.teams.models import Team
from apps.users.models import User

# A key is stored, and is a part of addresses.
_KEY = re.compile(r"[a-z]{1,10}")


class Listed(TypedDict):
    """A repository as a list shows it.

    `pushed_at` is ISO 8601; None if it is unknown, or if there was no push.
    """

    name: str
    private: bool
    archived: bool
    fork: bool
    pushed_at: str | None
    language: str


def listed_as(name: str) -> Listed:
    """Return a repository of which only the name is known."""
    return Listed(
        name=name, private=False, archived=False, fork=False, pushed_at=None, language=""
    )


@dataclass(frozen=True, slots=True)
class Listing:
    """Repositories, newest push first, and the number of the next page if there is
    one.
    """

    repositories: list[Listed]
    more: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """What a check found: the first repositories, and what is known of the token.

    `scopes` is None for a source or token without scopes; `notes` lists what the token
    cannot read.
    """

    listing: Listing
    login: str = ""
    of_app: bool = False
    scopes: list[str] | None = None
    notes: list[str] = field(default_factory=list)
    expires_at: datetime | None = None

    def columns(self) -> dict[str, Any]:
        """Return the columns of a Connection that it fills."""
        return {
            "login": self.login,
            "of_app": self.of_app,
            "scopes": self.scopes,
            "notes": self.notes,
            "expires_at": self.expires_at,
            "listing": self.listing.repositories,
            "listing_more": self.listing.more,
        }


@dataclass(frozen=True, slots=True)
class Installation:
    """A source's app in one account. `login` is the organization's or the person's."""

    id: int
    login: str


class App(Protocol):
    """A source's app, which replaces a token: an owner installs it at the source."""

    @abstractmethod
    def install_url(self, state: str) -> str:
        """Return the source's page on which the app is installed."""

    @abstractmethod
    def authorize_url(self, state: str) -> str:
        """Return the source's page that identifies the user."""

    @abstractmethod
    def installation(self, code: str, number: int) -> Installation:
        """Return the installation, if the user who came back with this code may use it.

        Raises SourceError.
        """


class Source(Protocol):
    """A source of pull requests. A class names it as its base, and fills what has no
    answer here.
    """

    # The stored name, which is a part of addresses, and the one that people read.
    key: str
    name: str
    # The `source` of its repositories' rows. Usually the key; two sources share it if
    # their repositories are the same but for the address.
    rows: str
    # The web site that links of its pull requests lead to.
    site: str = "its source"
    # Seconds that one pull request usually takes, and what a page adds about them.
    seconds_each: float = 0.01
    speed: str = ""
    # What the log counts, and what the pages call the repositories.
    one: str = "pull request"
    noun: str = "repository"
    nouns: str = "repositories"
    # What the list shows for a repository without a push.
    unpushed: str = "never"
    # Whether repositories without a known push are suggested, too.
    is_always_active: bool = False
    # Whether names that differ in case are one.
    ignores_case: bool = False
    # Whether its figures are made up, so that they must not mix with a team's own.
    is_demo: bool = False
    # Whether the operator has to grant it to a team.
    needs_grant: bool = False
    # Whether it estimates sizes.
    has_sizes: bool = False
    leaving: Leaving = Leaving()

    @property
    @abstractmethod
    def card(self) -> Card:
        """Return its card on the page "Connect"."""

    @property
    def token_form(self) -> TokenForm | None:
        """Return the form for its token; None if it has none."""
        return None

    @property
    def hook(self) -> Hook | None:
        """Return its webhooks; None if it has none."""
        return None

    @property
    def app(self) -> App | None:
        """Return its app; None if it has none, or if none is configured."""
        return None

    # Connect

    def is_offered(self, team: Team) -> bool:
        """Return whether a team may connect it."""
        return True

    @abstractmethod
    def check(self, team: Team, token: str) -> Found:
        """Ask the source what can be read. Stores nothing.

        Raises SourceError or CredentialError.
        """

    def check_names(self, token: str, names: Sequence[str]) -> Found | None:
        """Check what a command was given, before anything is created. Returns what a
        check of the token found, if there was one.

        Raises:
            InvalidName: if there can be no repository of that name.
            CannotConnect, CredentialsFailed: if the sync could read nothing.
            SourceError: if it is not known, because the source can't be asked now.
        """
        return None

    def missing(self, token: str) -> str:
        """Return what the operator has to give or set before a command can use it;
        empty if nothing is missing.
        """
        return ""

    def granted_folder(self, folder: str) -> Path:
        """Return the folder that a grant leads to. Raises CannotConnect if the operator
        has set up none.
        """
        raise CannotConnect(f"{self.name} needs no grant.")

    def store(
        self, team: Team, user: User | None, token: str, installation: Installation | None
    ) -> dict[str, Any]:
        """Store the team's credentials in the caller's transaction. Returns columns of
        the Connection that follow from them. Raises SourceError or CredentialError.
        """
        return {}

    def revoke(self, team: Team) -> None:
        """End the credentials at the source, as far as it can. Raises nothing."""
        return

    def forget(self, team: Team) -> None:
        """Delete the team's credentials in the caller's transaction."""
        return

    def connected(self, connection: Connection) -> str:
        """Return the message after it was connected."""
        return f"{self.name} is connected: {self.counted(connection)} can be read."

    def disconnected(self, connection: Connection) -> str:
        """Return the message after it was disconnected."""
        return f"{self.name} is disconnected."

    def counted(self, connection: Connection) -> str:
        """Return the number of listed repositories as `1 repository`, or `100 or more
        repositories`.
        """
        count = len(connection.listing)
        more = " or more" if connection.listing_more else ""
        noun = self.noun if count == 1 and not more else self.nouns
        return f"{count}{more} {noun}"

    # List

    @abstractmethod
    def list_pages(self, connection: Connection, first: int, count: int) -> Listing:
        """Return up to `count` pages of the list, beginning with this one.

        Raises the same errors as `check`.
        """

    def sizes(self, connection: Connection, names: Sequence[str]) -> dict[str, Size]:
        """Return the sizes of the repositories that can be read.

        Raises the same errors as `check`.
        """
        return {}

    @abstractmethod
    def checked_name(self, text: str) -> str:
        """Return the name of a repository as it is stored. Raises InvalidName."""

    # Read

    @abstractmethod
    def reader(self, sync: Sync, alone: Alone, stack: ExitStack) -> Reader:
        """Return a reader. What it opens is closed with `stack`."""

    def begin(self, tracked: TrackedRepository, since: datetime) -> dict[str, Any]:
        """Return where a new run begins: fields of the repository's cursor, with the
        first day as "since". The cursor of the run before is still in the row.
        """
        return {"since": since.isoformat()}

    def plan_comparison(self, rows: Sequence[TrackedRepository], runs: int) -> None:
        """Record in the cursors what this run compares of what was read before, so that
        so many runs compare everything. The caller saves them.
        """
        return

    def newest(self, tracked: TrackedRepository) -> datetime | None:
        """Return the time of the newest change that was read. It is never later than
        the source's clock.
        """
        newest: datetime | None = window_of(tracked).aggregate(newest=Max("updated_at"))[
            "newest"
        ]
        return newest

    def on_read(self, tracked: TrackedRepository, since: datetime) -> None:
        """Note what the next sync has to know of a repository that was read completely.
        The caller saves the row.
        """
        return

    def explain(self, tracked: TrackedRepository, error: Exception) -> Exception:
        """Return the error of a failed read, or one that explains it better."""
        return error


_sources: dict[str, Source] = {}


def register(source: Source) -> None:
    """Add a source. The first one is the default of pages and commands."""
    if not _KEY.fullmatch(source.key):
        raise ValueError(f"A key has 1 to 10 small letters, not {source.key!r}.")
    _sources[source.key] = source
    if source.rows == source.key:
        sites.name_site(source.rows, source.site)


def registered() -> list[Source]:
    """Return all sources, in the order of the pages."""
    return list(_sources.values())


def default() -> Source:
    """Return the source that pages and commands assume if none is named."""
    return registered()[0]


def find(key: str) -> Source | None:
    """Return the source of this key; None if there is none."""
    return _sources.get(key)


def get(key: str) -> Source:
    """Return the source of this key. Raises UnknownSource."""
    source = find(key)
    if source is None:
        raise UnknownSource
    return source


def reading(team_id: int, rows: str) -> Source:
    """Return the source that reads a team's repositories: of those with these rows the
    connected one, otherwise the one of that key. Raises UnknownSource.
    """
    connected = Connection.objects.for_team(team_id).values_list("source", flat=True)
    keys = set(connected)
    for source in registered():
        if source.rows == rows and source.key in keys:
            return source
    return get(rows)


def same_name(rows: str, name: str) -> str:
    """Return a form of a repository's name that is equal for equal repositories."""
    source = find(rows)
    return name.casefold() if source is not None and source.ignores_case else name
