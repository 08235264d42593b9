"""Errors inside an answer: GraphQL's `errors` list, and HTTP 403 that is no limit."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from apps.integrations.sources.github.errors import (
    AccessDenied,
    BadResponse,
    GitHubError,
    NotFound,
    Overloaded,
    RateLimited,
    StaleCursor,
    TokenRefused,
)
from apps.integrations.sources.github.limits import SECONDARY_WAIT, limit_in, names_limit
from apps.integrations.sources.github.refusals import known_refusal, refusal_of
from apps.masking import storable

# The most characters of GitHub's text that are quoted. Its longest known sentence on a
# refusal has 280.
QUOTE_LIMIT = 300
LONGEST_MESSAGE = 10_000
# No source has shorter tokens. A token of one letter would be masked in every word.
SHORTEST_TOKEN = 8
_SIGN_ON_PAGE = re.compile(r"url=(https://\S+)")
# Types of errors by which GitHub refuses a field.
REFUSALS = {"FORBIDDEN", "INSUFFICIENT_SCOPES"}
# Types of errors that a smaller query may avoid.
TOO_MUCH = {
    "RESOURCE_LIMITS_EXCEEDED",
    "SERVICE_UNAVAILABLE",
    "MAX_NODE_LIMIT_EXCEEDED",
    "TIMEOUT",
}


def quoted(message: object, token: str) -> str:
    """Return GitHub's message in one short line, masked, and without the token."""
    if not isinstance(message, str):
        return ""
    ahead = message[:LONGEST_MESSAGE]
    if len(token) >= SHORTEST_TOKEN:
        ahead = ahead.replace(token, "…")
    return storable(" ".join(ahead.split()), QUOTE_LIMIT)


@dataclass(frozen=True, slots=True)
class Issue:
    """One entry of `errors`. `path` leads to the field that is null because of it."""

    type: str
    message: str
    path: tuple[str | int, ...] = ()
    single_sign_on: bool = False

    @property
    def is_refusal(self) -> bool:
        """Return whether GitHub refuses the field, by the type or by its own words."""
        if self.type == "NOT_FOUND":
            return False
        return (
            self.single_sign_on
            or self.type in REFUSALS
            or known_refusal(self.message) is not None
        )

    def as_error(self, what: str) -> GitHubError:
        if self.is_refusal:
            return denial(
                {}, self.message, what, kind=self.type, single_sign_on=self.single_sign_on
            )
        if self.type == "INVALID_CURSOR_ARGUMENTS":
            return StaleCursor()
        if self.type == "NOT_FOUND":
            return NotFound(f"GitHub knows no {what} that the token may read.")
        return BadResponse(
            f"it reports “{self.message}”"
            if self.message
            else "it reports an error without a message"
        )


def read_issues(answer: Mapping[str, Any], token: str) -> tuple[Issue, ...]:
    """Return the `errors` of an answer. None is lost, even if GitHub changes their
    form.
    """
    entries = answer.get("errors")
    if entries is None:
        return ()
    if not isinstance(entries, list):
        return (Issue("", quoted(str(entries), token)),)
    return tuple(_issue(entry, token) for entry in entries)


def _issue(entry: object, token: str) -> Issue:
    if not isinstance(entry, dict):
        return Issue("", quoted(str(entry), token))
    extensions = entry.get("extensions")
    if not isinstance(extensions, dict):
        extensions = {}
    path = entry.get("path")
    return Issue(
        type=str(entry.get("type") or extensions.get("code") or ""),
        message=quoted(entry.get("message"), token),
        path=tuple(part for part in path if isinstance(part, str | int))
        if isinstance(path, list)
        else (),
        single_sign_on=extensions.get("saml_failure") is True,
    )


def whole_request_error(
    issues: Sequence[Issue], headers: Mapping[str, str], what: str
) -> GitHubError | None:
    """Return the error that makes the whole answer unusable, although its status was
    200.
    """
    for issue in issues:
        lowered = issue.message.lower()
        if issue.type in ("RATE_LIMITED", "RATE_LIMIT") or names_limit(issue.message):
            primary = issue.type.startswith("RATE_LIMIT")
            return limit_in(headers, "", 200) or RateLimited(
                timezone.now() + SECONDARY_WAIT, secondary=not primary
            )
        if issue.single_sign_on:
            return denial(headers, "", what, single_sign_on=True)
        if issue.is_refusal:
            refused = denial(headers, issue.message, what, kind=issue.type)
            if isinstance(refused, TokenRefused):
                return refused
        # "Something went wrong while executing your query. This may be the result of a
        # timeout" has no type; with a path it is about one field.
        if issue.type in TOO_MUCH or (
            not issue.path and "something went wrong while executing" in lowered
        ):
            return Overloaded(f"it reports “{issue.message}”")
    return None


def denial(
    headers: Mapping[str, str],
    message: str,
    what: str,
    *,
    kind: str = "",
    single_sign_on: bool = False,
) -> AccessDenied | TokenRefused:
    """Return the error of a refusal that is no limit, with GitHub's reason.

    `kind` is the type of GraphQL's error, or what `refusals` distinguishes of HTTP 403
    and 451.
    """
    header = headers.get("x-github-sso", "")
    if header.startswith("required") or single_sign_on or "saml" in message.lower():
        found = _SIGN_ON_PAGE.search(header)
        return AccessDenied.single_sign_on(what, found[1] if found else "")
    refusal = refusal_of(kind, message)
    if refusal is None:
        return AccessDenied.missing_permission(
            what, headers.get("x-accepted-github-permissions", "")
        )
    if refusal.of_token:
        return TokenRefused(message, refusal)
    return AccessDenied.refused(what, message, refusal)
