"""Read the settings of sign-in through OpenID Connect, as
`OIDC_GROUPS=engineers=acme:member`.

`settings.py` calls one function per variable, so that each setting is assigned in one
place:

    OIDC_ISSUER = oidc_settings.issuer(env)

Mistakes are recorded with `Env.reject`, as for all other settings.
"""

import ipaddress
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.core.validators import validate_slug

from project.env import Env

ROLES = ("owner", "admin", "member")
# The longest time between two checks of a session at the provider, in hours.
MAX_RECHECK_HOURS = 12


def issuer(env: Env) -> str:
    """Return the issuer's URL, exactly as the provider writes it; empty if OpenID
    Connect is off.

    The issuer is compared character by character with the one in each token, so a slash
    at the end is kept. Plain http is accepted only for this machine's own addresses.
    """
    value = env.text("OIDC_ISSUER")
    env.all_or_none("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")
    if value and not _is_issuer(value):
        env.reject(
            "OIDC_ISSUER",
            "the provider's https address without a query, like https://login.example.com/acme",
        )
    return value


def only(env: Env) -> bool:
    """Return whether OpenID Connect is the only way to sign in."""
    value = env.boolean("OIDC_ONLY")
    if value and not env.text("OIDC_ISSUER"):
        env.reject(
            "OIDC_ISSUER",
            "the provider's address, because OIDC_ONLY=1 turns every other sign-in off",
        )
    if value and not env.text("OIDC_DOMAINS"):
        env.reject(
            "OIDC_DOMAINS",
            "the email domains of your people, because OIDC_ONLY=1 lets only them in",
        )
    return value


def groups(env: Env) -> dict[str, list[tuple[str, str]]]:
    """Return, for each group of the provider, the teams (by slug) and roles that it
    gives.

    `engineers=acme:member,leads=acme:admin` becomes `{"engineers": [("acme",
    "member")], "leads": [("acme", "admin")]}`.
    """
    mapping: dict[str, list[tuple[str, str]]] = {}
    for word in env.words("OIDC_GROUPS"):
        # A group's name may contain these characters; a slug and a role do not.
        group, _, target = word.rpartition("=")
        slug, _, role = target.rpartition(":")
        if not group or role not in ROLES or not _is_slug(slug):
            env.reject(
                "OIDC_GROUPS",
                "group=team-slug:role between commas, with the role owner, admin, or member",
            )
            return {}
        mapping.setdefault(group.strip(), []).append((slug, role))
    return mapping


def _is_issuer(value: str) -> bool:
    try:
        url = urlsplit(value)
        _ = url.port
    except ValueError:
        return False
    if not url.hostname or url.query or url.fragment or url.username is not None:
        return False
    return url.scheme == "https" or (url.scheme == "http" and _is_loopback(url.hostname))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_slug(value: str) -> bool:
    try:
        validate_slug(value)
    except ValidationError:
        return False
    return True
