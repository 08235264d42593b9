"""Turn the actors that a source names into rows of `TeamMember`.

A person is keyed by GitHub's numeric id if the source has one, otherwise by the
lower-cased login. When the id of a person turns up who was known by login only, the
person keeps the row. A person who is named by login only gets the row with that login.

    key_of(PersonData("Mara", github_id=7))   # "github:7"
    key_of(PersonData("Mara"))                # "login:mara"
    key_of(None)                              # "ghost", for a deleted account
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce, Lower

from apps.metrics.cache import touch
from apps.metrics.ingest.bots import is_bot_account
from apps.metrics.ingest.sanitize import clean
from apps.metrics.models import GHOST_KEY, Commit, PRReview, PullRequest, TeamMember
from apps.metrics.records import PersonData

GHOST = PersonData(login="ghost")

_FIELDS = ["key", "login", "name", "account_name", "commit_name", "github_id", "bot_by_rule"]


def key_of(person: PersonData | None) -> str:
    """Return the key of a person's row; None is a deleted account."""
    if person is None or person is GHOST or (person.github_id is None and not person.login):
        return GHOST_KEY
    if person.github_id is not None:
        return f"github:{person.github_id}"
    return f"login:{clean(person.login, 250).lower()}"


class Directory:
    """Look up the primary keys of one batch's people by the source's records of
    them.
    """

    def __init__(self, ids: dict[str, int], joined: dict[int, int]) -> None:
        """Take the primary keys by `key_of`, and those that were joined into others, by
        the others' keys.
        """
        self._ids, self._joined = ids, joined

    def member_id(self, person: PersonData | None) -> int:
        """Return the primary key of a person's row; for None, that of the ghost."""
        return self._ids[key_of(person)]

    def counted_id(self, person: PersonData | None) -> int:
        """Return the primary key of the member whose work this counts as: another one
        if the two were joined.
        """
        member = self.member_id(person)
        return self._joined.get(member, member)

    def named_id(self, person: PersonData | None) -> int | None:
        """Return the primary key of a person's own row if it was joined into another
        one, else None.
        """
        member = self.member_id(person)
        return member if member in self._joined else None


def upsert_people(team_id: int, people: Iterable[PersonData | None]) -> Directory:
    """Make or renew the rows of people (None: the ghost).

    At most three statements; the caller holds the transaction.
    """
    named: dict[str, PersonData] = {}
    for person in people:
        key = key_of(person)
        known = named.get(key)
        named[key] = GHOST if person is None or key == GHOST_KEY else person
        if known is None:
            continue
        if known.is_bot:
            named[key] = replace(named[key], is_bot=True)
        if named[key].name is None:
            named[key] = replace(named[key], name=known.name)
    if (directory := _unchanged(team_id, named)) is not None:
        return directory
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
    written = _write(rows, named)
    ids = {key: row.pk for key, row in written.items()}
    settle_bots(team_id, list(ids.values()))
    return Directory(
        ids, {row.pk: row.joined_into_id for row in written.values() if row.joined_into_id}
    )


def settle_bots(team_id: int, members: Iterable[int]) -> int:
    """Make `is_bot` of these members (primary keys) what was decided, or else what the
    rule gives.

    It is computed in the database: an admin's decision may have come since the rows
    were read.

    Returns:
        How many members changed.
    """
    rows = TeamMember.objects.for_team(team_id).filter(pk__in=members)
    wrong = rows.exclude(is_bot=Coalesce("bot_decision", "bot_by_rule")).order_by()
    changed: int = wrong.update(is_bot=Coalesce("bot_decision", "bot_by_rule"))
    if changed:
        touch(team_id)
    return changed


def apply_bot_rule(team_id: int) -> int:
    """Mark the members who are bots by today's rule, which may be newer than their
    rows. Returns how many changed.
    """
    rows = TeamMember.objects.for_team(team_id).filter(bot_by_rule=False).order_by()
    names = rows.values_list("pk", "login", "name")
    bots = [pk for pk, login, name in names if is_bot_account(login, name)]
    if not bots:
        return 0
    TeamMember.objects.for_team(team_id).filter(pk__in=bots).update(bot_by_rule=True)
    return settle_bots(team_id, bots)


def name_by_commits(team_id: int, signed: Mapping[int, PersonData]) -> int:
    """Give members (primary keys) the names and logins of their newest commits in
    clones; an account's come before them.

    The caller holds the transaction. Returns how many changed.
    """
    rows = (
        TeamMember.objects.for_team(team_id).exclude(key=GHOST_KEY).filter(pk__in=list(signed))
    )
    renamed: list[TeamMember] = []
    for row in rows:
        before = [getattr(row, field) for field in _FIELDS]
        row.commit_name = clean(signed[row.pk].name or "", 250)
        row.name = row.account_name or row.commit_name
        if row.account_name is None:
            row.login = clean(signed[row.pk].login, 250)
            row.bot_by_rule = is_bot_account(row.login, row.name)
        if before != [getattr(row, field) for field in _FIELDS]:
            renamed.append(row)
    if renamed:
        TeamMember.objects.across_teams().bulk_update(
            sorted(renamed, key=lambda row: row.pk), _FIELDS
        )
        settle_bots(team_id, [row.pk for row in renamed])
        touch(team_id)
    return len(renamed)


