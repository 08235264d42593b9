"""Decide who belongs to a team, and in which role.

Owners may do everything; admins manage admins and members, but no owner. Every member
may leave. A team always keeps an owner: changes are made under the lock of the team's
row, so that two owners cannot demote each other at once.
"""

from django.db import transaction

from apps.teams.models import Membership, Role, Team
from apps.users.models import User


class NotPossible(Exception):
    """Raised if a change cannot be made; the message states why and what to do."""


LAST_OWNER = (
    "A team needs an owner, and this is the only one. Make another member an owner first."
)
OWNERS_ONLY = "Only owners can change owners or add new ones. Ask an owner of the team."


def grantable(role: Role) -> list[Role]:
    """Return the roles that a member of this role may give to others, the least
    first.
    """
    if role == Role.OWNER:
        return [Role.MEMBER, Role.ADMIN, Role.OWNER]
    return [Role.MEMBER, Role.ADMIN] if role == Role.ADMIN else []


def change_role(team: Team, by: User, user_id: int, role: str) -> Membership:
    """Give a member another role. Raises NotPossible."""
    with transaction.atomic():
        membership, own = _locked(team, by, user_id)
        wanted = Role(role) if role in Role.values else None
        if wanted is None:
            raise NotPossible("There is no such role. Choose owner, admin, or member.")
        # Both the new role and the present one must be within the rights of `by`, so an
        # admin can neither make nor demote an owner.
        if wanted not in grantable(own) or Role(membership.role) not in grantable(own):
            raise NotPossible(OWNERS_ONLY)
        if wanted != Role.OWNER:
            _keep_an_owner(team, membership)
        membership.role = wanted
        membership.save(update_fields=["role"])
    return membership


def remove(team: Team, by: User, user_id: int) -> Membership:
    """Take a member out of the team; everybody may take out themselves.

    Raises NotPossible.
    """
    with transaction.atomic():
        membership, own = _locked(team, by, user_id)
        if membership.user_id != by.pk and Role(membership.role) not in grantable(own):
            raise NotPossible(OWNERS_ONLY)
        _keep_an_owner(team, membership)
        membership.delete()
    return membership


def _locked(team: Team, by: User, user_id: int) -> tuple[Membership, Role]:
    """Lock the team, and return the user's membership and the role of `by` under that
    lock.

    Raises NotPossible if one of the two is no member any more.
    """
    Team.objects.select_for_update().get(pk=team.pk)
    own = Membership.objects.filter(team=team, user=by).values_list("role", flat=True).first()
    membership = (
        Membership.objects.filter(team=team, user_id=user_id).select_related("user").first()
    )
    if own is None or membership is None:
        raise NotPossible("This person is no longer in the team. Reload the page.")
    return membership, Role(own)


def _keep_an_owner(team: Team, membership: Membership) -> None:
    others = Membership.objects.filter(
        team=team, role=Role.OWNER, user__is_active=True
    ).exclude(pk=membership.pk)
    if membership.role == Role.OWNER and not others.exists():
        raise NotPossible(LAST_OWNER)
