"""The operator's settings of OpenID Connect, read at each use."""

import hashlib

from allauth.socialaccount.models import SocialApp
from django.conf import settings

from apps.users.sign_up import domain_of

PROVIDER = "openid_connect"
# What the stored names of providers begin with.
ID_PREFIX = "oidc-"


def is_on() -> bool:
    """Return whether people can sign in through OpenID Connect."""
    return bool(settings.OIDC_ISSUER)


def is_only() -> bool:
    """Return whether OpenID Connect is the only way to sign in."""
    return bool(settings.OIDC_ISSUER and settings.OIDC_ONLY)


def provider_id() -> str:
    """Return the name under which accounts of the present issuer are stored.

    A subject is unique within its issuer only. With the issuer in the name, no account
    of another issuer's person is found after OIDC_ISSUER was changed.
    """
    return ID_PREFIX + hashlib.sha256(settings.OIDC_ISSUER.encode()).hexdigest()[:16]


def social_app() -> SocialApp:
    """Return the settings as the row that allauth's provider works with.

    It is never saved.
    """
    return SocialApp(
        provider=PROVIDER,
        provider_id=provider_id(),
        name=settings.OIDC_NAME,
        client_id=settings.OIDC_CLIENT_ID,
        secret=settings.OIDC_CLIENT_SECRET,
        settings={"server_url": settings.OIDC_ISSUER, "oauth_pkce_enabled": True},
    )


def has_vouched_domain(email: str) -> bool:
    """Return whether the operator lists the address's domain, and so trusts the
    provider with it.
    """
    return domain_of(email) in settings.OIDC_DOMAINS


def lets_in(email: str) -> bool:
    """Return whether a person with this address may sign in at all."""
    return not settings.OIDC_DOMAINS or has_vouched_domain(email)
