"""The link by which a person whose account the operator made chooses a password: it
proves the address, too.
"""

from urllib.parse import urlencode

from allauth.account import app_settings
from allauth.account.utils import user_pk_to_url_str
from allauth.socialaccount.models import SocialAccount
from django.conf import settings
from django.urls import reverse

from apps.mail.addresses import address_or_none
from apps.users.models import User
from apps.users.oidc import config as oidc
from apps.users.proof import has_proven_address


def first_password_link(user: User, next_path: str) -> str | None:
    """Return the absolute link that leads on to `next_path`, None for a person who can
    sign in otherwise.

    It works once, and for PASSWORD_RESET_TIMEOUT seconds (three days). It must go to
    the account's own address only.
    """
    # A person who can sign in already needs no password link.
    if oidc.is_only() or user.has_usable_password() or has_proven_address(user):
        return None
    if SocialAccount.objects.filter(user=user).exists():
        return None
    if address_or_none(user.email) is None:
        # An address from before they were checked: no email reaches it, and allauth
        # would raise for it.
        return None
    token = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
    key = {"uidb36": user_pk_to_url_str(user), "key": token}
    path = reverse("account_reset_password_from_key", kwargs=key)
    return f"{settings.SITE_URL}{path}?{urlencode({'next': next_path})}"
