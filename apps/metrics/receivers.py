"""Delete a team's API tokens if they may have been made by a stranger, when an account
proves its address.
"""

from typing import Any

from apps.metrics.models import ApiToken
from apps.users.models import User


def delete_unproven_tokens(
    user: User, signed_up: bool, trusts_past: bool, **kwargs: Any
) -> None:
    """Delete the tokens that an account made before its address was proven."""
    if signed_up and not trusts_past:
        ApiToken.objects.across_teams().filter(created_by=user).delete()