def remove_unseen(team_id: int) -> int:
    """Delete people who appear nowhere in the team's work any more; the caller holds
    the transaction.

    Those about whom an admin has decided stay: the decision holds if they come back.
    Returns how many were deleted.
    """
    pulls = PullRequest.objects.for_team(team_id).order_by()
    unseen = TeamMember.objects.for_team(team_id).filter(
        ~Exists(pulls.filter(author=OuterRef("pk"))),
        ~Exists(TeamMember.objects.for_team(team_id).filter(joined_into=OuterRef("pk"))),
        ~Exists(pulls.filter(merged_by=OuterRef("pk"))),
        ~Exists(Commit.objects.for_team(team_id).filter(author=OuterRef("pk"))),
        ~Exists(PRReview.objects.for_team(team_id).filter(reviewer=OuterRef("pk"))),
        bot_decision__isnull=True,
        joined_into__isnull=True,
    )
    # A webhook may be naming one of them: the lock waits for its end, and then they are
    # looked at again.
    locked = list(
        unseen.order_by("pk").select_for_update(of=("self",)).values_list("pk", flat=True)
    )
    if not locked:
        return 0
    deleted, _ = unseen.filter(pk__in=locked).delete()
    return deleted


def _unchanged(team_id: int, named: dict[str, PersonData]) -> Directory | None:
    """Return the people if all are known as the source names them now, as is usual;
    None if one is not.
    """
    found = TeamMember.objects.for_team(team_id).filter(key__in=list(named)).order_by()
    ids: dict[str, int] = {}
    joined: dict[int, int] = {}
    columns = (
        "pk",
        "key",
        "login",
        "name",
        "account_name",
        "commit_name",
        "bot_by_rule",
        "joined_into_id",
    )
    for pk, key, login, name, account_name, commit_name, is_bot, into in found.values_list(
        *columns
    ):
        person = named[key]
        if login != person.login and not (person.from_commits and account_name is not None):
            return None
        if account_name is None and not person.from_commits and key != GHOST_KEY:
            return None
        if person.name not in (None, commit_name if person.from_commits else account_name):
            return None
        if not is_bot and (person.is_bot or is_bot_account(login, name)):
            return None
        ids[key] = pk
        if into is not None:
            joined[pk] = into
    return Directory(ids, joined) if len(ids) == len(named) else None


def _stored(
    team_id: int, named: dict[str, PersonData]
) -> tuple[dict[str, TeamMember], dict[str, TeamMember]]:
    logins = {clean(person.login, 250).lower() for person in named.values()}
    found: Iterable[TeamMember] = (
        TeamMember.objects.for_team(team_id)
        .annotate(lower_login=Lower("login"))
        .filter(Q(key__in=named) | Q(lower_login__in=logins))
        .order_by("pk")
    )
    by_key = {row.key: row for row in found}
    # A login can pass to another person in time: the newest row has it.
    by_login = {row.login.lower(): row for row in by_key.values() if row.key != GHOST_KEY}
    return by_key, by_login


def _same_person(row: TeamMember | None, person: PersonData) -> TeamMember | None:
    """Return the row with that login, unless it belongs to a person with another id."""
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
        # One order of keys for all workers, so that two of them never wait for each
        # other.
        TeamMember.objects.bulk_create(
            sorted(new.values(), key=lambda row: row.key),
            update_conflicts=True,
            unique_fields=["team", "key"],
            update_fields=["login"],
        )
    renewed = [row for mark, row in changed.items() if mark not in new]
    if renewed:
        TeamMember.objects.across_teams().bulk_update(
            sorted(renewed, key=lambda row: row.pk), _FIELDS
        )
    return rows


def _renew(row: TeamMember, key: str, person: PersonData) -> bool:
    """Update a row from a source's record, and return whether it differs from the
    stored one.
    """
    before = [getattr(row, field) for field in _FIELDS]
    if person.github_id is not None:
        row.key, row.github_id = key, person.github_id
    login = clean(person.login, 250)
    if person.from_commits and row.account_name is not None:
        # Commits keep the login that their author had.
        login = row.login
    # Not every record of a bot marks it as one. A new login may be that of another kind
    # of account.
    was_bot = row.bot_by_rule and row.login == login
    row.login = login
    if row.account_name is None and not person.from_commits and key != GHOST_KEY:
        # The account is known from now on, even if its name is not.
        row.account_name = ""
    if person.name is not None:
        setattr(
            row,
            "commit_name" if person.from_commits else "account_name",
            clean(person.name, 250),
        )
        row.name = row.account_name or row.commit_name or ""
    row.bot_by_rule = was_bot or person.is_bot or is_bot_account(row.login, row.name)
    return before != [getattr(row, field) for field in _FIELDS]
