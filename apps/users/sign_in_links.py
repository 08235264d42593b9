"""Make links that sign a person in once, without a password: for the demo, and for a
terminal in development.

A link is signed and short-lived, and it contains the time of the person's last sign-in:
the next sign-in, by the link or otherwise, makes it invalid. It replaces every other
proof of identity, so it works only while DEBUG is on.
"""

from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme, urlencode

from apps.users.models import User

MAX_AGE = timedelta(hours=1)
_SALT = "apps.users.sign_in_links"


class LinkRefused(Exception):
    """Raised if a link does not sign its user in.

    `user_id` is the user of the link, or None if it is unknown.
    """

    def __init__(self, user_id: int | None = None) -> None:
        super().__init__("This sign-in link was already used or has expired.")
        self.user_id = user_id


def is_inside(path: str) -> bool:
    """Return whether an address may follow a sign-in: only a path of this site."""
    return path.startswith("/") and url_has_allowed_host_and_scheme(path, allowed_hosts=None)


def make_link(user: User, next_path: str = "") -> str:
    """Return the absolute address that signs `user` in once and goes on to `next_path`.

    Raises ValueError for other sites.
    """
    if next_path and not is_inside(next_path):
        raise ValueError(f"{next_path!r} is no path of this site.")
    token = signing.dumps([user.pk, _nonce(user)], salt=_SALT)
    query = f"?{urlencode({'next': next_path})}" if next_path else ""
    return f"{settings.SITE_URL}{reverse('users:sign_in_link', args=[token])}{query}"


def redeem(token: str) -> User:
    """Use up a link, and return the user whom it signs in.

    Raises LinkRefused. Of two calls at once, one raises it.
    """
    try:
        user_id, nonce = signing.loads(token, salt=_SALT, max_age=MAX_AGE)
    except signing.BadSignature:
        raise LinkRefused from None
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is None or _nonce(user) != nonce:
        raise LinkRefused(user_id)
    now = timezone.now()
    if not User.objects.filter(pk=user.pk, is_active=True, last_login=user.last_login).update(
        last_login=now
    ):
        raise LinkRefused(user_id)
    user.last_login = now
    return user


def _nonce(user: User) -> int:
    """Return the time of the last sign-in in microseconds; 0 if there is none."""
    return round(user.last_login.timestamp() * 1_000_000) if user.last_login else 0
