"""Connect a team to its sources, list their repositories, and disconnect them.

The functions that ask a source (`check`, `refresh`, `read_more`, `measure`) do so
outside of transactions and store the answers afterwards. A team shows either the sample
or its own repositories, never both, because their figures must not mix.
"""

import contextlib
from datetime import timedelta
from typing import Any, assert_never

import httpx
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.integrations.connections.credentials import (
    SAMPLE_TOKEN,
    CredentialError,
    client_for,
    store_installation,
    store_token,
)
from apps.integrations.connections.grants import clones_for, is_granted
from apps.integrations.models import (
    Connection,
    ConnectionSource,
    Credential,
    CredentialKind,
    TrackedRepository,
)
from apps.integrations.sources.github.app import Installation
from apps.integrations.sources.github.errors import GitHubError
from apps.integrations.sources.github.listing import Listed, read_page
from apps.integrations.sources.github.probe import Finding, probe, summary
from apps.integrations.sources.github.sizes import Size, read_sizes
from apps.metrics.cache import touch
from apps.metrics.models import Insight, Repository, Source, TeamMember, WeeklyMetrics
from apps.pipelines.models import ACTIVE_RUN_STATES, Run
from apps.pipelines.remedy import Remedy
from apps.teams.models import Team
from apps.teams.run_subjects import subject_of

# How long the stored list is used before the source is asked again.
FRESH = timedelta(minutes=10)
# How many pages of a hundred are read in one web request, whose user waits for them.
PAGES_AT_ONCE = 5
TIMEOUT = httpx.Timeout(5.0)
REQUEST_SECONDS = 8.0


class CannotConnect(Exception):
    """This source cannot be connected or disconnected now; the message has the reason
    and what to do.
    """

    cause = "cannot_connect"
    remedy = Remedy.NONE


def offered(team: Team) -> list[str]:
    """Return the sources that a team may connect. The server's clones are among them
    only if the operator has granted them.
    """
    sources: list[str] = [ConnectionSource.GITHUB]
    if settings.SAMPLE_URL:
        sources.append(ConnectionSource.SAMPLE)
    if settings.GIT_SOURCE_ROOT is not None and is_granted(team, ConnectionSource.GIT):
        sources.append(ConnectionSource.GIT)
    return sources


def connections_of(team: Team) -> list[Connection]:
    return list(Connection.objects.for_team(team).order_by("connected_at", "pk"))


def check(team: Team, source: str, token: str = "") -> Finding | list[str]:
    """Ask the source what can be read: the repositories of a token, or the clones that
    exist.

    Raises CannotConnect, GitHubError, CredentialError, GitError. Nothing is stored.
    """
    _check_mixing(team, source)
    return ask(team, known_source(source), token)


def known_source(source: str) -> ConnectionSource:
    """Return the source of this name. Raises CannotConnect if there is none."""
    try:
        return ConnectionSource(source)
    except ValueError:
        raise CannotConnect(
            "This installation does not have that source. Choose another one."
        ) from None


def ask(team: Team, source: ConnectionSource, token: str) -> Finding | list[str]:
    """Ask a source as `check` does.

    Each source has its own branch with its own host, so a token reaches no other host.
    """
    match source:
        case ConnectionSource.GITHUB:
            return probe(settings.GITHUB_API_URL, token)
        case ConnectionSource.SAMPLE:
            return probe(settings.SAMPLE_URL, SAMPLE_TOKEN)
        case ConnectionSource.GIT:
            return _clones_of(team)
    assert_never(source)


def _clones_of(team: Team) -> list[str]:
    clones, _ = clones_for(team)
    if not clones:
        raise CannotConnect(
            "There is no git clone in the folder that clones are read from, up to three folders "
            "deep. Clone a repository into it, then try again."
        )
    return clones


def keep(
    team: Team,
    source: str,
    user: Any,
    *,
    token: str = "",
    found: Finding | list[str] | None = None,
    installation: Installation | None = None,
) -> Connection:
    """Store the connection in the caller's transaction, in place of an earlier one to
    the same source.

    `found` is what `check` returned; without it the repositories are listed when they
    are first needed. An `installation` replaces a token.
    """
    Team.objects.select_for_update().get(pk=team.pk)
    _check_mixing(team, source)
    values: dict[str, Any] = {
        "connected_by": user,
        "connected_at": timezone.now(),
        "sizes": {},
        "notes": [],
    }
    values |= {"listing": [], "listing_more": None, "listed_at": None, "installation_id": None}
    if isinstance(found, Finding):
        values |= summary(found) | {"listed_at": timezone.now()}
    elif found is not None:
        values |= {"listing": [_clone(path) for path in found], "listed_at": timezone.now()}
    if installation is not None:
        store_installation(team, installation.id, user)
        values |= {
            "installation_id": installation.id,
            "login": installation.login,
            "of_app": True,
            "scopes": None,
        }
    elif source == ConnectionSource.GITHUB:
        store_token(team, token, user)
    connection, _ = Connection.objects.across_teams().update_or_create(
        team=team, source=source, defaults=values
    )
    return connection


