"""Who is who: actors named by a source become rows of `TeamMember`.

A person is keyed by GitHub's numeric id where the source gives one, else by the lower-cased login. Someone who was known
by login only keeps the row when the id turns up; someone who is named by login only gets the row that has that login.
"""

from collections.abc import Iterable
from dataclasses import replace

from django.db.models import Q
from django.db.models.functions import Lower

from apps.metrics.models import TeamMember
from apps.metrics.records import PersonData
from apps.metrics.texts import clean

GHOST = PersonData(login="ghost")
GHOST_KEY = "ghost"

_FIELDS = ["key", "login", "name", "github_id", "is_bot"]


def key_of(person: PersonData | None) -> str:
    """The key of a person's row; None is a deleted account."""
    if person is None or person is GHOST or (person.github_id is None and not person.login):
        return GHOST_KEY
    if person.github_id is not None:
        return f"github:{person.github_id}"
    return f"login:{clean(person.login, 250).lower()}"


class Directory:
    """Primary keys of the people of one batch, looked up by what the source said of them."""

    def __init__(self, ids: dict[str, int]) -> None:
        self._ids = ids

    def member_id(self, person: PersonData | None) -> int:
        """The primary key of a person's row; of the ghost's for None."""
        return self._ids[key_of(person)]


def upsert_people(team_id: int, people: Iterable[PersonData | None]) -> Directory:
    """Make or renew the rows of people (None: the ghost). At most three statements; the caller holds the transaction."""
    named: dict[str, PersonData] = {}
    for person in people:
        key = key_of(person)
        known = named.get(key)
        named[key] = GHOST if person is None or key == GHOST_KEY else person
        if known is not None and known.is_bot:
            named[key] = replace(named[key], is_bot=True)
    if (ids := _unchanged(team_id, named)) is not None:
        return Directory(ids)
    # Ids first, so that the same login without an id finds the row with one.
    ordered = sorted(named.items(), key=lambda item: (item[1].github_id is None, item[0]))
    by_key, by_login = _stored(team_id, named)
    rows: dict[str, TeamMember] = {}
    for key, actor in ordered:
        login = clean(actor.login, 250)
        row = by_key.get(key)
        if row is None and key != GHOST_KEY:
            row = _same_person(by_login.get(login.lower()), actor)
        if row is None:
            row = TeamMember(team_id=team_id, key=key, login=login)
        rows[key] = row
        if key != GHOST_KEY:
            by_login[login.lower()] = row
    return Directory({key: row.pk for key, row in _write(rows, named).items()})


def _unchanged(team_id: int, named: dict[str, PersonData]) -> dict[str, int] | None:
    """The keys of people who are all known as the source names them now, as is usual; None where one is not."""
    found = TeamMember.objects.for_team(team_id).filter(key__in=list(named)).order_by()
    ids: dict[str, int] = {}
    for pk, key, login, name, is_bot in found.values_list("pk", "key", "login", "name", "is_bot"):
        person = named[key]
        if login != person.login or (person.name and name != person.name) or (person.is_bot and not is_bot):
            return None
        ids[key] = pk
    return ids if len(ids) == len(named) else None


def _stored(team_id: int, named: dict[str, PersonData]) -> tuple[dict[str, TeamMember], dict[str, TeamMember]]:
    logins = {clean(person.login, 250).lower() for person in named.values()}
    found: Iterable[TeamMember] = (
        TeamMember.objects.for_team(team_id)
        .annotate(lower_login=Lower("login"))
        .filter(Q(key__in=named) | Q(lower_login__in=logins))
        .order_by("pk")
    )
    by_key = {row.key: row for row in found}
    # A login can be given to somebody else in time: the newest row has it.
    by_login = {row.login.lower(): row for row in by_key.values() if row.key != GHOST_KEY}
    return by_key, by_login


def _same_person(row: TeamMember | None, person: PersonData) -> TeamMember | None:
    """The row with that login, unless it belongs to somebody with another id."""
    if row is None or (person.github_id is not None and row.github_id is not None):
        return None
    return row


def _write(rows: dict[str, TeamMember], named: dict[str, PersonData]) -> dict[str, TeamMember]:
    new: dict[int, TeamMember] = {}
    changed: dict[int, TeamMember] = {}
    for key, row in rows.items():
        if _renew(row, key, named[key]):
            changed[id(row)] = row
        if row._state.adding:
            new[id(row)] = row
    if new:
        # One order of keys for all workers, so that two of them never wait for each other.
        TeamMember.objects.bulk_create(
            sorted(new.values(), key=lambda row: row.key),
            update_conflicts=True,
            unique_fields=["team", "key"],
            update_fields=["login"],
        )
    renewed = [row for mark, row in changed.items() if mark not in new]
    if renewed:
        TeamMember.objects.across_teams().bulk_update(sorted(renewed, key=lambda row: row.pk), _FIELDS)
    return rows


def _renew(row: TeamMember, key: str, person: PersonData) -> bool:
    """Take over what a source says now. True if the row differs from what is stored."""
    before = [getattr(row, field) for field in _FIELDS]
    if person.github_id is not None:
        row.key, row.github_id = key, person.github_id
    row.login = clean(person.login, 250)
    row.name = clean(person.name, 250) or row.name
    row.is_bot = row.is_bot or person.is_bot
    return before != [getattr(row, field) for field in _FIELDS]
