"""Create, find, and revoke a team's tokens.

A token is shown once, recognized by its hash, and revoked by deleting its row.
"""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.metrics.models import ApiToken
from apps.teams.models import Team

PREFIX = "fl_"
# The time of the last use is written at most this often, so that a read of the API does
# not always write.
NOTED_EVERY = timedelta(minutes=5)


def make(team: Team, name: str, user: Any) -> tuple[ApiToken, str]:
    """Create a token, and return it with its text, which is shown only this once.

    Raises ValueError if the name is blank.
    """
    name = " ".join(name.split())[:80]
    if not name:
        raise ValueError("Enter a name, so that you know later what uses the token.")
    text = PREFIX + secrets.token_urlsafe(32)
    row = ApiToken.objects.across_teams().create(
        team=team, name=name, digest=_digest(text), hint=text[:8], created_by=user
    )
    return row, text


def of(authorization: str) -> ApiToken | None:
    """Return the token of an Authorization header, `Bearer fl_…`; None for any
    other.
    """
    scheme, _, text = authorization.strip().partition(" ")
    if scheme.lower() != "bearer" or not text.startswith(PREFIX):
        return None
    found = (
        ApiToken.objects.across_teams()
        .filter(digest=_digest(text.strip()))
        .select_related("team")
        .first()
    )
    now = timezone.now()
    if found is not None and (found.used_at is None or now - found.used_at > NOTED_EVERY):
        ApiToken.objects.across_teams().filter(pk=found.pk).update(used_at=now)
    return found


def end_tokens_of(team: Team, user: Any, **_: Any) -> None:
    """Delete the tokens that a person made for a team, when the person's rights in it
    end.
    """
    ApiToken.objects.for_team(team).filter(created_by=user).delete()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
