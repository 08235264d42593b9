"""Create teams, and decide who may do what in them."""

from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.teams.emails import EmailKind, field_of
from apps.teams.models import Membership, Role, Team
from apps.teams.signals import team_founded
from apps.users.models import User
from apps.users.proof import without_unproven

# Roles that may start, retry and cancel runs, connect sources, and choose repositories.
# Every member may watch.
MANAGING = (Role.OWNER, Role.ADMIN)
_SLUG_TRIES = 10
# A second team of the same name by the same person within this time is the first one,
# sent twice.
SENT_TWICE = timedelta(minutes=1)


class TooManyTeams(Exception):
    """The account owns as many teams as it may. The message is for its user."""

    def __init__(self, limit: int) -> None:
        teams = "1 team" if limit == 1 else f"{limit} teams"
        super().__init__(
            f"You own {teams}, the most that one account may own on this installation. "
            "Delete a team that you no longer need, or ask the operator of this installation."
        )


def create_team_for(name: str, owner: User, *, by_operator: bool = False) -> Team:
    """Make a team and send `team_founded`. Two clicks make one team.

    Args:
        by_operator: whether an operator makes it for the owner, who has not seen a page
            yet.

    Raises:
        TooManyTeams: if the owner has as many teams as an account may have.
    """
    with transaction.atomic():
        # Two requests at once would both find fewer teams than the limit.
        User.objects.select_for_update().get(pk=owner.pk)
        owned = Team.objects.filter(memberships__user=owner, memberships__role=Role.OWNER)
        twin = owned.filter(name=name, created_at__gt=timezone.now() - SENT_TWICE).first()
        if twin is not None:
            return twin
        limit = int(settings.TEAMS_PER_ACCOUNT)
        if not owner.is_superuser and owned.count() >= limit:
            raise TooManyTeams(limit)
        team = create_team(name, owner)
        team_founded.send(sender=Team, team=team, owner=owner, by_operator=by_operator)
    return team


def create_team(name: str, owner: User) -> Team:
    """Create a team with its owner. Teams may share a name, but never a slug."""
    for tries_left in reversed(range(_SLUG_TRIES)):
        try:
            with transaction.atomic():
                team = Team.objects.create(name=name, slug=Team.free_slug(name))
                Membership.objects.create(team=team, user=owner, role=Role.OWNER)
                return team
        except IntegrityError:
            # Another team took the slug after it was found free. Any other error occurs
            # again in the next try, and is raised after the last one.
            if not tries_left:
                raise
    raise AssertionError("unreachable: the last try returns or raises")


def role_of(user: User, team: Team) -> Role | None:
    """Return the user's role in the team; None for users outside it and for accounts
    that are not active.
    """
    role = (
        Membership.objects.filter(team=team, user_id=user.pk, user__is_active=True)
        .values_list("role", flat=True)
        .first()
    )
    return Role(role) if role is not None else None


def can_watch(user: User, team: Team) -> bool:
    """Return whether the user may see the team's pages, runs, and figures."""
    return role_of(user, team) is not None


def can_manage(user: User, team: Team) -> bool:
    """Return whether the user may start, retry, and cancel the team's runs, and connect
    and choose its sources.
    """
    return role_of(user, team) in MANAGING


def recipients_of(team: Team, kind: EmailKind | None = None) -> QuerySet[User]:
    """Return the active owners and admins whom the team's emails go to, in the order of
    their addresses.

    Args:
        kind: leaves out those who turned emails of this kind off.
    """
    wanted = Membership.objects.filter(team=team, role__in=MANAGING)
    if kind is not None:
        wanted = wanted.filter(**{field_of(kind): True})
    managers = User.objects.filter(pk__in=wanted.values("user_id"), is_active=True)
    return without_unproven(managers).order_by("email")
