"""Teams: making one, and who may do what in it."""

from datetime import timedelta

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from apps.teams.models import Membership, Role, Team
from apps.teams.signals import team_founded
from apps.users.models import User

# Roles that may start, retry and cancel runs, connect sources, and choose repositories. Every member may watch.
MANAGING = (Role.OWNER, Role.ADMIN)
_SLUG_TRIES = 10
# A second team of the same name by the same person within this time is the first one, sent twice.
SENT_TWICE = timedelta(minutes=1)
MOST_OWNED = 50


class TooManyTeams(Exception):
    """The person owns as many teams as one may; the message says so."""


def found_team(name: str, owner: User) -> Team:
    """A new team, whose foundation is told (`team_founded`); two clicks found one. Raises TooManyTeams."""
    with transaction.atomic():
        User.objects.select_for_update().get(pk=owner.pk)
        owned = Team.objects.filter(memberships__user=owner, memberships__role=Role.OWNER)
        twin = owned.filter(name=name, created_at__gt=timezone.now() - SENT_TWICE).first()
        if twin is not None:
            return twin
        if owned.count() >= MOST_OWNED:
            raise TooManyTeams(f"You own {MOST_OWNED} teams, which is as many as one person may.")
        team = create_team(name, owner)
        team_founded.send(sender=Team, team=team, owner=owner)
    return team


def create_team(name: str, owner: User) -> Team:
    """A new team with its owner. Teams may share a name, never a slug."""
    for tries_left in reversed(range(_SLUG_TRIES)):
        try:
            with transaction.atomic():
                team = Team.objects.create(name=name, slug=Team.free_slug(name))
                Membership.objects.create(team=team, user=owner, role=Role.OWNER)
                return team
        except IntegrityError:
            # Somebody took the slug after it was found free. Anything else fails again, and then comes out.
            if not tries_left:
                raise
    raise AssertionError("unreachable: the last try returns or raises")


def role_of(user: User, team: Team) -> Role | None:
    """The user's role in the team, None for outsiders and for accounts that are not active."""
    role = (
        Membership.objects.filter(team=team, user_id=user.pk, user__is_active=True)
        .values_list("role", flat=True)
        .first()
    )
    return Role(role) if role is not None else None


def can_watch(user: User, team: Team) -> bool:
    """Whether the user may see the team's pages, runs and figures."""
    return role_of(user, team) is not None


def can_manage(user: User, team: Team) -> bool:
    """Whether the user may start, retry and cancel the team's runs, and connect and choose its sources."""
    return role_of(user, team) in MANAGING


def recipients_of(team: Team) -> QuerySet[User]:
    """The active owners and admins of a team, by e-mail address: whom its mails go to."""
    return User.objects.filter(memberships__team=team, memberships__role__in=MANAGING, is_active=True).order_by("email")
