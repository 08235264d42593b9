"""Find out what a token can read, by asking GitHub. The form of the token is never
used, because GitHub changes it.

The probe asks who the token belongs to, which repositories it lists, and whether the
pull requests of the newest of them can be read as the sync will read them. It runs
inside a web request, so timeouts are short, and at most three requests are made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx

from apps.integrations.sources.base import Found, Listed, Listing
from apps.integrations.sources.github.client import Answer, GitHubClient
from apps.integrations.sources.github.errors import (
    TOKEN_SETTINGS,
    AccessDenied,
    GitHubError,
    NotFound,
)
from apps.integrations.sources.github.issues import Issue
from apps.integrations.sources.github.listing import Page, read_page
from apps.integrations.sources.github.queries import probe as probe_document

TIMEOUT = httpx.Timeout(5.0)
REQUEST_SECONDS = 8.0
# How many repositories are tried. Few are enough, because a fine-grained token has one
# set of permissions for all repositories of an owner.
TRIED = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """A token that can read something.

    `scopes` is None for all but classic tokens; `notes` lists what the token cannot
    read.
    """

    login: str
    of_app: bool
    scopes: list[str] | None
    expires_at: datetime | None
    notes: list[str]
    page: Page

    @property
    def private(self) -> int:
        return sum(listed["private"] for listed in self.page.repositories)

    def as_found(self) -> Found:
        """Return it in the form of all sources."""
        return Found(
            Listing(self.page.repositories, self.page.next),
            login=self.login,
            of_app=self.of_app,
            scopes=self.scopes,
            notes=self.notes,
            expires_at=self.expires_at,
        )


def probe(base_url: str, token: str) -> Finding:
    """Ask GitHub what the token can read. Raises GitHubError if it can read nothing."""
    with GitHubClient(
        base_url, token, timeout=TIMEOUT, request_seconds=REQUEST_SECONDS
    ) as client:
        viewer = _viewer(client)
        # GitHub lists an installation's repositories at another address than a user's.
        page = read_page(client, 1, of_app=viewer is None)
        headers = viewer.headers if viewer else page.headers
        scopes = _scopes(headers)
        if not page.repositories:
            raise _nothing(scopes, page.headers)
        notes = [
            *_hidden(scopes, page.headers),
            *_unreadable(client, _to_try(page.repositories)),
        ]
    login = viewer.data.get("login") if viewer and isinstance(viewer.data, dict) else ""
    return Finding(
        str(login or "")[:100], viewer is None, scopes, _expiry(headers), notes, page
    )


def _viewer(client: GitHubClient) -> Answer | None:
    """Return GitHub's answer about the token's owner; None for the token of an app's
    installation, which no person owns.
    """
    try:
        return client.answer("/user", what="account")
    except AccessDenied as denied:
        if denied.cause != AccessDenied.cause:
            # GitHub gave another reason than that the token is no user's.
            raise
        return None


def _scopes(headers: Mapping[str, str]) -> list[str] | None:
    text = headers.get("x-oauth-scopes")
    return (
        None if text is None else [scope for part in text.split(",") if (scope := part.strip())]
    )


def _expiry(headers: Mapping[str, str]) -> datetime | None:
    """Return the time in `2026-12-24 10:00:00 UTC`, or with an offset in place of UTC;
    None if the header is missing or has another form.
    """
    text = headers.get("github-authentication-token-expiration", "").replace("UTC", "+0000")
    try:
        return datetime.strptime(text, "%Y-%m-%d %H:%M:%S %z").astimezone(UTC)
    except ValueError:
        return None


def _nothing(scopes: list[str] | None, headers: Mapping[str, str]) -> AccessDenied:
    if "partial-results" in headers.get("x-github-sso", ""):
        return AccessDenied.single_sign_on("any repository", "")
    if scopes is not None and "repo" not in scopes:
        return AccessDenied(
            f"GitHub accepts the token, but lists no repository for it: it lacks the scope “repo”. Add it at "
            f"{TOKEN_SETTINGS}, then check the token again.",
            TOKEN_SETTINGS,
        )
    return AccessDenied(
        "GitHub accepts the token, but lists no repository for it. Give it access to repositories (fine-grained: "
        "“Repository access”, with the organization as its resource owner), then check it again."
    )


def _hidden(scopes: list[str] | None, headers: Mapping[str, str]) -> list[str]:
    """Return notes about what GitHub's lists leave out without an error."""
    notes = []
    if scopes is not None and "repo" not in scopes:
        notes.append(
            "The token cannot see private repositories: it lacks the scope “repo”. Add it on "
            "GitHub and check the token again, or continue with the public ones."
        )
    if "partial-results" in (sso := headers.get("x-github-sso", "")):
        count = len(
            [part for part in sso.partition("organizations=")[2].split(",") if part.strip()]
        )
        words = f"{count} organizations hide" if count > 1 else "An organization hides"
        notes.append(
            f"{words} repositories until the token is authorized for single sign-on: on GitHub, "
            "in the token's settings, “Configure SSO”. Then check the token again, or continue "
            "without them."
        )
    return notes