def _check_mixing(team: Team, source: str) -> None:
    if source not in offered(team):
        raise CannotConnect("This installation does not have that source. Choose another one.")
    connected = set(Connection.objects.for_team(team).values_list("source", flat=True))
    if ConnectionSource.SAMPLE in connected and source != ConnectionSource.SAMPLE:
        raise CannotConnect(
            "Disconnect the sample data first, so its numbers don't mix with yours. This deletes "
            "the sample's figures. Or create another team."
        )
    # Repositories stay after their connection was deleted, so they are checked, too.
    own = connected - {ConnectionSource.SAMPLE} or (
        not connected and TrackedRepository.objects.for_team(team).exists()
    )
    if source == ConnectionSource.SAMPLE and own:
        raise CannotConnect(
            "This team has its own repositories, and the sample's numbers would mix with them. "
            "Create another team to try the sample data."
        )


def revoke(team: Team) -> None:
    """End the token of the app's installation at GitHub. Errors are ignored, because
    the token ends by itself within an hour.
    """
    if (
        Credential.objects.for_team(team)
        .filter(kind=CredentialKind.GITHUB_INSTALLATION)
        .exists()
    ):
        with (
            contextlib.suppress(GitHubError, CredentialError),
            client_for(team, timeout=TIMEOUT) as client,
        ):
            client.revoke()


def leave(team: Team, source: str) -> bool:
    """Delete a connection and its token. Returns False if there was none. The data that
    was read is kept, except for the sample's.

    Raises CannotConnect while a run is active.
    """
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=team.pk)
        # The run would fail in the middle without its token.
        if Run.objects.filter(
            subject=subject_of(team.pk), state__in=ACTIVE_RUN_STATES
        ).exists():
            raise CannotConnect(
                "A run that needs this source is in progress. Cancel it, or wait until it ends."
            )
        left, _ = Connection.objects.for_team(team).filter(source=source).delete()
        if source == ConnectionSource.GITHUB:
            Credential.objects.for_team(team).delete()
        if left and source == ConnectionSource.SAMPLE:
            for model in (Insight, WeeklyMetrics, Repository, TeamMember):
                model.objects.for_team(team).delete()
            touch(team.pk)
    return bool(left)


def is_fresh(connection: Connection) -> bool:
    return connection.listed_at is not None and timezone.now() - connection.listed_at < FRESH


def refresh(connection: Connection) -> None:
    """Read the list again from its beginning, as far as it was read before.

    Raises the same errors as `check`.
    """
    if connection.source == ConnectionSource.GIT:
        clones, more = clones_for(connection.team_id)
        listing, further = [_clone(path) for path in clones], 2 if more else None
    else:
        listing, further = _read_pages(connection, 1, PAGES_AT_ONCE)
    _store(connection, listing=listing, listing_more=further, listed_at=timezone.now())


def read_more(connection: Connection) -> None:
    """Read the next pages of a long list. Raises the same errors as `check`."""
    if connection.listing_more is None or connection.source == ConnectionSource.GIT:
        return
    further, next_page = _read_pages(connection, connection.listing_more, PAGES_AT_ONCE)
    known = {listed["name"] for listed in connection.listing}
    # A push between two requests moves a repository to another page, so it may come
    # twice.
    new = [listed for listed in further if listed["name"] not in known]
    _store(connection, listing=[*connection.listing, *new], listing_more=next_page)


def measure(connection: Connection, names: list[str]) -> None:
    """Read the sizes that are not known yet. Raises the same errors as `check`."""
    unknown = [name for name in names if name not in connection.sizes]
    if not unknown or connection.source == ConnectionSource.GIT:
        return
    with client_for(
        connection.team_id, timeout=TIMEOUT, request_seconds=REQUEST_SECONDS
    ) as client:
        found = read_sizes(client, unknown)
    with transaction.atomic():
        row = (
            Connection.objects.across_teams()
            .select_for_update()
            .filter(pk=connection.pk)
            .first()
        )
        if row is not None:
            # Another request may have stored other sizes meanwhile, so the row is read
            # again under a lock.
            row.sizes = {**row.sizes, **found}
            row.save(update_fields=["sizes"])
    connection.sizes = {**connection.sizes, **found}


def size_of(connection: Connection, name: str) -> Size | None:
    size: Size | None = connection.sizes.get(name)
    return size


def _read_pages(
    connection: Connection, first: int, count: int
) -> tuple[list[Listed], int | None]:
    listing: list[Listed] = []
    number: int | None = first
    with client_for(
        connection.team_id, timeout=TIMEOUT, request_seconds=REQUEST_SECONDS
    ) as client:
        while number is not None and number < first + count:
            page = read_page(client, number, of_app=connection.of_app)
            listing += page.repositories
            number = page.next
    return listing, number


def _clone(path: str) -> Listed:
    return Listed(
        name=path, private=False, archived=False, fork=False, pushed_at=None, language=""
    )


def _store(connection: Connection, **values: Any) -> None:
    """Store what was read, unless the connection was deleted meanwhile."""
    Connection.objects.across_teams().filter(pk=connection.pk).update(**values)
    for name, value in values.items():
        setattr(connection, name, value)


def repository_source(connection: Connection) -> str:
    """Return the source that the rows of this connection's repositories have."""
    source = known_source(connection.source)
    match source:
        case ConnectionSource.GITHUB | ConnectionSource.SAMPLE:
            return Source.GITHUB
        case ConnectionSource.GIT:
            return Source.GIT
    assert_never(source)
