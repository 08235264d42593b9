"""Connect a team to its sources, list their repositories, and disconnect them.

The functions that ask a source (`check`, `refresh`, `read_more`, `measure`) do so
outside of transactions and store the answers afterwards. A team shows either the sample
or its own repositories, never both, because their figures must not mix.
"""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.integrations.models import Connection, TrackedRepository
from apps.integrations.sources import base
from apps.integrations.sources.base import Found, Installation
from apps.integrations.sources.errors import CannotConnect, UnknownSource
from apps.integrations.sources.sizes import Size
from apps.metrics.cache import touch
from apps.metrics.models import Insight, Repository, TeamMember, WeeklyMetrics
from apps.pipelines.models import ACTIVE_RUN_STATES, Run
from apps.teams.models import Team
from apps.teams.run_subjects import subject_of

# How long the stored list is used before the source is asked again.
FRESH = timedelta(minutes=10)
# How many pages of a hundred are read in one web request, whose user waits for them.
PAGES_AT_ONCE = 5


def connections_of(team: Team) -> list[Connection]:
    return list(Connection.objects.for_team(team).order_by("connected_at", "pk"))


def check(team: Team, source: str, token: str = "") -> Found:
    """Ask the source what can be read. Nothing is stored.

    Raises CannotConnect and other SourceError, and CredentialError.
    """
    _check_mixing(team, source)
    return base.get(source).check(team, token)


def keep(
    team: Team,
    source: str,
    user: Any,
    *,
    token: str = "",
    found: Found | None = None,
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
    if found is not None:
        values |= found.columns() | {"listed_at": timezone.now()}
    values |= base.get(source).store(team, user, token, installation)
    connection, _ = Connection.objects.across_teams().update_or_create(
        team=team, source=source, defaults=values
    )
    return connection


def _check_mixing(team: Team, key: str) -> None:
    """Raise CannotConnect if a team may not connect another source."""
    source = base.get(key)
    if not source.is_offered(team):
        raise UnknownSource
    connected = set(Connection.objects.for_team(team).values_list("source", flat=True))
    demos = {known.key for known in base.registered() if known.is_demo}
    if connected & demos and not source.is_demo:
        raise CannotConnect(
            "Disconnect the sample data first, so its numbers don't mix with yours. This deletes "
            "the sample's figures. Or create another team."
        )
    # Repositories stay after their connection was deleted, so they are checked, too.
    own = connected - demos or (
        not connected and TrackedRepository.objects.for_team(team).exists()
    )
    if source.is_demo and own:
        raise CannotConnect(
            "This team has its own repositories, and the sample's numbers would mix with them. "
            "Create another team to try the sample data."
        )


def disconnect(team: Team, key: str) -> str:
    """End the credentials of a source and leave it. Returns a message for the user,
    empty if it was not connected. Raises CannotConnect.
    """
    source = base.get(key)
    connection = Connection.objects.for_team(team).filter(source=key).first()
    # Outside of the transaction, because it asks the source.
    source.revoke(team)
    if not leave(team, key) or connection is None:
        return ""
    return source.disconnected(connection)


def leave(team: Team, key: str) -> bool:
    """Delete a connection and its credentials. Returns False if there was none. The
    data that was read is kept, unless it is made up.

    Raises CannotConnect while a run is active.
    """
    source = base.get(key)
    with transaction.atomic():
        Team.objects.select_for_update().get(pk=team.pk)
        # The run would fail in the middle without its token.
        if Run.objects.filter(
            subject=subject_of(team.pk), state__in=ACTIVE_RUN_STATES
        ).exists():
            raise CannotConnect(
                "A run that needs this source is in progress. Cancel it, or wait until it ends."
            )
        left, _ = Connection.objects.for_team(team).filter(source=key).delete()
        source.forget(team)
        if left and source.is_demo:
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
    page = base.get(connection.source).list_pages(connection, 1, PAGES_AT_ONCE)
    _store(
        connection,
        listing=page.repositories,
        listing_more=page.more,
        listed_at=timezone.now(),
    )


def read_more(connection: Connection) -> None:
    """Read the next pages of a long list. Raises the same errors as `check`."""
    if connection.listing_more is None:
        return
    source = base.get(connection.source)
    page = source.list_pages(connection, connection.listing_more, PAGES_AT_ONCE)
    known = {listed["name"] for listed in connection.listing}
    # A push between two requests moves a repository to another page, so it may come
    # twice.
    new = [listed for listed in page.repositories if listed["name"] not in known]
    _store(connection, listing=[*connection.listing, *new], listing_more=page.more)


def measure(connection: Connection, names: list[str]) -> None:
    """Read the sizes that are not known yet. Raises the same errors as `check`."""
    unknown = [name for name in names if name not in connection.sizes]
    source = base.get(connection.source)
    if not unknown or not source.has_sizes:
        return
    found = source.sizes(connection, unknown)
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


def _store(connection: Connection, **values: Any) -> None:
    """Store what was read, unless the connection was deleted meanwhile."""
    Connection.objects.across_teams().filter(pk=connection.pk).update(**values)
    for name, value in values.items():
        setattr(connection, name, value)
