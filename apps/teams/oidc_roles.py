"""Roles in teams from groups of the sign-in provider (OIDC_GROUPS).

With `engineers=acme:member,leads=acme:admin`, a person in both groups is an admin of
Acme, and loses the membership when the provider lists neither group any more. It
happens at each sign-in and at each check of a session.

A membership that came from a group is marked as `managed`. One that was made by hand is
left alone, until a group of the person names its team; from then on the groups decide.
The last owner of a team is neither removed nor demoted; the log has a line for the
operator.
"""

import logging
from typing import Any

from django.conf import settings
from django.dispatch import receiver

from apps.teams.members import NotPossible, change_role, remove
from apps.teams.models import Membership, Role, Team
from apps.users.models import User
from apps.users.oidc.signals import identity_confirmed

logger = logging.getLogger(__name__)

# The least first: of several groups for one team, the highest role counts.
RANKS = [Role.MEMBER, Role.ADMIN, Role.OWNER]


@receiver(identity_confirmed, dispatch_uid="teams.oidc_roles")
def handle_identity_confirmed(user: User, groups: frozenset[str], **kwargs: Any) -> None:
    """Give the person the memberships that their groups at the provider map to.

    Runs in the caller's transaction.
    """
    if not settings.OIDC_GROUPS:
        return
    wanted = _wanted(groups)
    managed = Membership.objects.filter(user=user, managed=True).select_related("team")
    for membership in managed:
        if membership.team.slug not in wanted:
            _remove(membership.team, user)
    for slug, role in wanted.items():
        team = Team.objects.filter(slug=slug).first()
        if team is None:
            logger.warning("OIDC_GROUPS names the team %s, which does not exist", slug)
        else:
            _give(team, user, role)


def unknown_teams() -> list[str]:
    """Return the slugs that OIDC_GROUPS names and no team has, sorted.

    Their groups give no role.
    """
    named: set[str] = set()
    for roles in settings.OIDC_GROUPS.values():
        named.update(slug for slug, _ in roles)
    if not named:
        return []
    known = Team.objects.filter(slug__in=named).values_list("slug", flat=True)
    return sorted(named.difference(known))


def _wanted(groups: frozenset[str]) -> dict[str, Role]:
    """Return the role in each team, by slug, that these groups give."""
    wanted: dict[str, Role] = {}
    for group in sorted(groups):
        for slug, name in settings.OIDC_GROUPS.get(group, []):
            role = Role(name)
            wanted[slug] = max(role, wanted.get(slug, role), key=RANKS.index)
    return wanted


def _give(team: Team, user: User, role: Role) -> None:
    membership, is_new = Membership.objects.get_or_create(
        team=team, user=user, defaults={"role": role, "managed": True}
    )
    if is_new:
        logger.info("OIDC groups: user %s is %s of team %s now", user.pk, role, team.slug)
        return
    if not membership.managed:
        Membership.objects.filter(pk=membership.pk).update(managed=True)
    if membership.role != role:
        _change(team, membership, role)


def _change(team: Team, membership: Membership, role: Role) -> None:
    # An owner may make every change, so it is made in the name of another one.
    others = Membership.objects.filter(
        team=team, role=Role.OWNER, user__is_active=True
    ).exclude(pk=membership.pk)
    owner = others.select_related("user").first()
    if owner is None:
        _log_refusal(
            team, membership.user_id, f"become {role}, because the team has no other owner"
        )
        return
    try:
        change_role(team, owner.user, membership.user_id, role)
    except NotPossible as reason:
        _log_refusal(team, membership.user_id, f"become {role}: {reason}")
        return
    logger.info(
        "OIDC groups: user %s is %s of team %s now", membership.user_id, role, team.slug
    )


def _remove(team: Team, user: User) -> None:
    try:
        # Every member may remove themselves, so it is done in the member's own name.
        remove(team, user, user.pk)
    except NotPossible as reason:
        _log_refusal(team, user.pk, f"be removed: {reason}")
        return
    logger.info("OIDC groups: user %s is no longer in team %s", user.pk, team.slug)


def _log_refusal(team: Team, user_id: int, what: str) -> None:
    logger.error("OIDC groups: user %s of team %s can't %s", user_id, team.slug, what)
