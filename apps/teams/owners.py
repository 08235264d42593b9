"""Keep an owner in every team, because a team without one cannot be managed."""

from apps.teams.models import Membership, Role, Team
from apps.users.models import User


def has_owner(team: Team) -> bool:
    """Return whether the team has an active owner."""
    return Membership.objects.filter(team=team, role=Role.OWNER, user__is_active=True).exists()


def reasons_to_keep(user: User) -> list[str]:
    """Return a reason for each team whose only active owner the person is."""
    reasons = []
    owned = Membership.objects.filter(
        user=user, role=Role.OWNER, user__is_active=True
    ).select_related("team")
    for membership in owned.order_by("team__name"):
        owners = Membership.objects.filter(
            team_id=membership.team_id, role=Role.OWNER, user__is_active=True
        )
        if not owners.exclude(user=user).exists():
            name = membership.team.name
            reasons.append(
                f"{user.email} is the only owner of {name}. Add another owner to it first, or delete it."
            )
    return reasons
