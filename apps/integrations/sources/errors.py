"""What can go wrong between Firstlight and a source. Each message is for users: what
happened, why, and what to do next.

The class shows what the sync does:

    CredentialsFailed     ends the step: no request can succeed before the credentials are replaced
    Limited               waits until a time, then goes on
    Away                  tries again later: the source did not answer
    any other             marks one repository with the error, and goes on with the others

`cause` and `remedy` are for programs, see `apps.pipelines.remedy`.
"""

from dataclasses import dataclass
from datetime import datetime

from apps.pipelines.remedy import Remedy


@dataclass(frozen=True, slots=True)
class ConnectionProblem:
    """A problem with a source, as the page shows it that made the request.

    `until` is when it passes by itself, and `url` is the page of the source on which it
    can be fixed; both may be missing.
    """

    what: str
    then: str = ""
    until: datetime | None = None
    url: str = ""

    @classmethod
    def of(cls, error: Exception) -> "ConnectionProblem":
        """Return the problem of any error; of a source's own the one that it states."""
        if isinstance(error, SourceError):
            return error.problem()
        return cls(str(error))


class SourceError(Exception):
    """Base class of the errors of all sources. `str()` is shown to users."""

    cause = "source"
    remedy = Remedy.RETRY

    def problem(self) -> ConnectionProblem:
        """Return the problem that a page shows for it."""
        return ConnectionProblem(str(self))


class CredentialsFailed(SourceError):
    """The source cannot be read at all with the present credentials."""

    remedy = Remedy.NEW_TOKEN


class Limited(SourceError):
    """Nothing may be asked before `until`."""

    cause = "rate_limit"
    remedy = Remedy.WAIT
    until: datetime


class Away(SourceError):
    """The source does not answer; the same request may succeed later."""

    cause = "unreachable"


class CannotConnect(SourceError):
    """The source cannot be connected or disconnected now; the message has the reason
    and what to do.
    """

    cause = "cannot_connect"
    remedy = Remedy.NONE


class UnknownSource(CannotConnect):
    """This installation has no source of that name."""

    cause = "unknown_source"
    remedy = Remedy.OPERATOR

    def __init__(self) -> None:
        super().__init__("This installation does not have that source. Choose another one.")


class SameRepository(SourceError):
    """Two of the team's names lead to one repository, which would be counted twice."""

    cause = "same_repository"

    def __init__(self, name: str, other: str) -> None:
        super().__init__(
            f"'{name}' is the same repository as '{other}', which the team already tracks. Remove "
            "one."
        )


class InvalidName(ValueError):
    """A name that no repository can have; the message has the expected form."""
