"""End what a person made for a team when the person's rights in it end, whichever way
they end.

Removal, leaving, a lower role, the admin's forms, and the deletion of an account all
change memberships; a deactivated account keeps its memberships, so it is handled by the
account's own signal.
"""

from typing import Any

from allauth.account.models import EmailAddress
from django.db.models.signals import post_save, pre_delete, pre_save
from django.utils import timezone

from apps.teams.models import Invitation, InvitationState, Membership, Role, Team
from apps.teams.signals import rights_ended
from apps.users.models import User

_MANAGING = (Role.OWNER, Role.ADMIN)


def end_rights(team: Team, user: User, *, left: bool) -> None:
    """Revoke the open invitations that a person sent, and let the other apps end what
    the person made.

    Args:
        left: whether the person is out of the team. Then open invitations to the person
            end, too: a person who was removed must not come back through one.
    """
    opened = Invitation.objects.for_team(team).filter(state=InvitationState.OPEN)
    ended = {"state": InvitationState.REVOKED, "ended_at": timezone.now()}
    opened.filter(invited_by=user).update(**ended)
    if left:
        addresses = set(EmailAddress.objects.filter(user=user).values_list("email", flat=True))
        opened.filter(email__in=addresses | {user.email}).update(**ended)
    rights_ended.send(sender=Team, team=team, user=user)


def membership_deleted(instance: Membership, **_: Any) -> None:
    end_rights(instance.team, instance.user, left=True)


def membership_changes(instance: Membership, raw: bool = False, **_: Any) -> None:
    """End rights that only owners and admins have, before a lower role is written."""
    # `raw` is set while a dump is loaded. A dump has its own invitations and tokens.
    if raw or instance.pk is None or instance.role in _MANAGING:
        return
    before = Membership.objects.filter(pk=instance.pk).values_list("role", flat=True).first()
    if before in _MANAGING:
        end_rights(instance.team, instance.user, left=False)


def account_saved(
    instance: User, raw: bool = False, update_fields: Any = None, **_: Any
) -> None:
    """End the rights of an account that was deactivated."""
    if (
        raw
        or instance.is_active
        or (update_fields is not None and "is_active" not in update_fields)
    ):
        return
    for membership in Membership.objects.filter(user=instance).select_related("team"):
        end_rights(membership.team, instance, left=False)


def connect() -> None:
    """Connect the receivers; called once, when the app is ready."""
    pre_delete.connect(
        membership_deleted, sender=Membership, dispatch_uid="teams.membership_deleted"
    )
    pre_save.connect(
        membership_changes, sender=Membership, dispatch_uid="teams.membership_changes"
    )
    post_save.connect(account_saved, sender=User, dispatch_uid="teams.account_saved")
