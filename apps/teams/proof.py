"""What teams do when an account's address is proven, and which address an invitation
proves.
"""

from typing import Any

from django.dispatch import receiver
from django.utils import timezone

from apps.teams.models import Invitation, InvitationState
from apps.users.models import User
from apps.users.proof import address_proven


def invited_address(invitation_id: int) -> str | None:
    """Return the address of an open invitation, None for one that has ended."""
    invitation = (
        Invitation.objects.across_teams()
        .filter(pk=invitation_id, state=InvitationState.OPEN)
        .first()
    )
    if invitation is None or invitation.is_over:
        return None
    return invitation.email


@receiver(address_proven, dispatch_uid="teams.revoke_unproven_invitations")
def revoke_unproven_invitations(
    user: User, signed_up: bool, trusts_past: bool, **kwargs: Any
) -> None:
    """End the open invitations that an account sent before its address was proven."""
    if signed_up and not trusts_past:
        sent = Invitation.objects.across_teams().filter(
            invited_by=user, state=InvitationState.OPEN
        )
        sent.update(state=InvitationState.REVOKED, ended_at=timezone.now())