def _to_try(repositories: Sequence[Listed]) -> list[Listed]:
    """Return those to try, the private ones first: public repositories need no
    permission.
    """
    return sorted(repositories, key=lambda listed: not listed["private"])[:TRIED]


def _unreadable(client: GitHubClient, tried: Sequence[Listed]) -> list[str]:
    """Return one note for each reason why some of them can't be read.

    Raises GitHubError if none can be read.
    """
    variables: dict[str, str] = {}
    for number, listed in enumerate(tried):
        owner, _, name = listed["name"].partition("/")
        variables |= {f"owner{number}": owner, f"name{number}": name}
    reply = client.graphql(probe_document(len(tried)), variables, what=tried[0]["name"])
    reasons: list[GitHubError] = []
    denied: dict[str, str] = {}
    refused: set[str] = set()
    for number, listed in enumerate(tried):
        name = listed["name"]
        issues = [issue for issue in reply.issues if issue.path[:1] == (f"r{number}",)]
        errors = _refusals(issues, name)
        reasons += errors
        if errors:
            refused.add(name)
        if lacking := _lacking([issue for issue in issues if not _refusals([issue], name)]):
            denied[name] = lacking
    readable = len(tried) - len(refused | set(denied))
    if reasons and not denied and not readable:
        raise reasons[0]
    permissions = " and ".join(sorted(set(denied.values())))
    if denied and not readable:
        lacks = (
            f"The token cannot read pull requests: it lacks {permissions}. Give it that permission on GitHub and check "
            "it again, or use another token."
        )
        raise AccessDenied(" ".join([*dict.fromkeys(map(str, reasons)), lacks]))
    notes = list(dict.fromkeys(map(str, reasons)))
    if denied:
        names = ", ".join(denied)
        notes.append(
            f"The token lacks {permissions} for {names}. Give it that permission, or leave these out."
        )
    return notes


def _refusals(issues: Sequence[Issue], name: str) -> list[GitHubError]:
    """Return GitHub's reasons to refuse a repository, one of each kind, without missing
    permissions.
    """
    found: dict[str, GitHubError] = {}
    for issue in issues:
        error = issue.as_error(name)
        if issue.is_refusal and error.cause != AccessDenied.cause:
            found.setdefault(error.cause, error)
    return list(found.values())


def _lacking(issues: Sequence[Issue]) -> str:
    """Return the permission that a repository's issues name; empty if there are none."""
    if not issues:
        return ""
    return next((words for issue in issues if (words := _permission(issue))), "access to it")


def _permission(issue: Issue) -> str:
    if isinstance(issue.as_error("it"), NotFound):
        return ""
    return "“Contents: read”" if "commits" in issue.path else "“Pull requests: read”"
