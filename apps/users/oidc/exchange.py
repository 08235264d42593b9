"""Exchange a code or a refresh token for tokens, and return the verified identity."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings

from apps.users.oidc import identity, tokens
from apps.users.oidc.discovery import Endpoints, discover
from apps.users.oidc.errors import invalid
from apps.users.oidc.http import Deadline, fetch
from apps.users.oidc.identity import Identity

# A refresh token of more characters is no longer kept; the session is checked by a
# visit then.
MAX_REFRESH_TOKEN = 8192


@dataclass(frozen=True, slots=True)
class Grant:
    """What the provider granted: who it is, and the token for the next check ("" for
    none).
    """

    identity: Identity
    refresh_token: str


def ask_for_tokens(
    deadline: Deadline, endpoints: Endpoints, grant: Mapping[str, str]
) -> dict[str, Any]:
    """Return the token endpoint's answer. Raises OidcError."""
    data = {name: value for name, value in grant.items() if value}
    auth = None
    if endpoints.basic_auth:
        auth = (settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET)
    else:
        data |= {
            "client_id": settings.OIDC_CLIENT_ID,
            "client_secret": settings.OIDC_CLIENT_SECRET,
        }
    answer = fetch(deadline, "POST", endpoints.token, data=data, auth=auth)
    if answer.status != 200:
        code = answer.payload.get("error")
        raise invalid(
            f"the token endpoint refuses with status {answer.status} ({str(code)[:40]})"
        )
    if (
        not isinstance(answer.payload.get("access_token"), str)
        or not answer.payload["access_token"]
    ):
        raise invalid("there is no access token")
    return answer.payload


def verify_answer(
    deadline: Deadline,
    endpoints: Endpoints,
    answer: Mapping[str, Any],
    *,
    nonce: str | None,
    subject: str = "",
) -> Grant:
    """Return the verified identity of a token endpoint's answer.

    `nonce` is that of the authorization request. A refresh has None and the `subject`
    that signed in: its answer may lack an ID token, and has to be about the same
    person. Raises OidcError.
    """
    access_token = answer["access_token"]
    id_claims = None
    if nonce is not None or answer.get("id_token") is not None:
        id_claims = tokens.verify(
            answer.get("id_token"),
            issuer=settings.OIDC_ISSUER,
            client_id=settings.OIDC_CLIENT_ID,
            fetch_keys=partial(_fetch_keys, deadline, endpoints),
            nonce=nonce,
            access_token=access_token,
        )
    userinfo = _fetch_userinfo(deadline, endpoints, access_token)
    if id_claims is None and userinfo is None:
        raise invalid("the refresh gave neither an ID token nor user information")
    expected = subject or (id_claims or {}).get("sub", "")
    found = identity.read(id_claims, userinfo, expected)
    refresh_token = answer.get("refresh_token")
    if not isinstance(refresh_token, str) or len(refresh_token) > MAX_REFRESH_TOKEN:
        refresh_token = ""
    return Grant(found, refresh_token)


def refresh(refresh_token: str, subject: str) -> Grant:
    """Ask the provider whether a person's session still holds, and return their present
    identity.

    Raises OidcError: UNREACHABLE if the provider can't be asked, and another reason if
    it refuses.
    """
    deadline = Deadline()
    endpoints = discover(deadline)
    answer = ask_for_tokens(
        deadline, endpoints, {"grant_type": "refresh_token", "refresh_token": refresh_token}
    )
    return verify_answer(deadline, endpoints, answer, nonce=None, subject=subject)


def _fetch_keys(deadline: Deadline, endpoints: Endpoints) -> dict[str, Any]:
    answer = fetch(deadline, "GET", endpoints.keys)
    if answer.status != 200:
        raise invalid(f"the key set has status {answer.status}")
    return answer.payload


def _fetch_userinfo(
    deadline: Deadline, endpoints: Endpoints, access_token: str
) -> dict[str, Any] | None:
    if not endpoints.userinfo:
        return None
    answer = fetch(deadline, "GET", endpoints.userinfo, bearer=access_token)
    if answer.status != 200:
        raise invalid(f"the userinfo endpoint refuses with status {answer.status}")
    return answer.payload
