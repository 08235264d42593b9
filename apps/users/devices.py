"""Recognize browsers in which a person has signed in before, by a signed cookie.

They are exempt from the limit of wrong passwords for a whole account, so that an attack
from many IP addresses does not keep the owner out. The cookie is no proof of identity:
it does not sign a person in.
"""

from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from apps.users.models import User

COOKIE = "known_device"
LASTS = timedelta(days=180)
_SALT = "apps.users.devices"


def remember_device(response: HttpResponse, user: User) -> None:
    """Let this browser be known as one of the user's."""
    response.set_cookie(
        COOKIE,
        # The address, because only that is known when a password is checked.
        signing.dumps(user.email.lower(), salt=_SALT),
        max_age=LASTS,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def is_known_device(request: HttpRequest, email: str) -> bool:
    """Return whether the browser signed in to the account of `email` within `LASTS`."""
    try:
        known = signing.loads(request.COOKIES.get(COOKIE, ""), salt=_SALT, max_age=LASTS)
    except signing.BadSignature:
        return False
    return bool(known == email)
