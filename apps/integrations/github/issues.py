"""Errors inside an answer: GraphQL's `errors` list, and HTTP 403 that is no limit."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from apps.integrations.github.errors import (
    AccessDenied,
    BadResponse,
    GitHubError,
    NotFound,
    Overloaded,
    RateLimited,
)
from apps.integrations.github.limits import SECONDARY_WAIT, limit_in

QUOTE_LIMIT = 200
# Types of errors that a smaller query may not meet.
TOO_MUCH = {"RESOURCE_LIMITS_EXCEEDED", "SERVICE_UNAVAILABLE", "MAX_NODE_LIMIT_EXCEEDED", "TIMEOUT"}


def quoted(message: object, token: str) -> str:
    """What GitHub said, in one short line, and never with the token in it."""
    text = " ".join(message.split()) if isinstance(message, str) else ""
    return text.replace(token, "…")[:QUOTE_LIMIT]


@dataclass(frozen=True, slots=True)
class Issue:
    """One entry of `errors`. `path` leads to the field that is null because of it."""

    type: str
    message: str
    path: tuple[str | int, ...] = ()
    single_sign_on: bool = False

    def as_error(self, what: str) -> GitHubError:
        if self.single_sign_on:
            return AccessDenied.single_sign_on(what, "")
        if self.type == "FORBIDDEN":
            return AccessDenied.missing_permission(what)
        if self.type == "NOT_FOUND":
            return NotFound(f"GitHub knows no {what} that the token may read.")
        return BadResponse(f"it says “{self.message}”" if self.message else "it reports an error without words")


def read_issues(answer: Mapping[str, Any], token: str) -> tuple[Issue, ...]:
    """The `errors` of an answer; whatever shape they have, none is lost."""
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
        path=tuple(part for part in path if isinstance(part, str | int)) if isinstance(path, list) else (),
        single_sign_on=extensions.get("saml_failure") is True,
    )


def whole_request_error(issues: Sequence[Issue], headers: Mapping[str, str], what: str) -> GitHubError | None:
    """The error that makes the whole answer unusable, although its status was 200."""
    for issue in issues:
        lowered = issue.message.lower()
        if issue.type in ("RATE_LIMITED", "RATE_LIMIT") or "rate limit" in lowered:
            primary = issue.type.startswith("RATE_LIMIT")
            return limit_in(headers, "", 200) or RateLimited(timezone.now() + SECONDARY_WAIT, secondary=not primary)
        if issue.single_sign_on:
            return denial(headers, "", what, single_sign_on=True)
        # "Something went wrong while executing your query. This may be the result of a timeout" has no type; with a
        # path it is about one field.
        if issue.type in TOO_MUCH or (not issue.path and "something went wrong while executing" in lowered):
            return Overloaded(f"it says “{issue.message}”")
    return None


def denial(headers: Mapping[str, str], message: str, what: str, *, single_sign_on: bool = False) -> AccessDenied:
    """HTTP 403, or GraphQL's FORBIDDEN, that is no limit: single sign-on, or a permission that is missing."""
    header = headers.get("x-github-sso", "")
    if header or single_sign_on or "saml" in message.lower():
        found = re.search(r"url=(https://\S+)", header)
        return AccessDenied.single_sign_on(what, found[1] if found else "")
    return AccessDenied.missing_permission(what, headers.get("x-accepted-github-permissions", ""))
