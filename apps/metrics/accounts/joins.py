"""Join accounts of one person. Names suggest them, an admin joins them, and an admin
can separate them again.

    same_names(team_id)                    # accounts of one name, for an admin to confirm
    join(target, members, user, now)       # their work counts as the target's, in all figures of the past
    undo(target)                           # each account has its own work again
    keep_apart(members)                    # they are different people: no suggestion any more

A clone knows people by the addresses in their commits. Without a `.mailmap` one person
with three addresses is three members of one name.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count

from apps.metrics.cache import touch
from apps.metrics.figures.joined import move, move_back
from apps.metrics.figures.weekly import recompute, weeks_of_members
from apps.metrics.models import GHOST_KEY, Commit, TeamMember
from apps.users.models import User

# Names of machines, and names of programs whose user never set a name.
_NO_NAMES = frozenset(
    {
        "admin",
        "administrator",
        "ec2-user",
        "git",
        "root",
        "ubuntu",
        "unknown",
        "user",
        "vagrant",
    }
)
MOST_SUGGESTED = 50
SHOWN_ADDRESSES = 3


@dataclass(frozen=True, slots=True)
class Account:
    """One account, with the addresses of its commits and how many pull requests it
    wrote.
    """

    member: TeamMember
    addresses: tuple[str, ...]
    pulls: int


@dataclass(frozen=True, slots=True)
class SameName:
    """Accounts that may be one person's.

    The first is the one that the others would be joined into.
    """

    accounts: Sequence[Account]

    @property
    def target(self) -> TeamMember:
        return self.accounts[0].member

    @property
    def others(self) -> list[TeamMember]:
        return self.members[1:]

    @property
    def members(self) -> list[TeamMember]:
        return [account.member for account in self.accounts]


def same_names(team_id: int, *, apart: bool = False) -> list[SameName]:
    """Return the groups of accounts with one name that no admin has decided about, by
    name; at most 50.

    With `apart`, the groups that an admin keeps apart.

    Two accounts of GitHub may well be two people, so one account of a group is known by
    its address alone.
    """
    people = TeamMember.objects.for_team(team_id).filter(
        joined_into=None, is_apart=apart, is_bot=False
    )
    named = people.exclude(name="").exclude(key=GHOST_KEY).order_by("key")
    by_name: dict[str, list[int]] = defaultdict(list)
    has_address: set[str] = set()
    for pk, name, github_id in named.values_list("pk", "name", "github_id"):
        plain = _plain(name)
        by_name[plain].append(pk)
        if github_id is None:
            has_address.add(plain)
    groups = [
        members
        for plain, members in sorted(by_name.items())
        if len(members) > 1 and plain in has_address and plain not in _NO_NAMES
    ]
    return _described(team_id, groups[:MOST_SUGGESTED])


def _described(team_id: int, groups: list[list[int]]) -> list[SameName]:
    if not groups:
        return []
    keys = [key for members in groups for key in members]
    counted = Count("pull_requests", distinct=True)
    members: dict[int, Any] = (
        TeamMember.objects.for_team(team_id).annotate(pulls=counted).in_bulk(keys)
    )
    addresses: dict[int | None, list[str]] = defaultdict(list)
    commits = (
        Commit.objects.for_team(team_id)
        .filter(author__in=keys)
        .exclude(author_email="")
        .order_by("author_email")
    )
    for author, address in commits.values_list("author_id", "author_email").distinct():
        addresses[author].append(address)
    found = []
    for group in groups:
        accounts = [
            Account(members[key], tuple(addresses[key][:SHOWN_ADDRESSES]), members[key].pulls)
            for key in group
        ]
        # The others are joined into the first one: an account of GitHub if there is
        # one, else the one with the most pull requests.
        accounts.sort(
            key=lambda one: (
                one.member.github_id is None,
                -one.pulls,
                one.member.login,
                one.member.key,
            )
        )
        found.append(SameName(accounts))
    return found


def _plain(name: str) -> str:
    """Return a name for comparison: letter case, composed letters, and spaces make no
    difference.
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def joined_people(team_id: int) -> list[TeamMember]:
    """Return the members into whom others were joined, by name; each with `others`, the
    joined ones.
    """
    rows = TeamMember.objects.for_team(team_id).filter(joined_into__isnull=False)
    into: dict[int, TeamMember] = {}
    for member in rows.select_related("joined_into", "joined_by").order_by("login", "key"):
        target: Any = member.joined_into
        target = into.setdefault(target.pk, target)
        target.others = [*getattr(target, "others", []), member]
    return sorted(into.values(), key=lambda one: (one.name.casefold(), one.key))


def join(target: TeamMember, members: Iterable[TeamMember], by: User, now: datetime) -> None:
    """Count the work of members as the target's, and update the weekly figures.

    Accounts that were joined into one of them before come along. The caller holds the
    transaction.
    """
    team_id = target.team_id
    others = [member.pk for member in members if member.pk != target.pk]
    if not others or target.joined_into_id is not None:
        return
    # The weeks are read before the work is moved, while it is still found by its
    # member.
    weeks = weeks_of_members(team_id, [target.pk, *others])
    rows = TeamMember.objects.for_team(team_id)
    # Accounts that were joined into one of these follow it, so that there are no
    # chains.
    rows.filter(joined_into__in=others).update(joined_into=target)
    rows.filter(pk__in=others).update(joined_into=target, joined_by=by, joined_at=now)
    for member in others:
        move(team_id, member, target.pk)
    recompute(team_id, weeks)
    touch(team_id)


def undo(target: TeamMember) -> None:
    """Give each account that was joined into the target its own work again.

    The caller holds the transaction.
    """
    team_id = target.team_id
    rows = TeamMember.objects.for_team(team_id).filter(joined_into=target)
    members = list(rows.values_list("pk", flat=True))
    weeks = weeks_of_members(team_id, [target.pk, *members])
    rows.update(joined_into=None, joined_by=None, joined_at=None)
    for member in members:
        move_back(team_id, member)
    recompute(team_id, weeks)
    touch(team_id)


def keep_apart(members: Iterable[TeamMember], *, is_apart: bool = True) -> None:
    """Keep that these are different people, who are suggested no more; or take that
    back.
    """
    for member in members:
        TeamMember.objects.for_team(member.team_id).filter(pk=member.pk).update(
            is_apart=is_apart
        )
        touch(member.team_id)
