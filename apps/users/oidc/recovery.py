"""Make links that let an owner in while the provider is down. `manage.py recovery_link`
prints them.

A link is valid once, for 15 minutes. Opening it only shows a button; a POST signs in,
so that a preview by an email program does not use it up. The session lasts an hour. A
second factor, if the person has one, is still required. Each link is a row that stays
(`RecoveryLink`).
"""

import getpass
import hashlib
import logging
import secrets
import socket
import time
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from apps.users.models import User
from apps.users.oidc_models import RecoveryLink

logger = logging.getLogger(__name__)

LINK_LASTS = timedelta(minutes=15)
SESSION_LASTS = timedelta(hours=1)
# The end of a recovery session, in seconds since 1970.
KEY = "recovery_until"


def make(user: User) -> tuple[RecoveryLink, str]:
    """Create a link for the user. Return its row and its address, which is not kept."""
    token = secrets.token_urlsafe(32)
    now = timezone.now()
    link = RecoveryLink.objects.create(
        token_hash=_hash(token),
        user=user,
        email=user.email,
        made_by=_operator()[:100],
        made_on=socket.gethostname()[:255],
        created_at=now,
        expires_at=now + LINK_LASTS,
    )
    logger.warning(
        "Recovery link %s for user %s was made by %s on %s",
        link.pk,
        user.pk,
        link.made_by,
        link.made_on,
    )
    return link, settings.SITE_URL + reverse("users:recover", args=[token])


def find(token: str) -> RecoveryLink | None:
    """Return the link of a token if it is still good."""
    links = RecoveryLink.objects.filter(
        token_hash=_hash(token), used_at=None, user__is_active=True
    )
    return links.filter(expires_at__gt=timezone.now()).select_related("user").first()


def redeem(link: RecoveryLink, address: str) -> bool:
    """Use the link up; False if another request did so first.

    `address` is the visitor's.
    """
    now = timezone.now()
    open_link = RecoveryLink.objects.filter(pk=link.pk, used_at=None, expires_at__gt=now)
    # The update decides between two requests at once: only one of them finds an unused
    # link.
    if not open_link.update(used_at=now, used_from=address or None):
        return False
    logger.warning(
        "Recovery link %s for user %s was used from %s",
        link.pk,
        link.user_id,
        address or "unknown",
    )
    return True


def bind(request: HttpRequest, link_id: int) -> None:
    """Make a session that has just begun one of a recovery link, with its early end."""
    request.session[KEY] = time.time() + SESSION_LASTS.total_seconds()
    request.session.set_expiry(timezone.now() + SESSION_LASTS)
    logger.warning("Recovery link %s: signed in", link_id)


def is_current(session: Any) -> bool:
    """Return whether a session began with a recovery link, and its hour is not over."""
    until = session.get(KEY)
    return isinstance(until, (int, float)) and time.time() < until


def _operator() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
