"""Describe a problem with a source for the page that made the request: what it is, and
what to do next.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Self

from apps.integrations.sources.github.errors import (
    AccessDenied,
    BadCredentials,
    MissingCredentials,
    Overloaded,
    RateLimited,
    TokenRefused,
    Unreachable,
)
from apps.integrations.sources.github.probe import TOKEN_SETTINGS


@dataclass(frozen=True, slots=True)
class ConnectionProblem:
    """A problem with a source, as a page shows it.

    `until` is when it passes by itself, and `url` is the page on which it can be fixed;
    both may be missing.
    """

    what: str
    then: str = ""
    until: datetime | None = None
    url: str = ""

    @classmethod
    def of(cls, error: Exception) -> Self:
        match error:
            case MissingCredentials():
                return cls("No token was given.", "Paste one into the field, then check it.")
            case TokenRefused():
                return cls(str(error))
            case BadCredentials():
                then = "Check that it was copied completely, or create a new one."
                return cls(
                    "GitHub does not accept this token: it is wrong, expired or revoked.",
                    then,
                    None,
                    TOKEN_SETTINGS,
                )
            case RateLimited(is_stated=False):
                return cls(
                    str(error),
                    "The token could not be checked. Try again in a few minutes.",
                )
            case RateLimited(until=until):
                return cls(str(error), "The token could not be checked. Try again after", until)
            case Unreachable():
                return cls(
                    str(error),
                    "Nothing was saved. Try again. If it keeps happening, contact the operator "
                    "of this site.",
                )
            case Overloaded():
                return cls(str(error), "Try again in a minute.")
            case AccessDenied(url=url):
                return cls(str(error), "", None, url)
        return cls(str(error))
