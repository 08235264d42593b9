"""Delete a team's API tokens if they may have been made by a stranger, when an account
proves its address.
"""

from typing import Any

from django.dispatch import receiver

from apps.metrics.models import ApiToken
from apps.users.models import User
from apps.users.proof import address_proven


@receiver(address_proven, dispatch_uid="metrics.delete_unproven_tokens")
def delete_unproven_tokens(
    user: User, signed_up: bool, trusts_past: bool, **kwargs: Any
) -> None:
    """Delete the tokens that an account made before its address was proven."""
    if signed_up and not trusts_past:
        ApiToken.objects.across_teams().filter(created_by=user).delete()
