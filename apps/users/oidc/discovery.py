"""Read what the provider publishes about itself, and check it before it is used.

It is read again for each sign-in and each check of a session. Both are rare, and so a
key that the provider has withdrawn is never accepted from a cache.
"""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from apps.users.oidc.errors import invalid
from apps.users.oidc.http import Deadline, fetch

_WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The provider's addresses. `userinfo` is empty if it has none."""

    authorization: str
    token: str
    keys: str
    userinfo: str
    # Whether the client's secret travels in the Authorization header.
    basic_auth: bool
    # Whether every answer to the browser names the issuer (RFC 9207).
    names_issuer: bool


def discover(deadline: Deadline) -> Endpoints:
    """Return the provider's addresses.

    Raises OidcError if the provider can't be reached, names another issuer than
    OIDC_ISSUER, or gives an address that is not https (http only if the issuer's own
    address is http).
    """
    issuer = settings.OIDC_ISSUER
    answer = fetch(deadline, "GET", issuer.rstrip("/") + _WELL_KNOWN)
    document = answer.payload
    if answer.status != 200:
        raise invalid(f"discovery has status {answer.status}")
    if document.get("issuer") != issuer:
        raise invalid("the discovery document is of another issuer")
    methods = document.get("token_endpoint_auth_methods_supported")
    # The default of the specification, if nothing is listed, is the header.
    basic_auth = not isinstance(methods, list) or "client_secret_post" not in methods
    return Endpoints(
        authorization=_address(document, "authorization_endpoint"),
        token=_address(document, "token_endpoint"),
        keys=_address(document, "jwks_uri"),
        userinfo=_address(document, "userinfo_endpoint")
        if document.get("userinfo_endpoint")
        else "",
        basic_auth=basic_auth,
        names_issuer=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _address(document: dict[str, Any], name: str) -> str:
    value = document.get(name)
    allowed = ("https",) if settings.OIDC_ISSUER.startswith("https:") else ("https", "http")
    try:
        url = urlsplit(value if isinstance(value, str) else "")
    except ValueError:
        url = urlsplit("")
    if url.scheme not in allowed or not url.hostname:
        raise invalid(f"{name} is no usable address")
    return str(value)
