"""The GitHub App of this installation: what it signs, what it asks GitHub, and its
tokens.

A team gets an installation only if GitHub confirms, to the person's own token, that the
person may use it. An installation's tokens last an hour and read what the organization
has granted.
"""

import time
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
from django.conf import settings

from apps.integrations.sources.base import App, Installation
from apps.integrations.sources.github import fields
from apps.integrations.sources.github.client import GitHubClient
from apps.integrations.sources.github.errors import BadResponse, GitHubError, Unreachable
from apps.tls import tls_context

# Seconds. GitHub accepts at most ten minutes, by its own clock.
LASTS, CLOCK_SKEW = 540, 60
TIMEOUT = httpx.Timeout(8.0)
# How many pages of a person's installations are read, a hundred a page.
PAGES = 10


class NotTheirs(GitHubError):
    """GitHub does not list the installation among those that the person may use."""

    def __init__(self) -> None:
        super().__init__(
            "Your GitHub account has no access to this installation of the app. Sign in to "
            "GitHub with an account that has, then install the app again."
        )


def is_configured() -> bool:
    return bool(settings.GITHUB_APP_ID)


def install_url(state: str) -> str:
    return f"{settings.GITHUB_WEB_URL}/apps/{settings.GITHUB_APP_SLUG}/installations/new?{urlencode({'state': state})}"


def authorize_url(state: str) -> str:
    """Return GitHub's page that identifies the user, if the installation did not do so."""
    query = urlencode({"client_id": settings.GITHUB_APP_CLIENT_ID, "state": state})
    return f"{settings.GITHUB_WEB_URL}/login/oauth/authorize?{query}"


def person_token(code: str) -> str:
    """Return the token of the person whom GitHub sent back with this code. Raises
    GitHubError.
    """
    form = {
        "client_id": settings.GITHUB_APP_CLIENT_ID,
        "client_secret": settings.GITHUB_APP_CLIENT_SECRET,
        "code": code,
    }
    address = f"{settings.GITHUB_WEB_URL}/login/oauth/access_token"
    try:
        headers = {"Accept": "application/json"}
        answer = httpx.post(
            address, data=form, headers=headers, timeout=TIMEOUT, verify=tls_context()
        ).json()
    except (httpx.HTTPError, ValueError):
        raise Unreachable("github", "it did not answer who you are; try again") from None
    token = answer.get("access_token") if isinstance(answer, dict) else None
    if not isinstance(token, str) or not token:
        raise BadResponse("it does not know the code any more; install the app again")
    return token


def installation_of(token: str, installation_id: int) -> Installation:
    """Return the installation, as far as the person with this token may use it.

    Raises NotTheirs and other GitHubError.
    """
    with GitHubClient(settings.GITHUB_API_URL, token, timeout=TIMEOUT) as client:
        for page in range(1, PAGES + 1):
            answer = client.get(
                "/user/installations",
                {"per_page": "100", "page": str(page)},
                what="installations",
            )
            rows = answer.get("installations") if isinstance(answer, dict) else None
            if not isinstance(rows, list) or not rows:
                break
            for row in rows:
                if isinstance(row, dict) and row.get("id") == installation_id:
                    account = row.get("account")
                    login = account.get("login") if isinstance(account, dict) else ""
                    return Installation(installation_id, str(login or "")[:100])
    raise NotTheirs


def installation_token(installation_id: int) -> tuple[str, datetime]:
    """Return a new token of the installation, and when it ends. Raises GitHubError."""
    with GitHubClient(settings.GITHUB_API_URL, _signed(), timeout=TIMEOUT) as client:
        answer: Any = client.post(
            f"/app/installations/{installation_id}/access_tokens", what="installation"
        )
    try:
        return fields.text(answer, "token"), fields.moment(answer, "expires_at")
    except (fields.Malformed, AttributeError):
        raise BadResponse("it gave no token for the installation") from None


def _signed() -> str:
    now = int(time.time())
    claims = {"iat": now - CLOCK_SKEW, "exp": now + LASTS, "iss": settings.GITHUB_APP_ID}
    return jwt.encode(claims, settings.GITHUB_APP_PRIVATE_KEY, algorithm="RS256")


class GitHubApp(App):
    """The app as the pages use it."""

    def install_url(self, state: str) -> str:
        return install_url(state)

    def authorize_url(self, state: str) -> str:
        return authorize_url(state)

    def installation(self, code: str, number: int) -> Installation:
        # Anyone can write any number into the address. The user's own token shows
        # whether the installation is one of theirs.
        return installation_of(person_token(code), number)
