"""What can go wrong between the sync and GitHub. Each message is for users: what
happened, why, and what to do next.

The class shows what a caller may do:

    BadCredentials, MissingCredentials      no request can succeed until the token is replaced
    AccessDenied, NotFound                  this repository cannot be read with this token
    RateLimited                             nothing may be asked before `until`
    Unreachable                             GitHub is away; the same request may succeed later
    Overloaded, BadResponse                 this request failed; a smaller one may succeed

No message contains the token. GitHub's own texts are quoted at most in part. `cause`
and `remedy` are for programs, see `apps.pipelines.remedy`.
"""

from datetime import datetime

from apps.integrations.sources.errors import (
    Away,
    ConnectionProblem,
    CredentialsFailed,
    Limited,
    SourceError,
)
from apps.integrations.sources.github.refusals import Refusal
from apps.pipelines.remedy import Remedy

# GitHub's page on which a user makes and changes tokens.
TOKEN_SETTINGS = "https://github.com/settings/tokens"  # noqa: S105 - an address


class GitHubError(SourceError):
    """Base class. `str()` is shown to users."""

    cause = "github"
    remedy = Remedy.RETRY


class MissingCredentials(GitHubError, CredentialsFailed):
    """There is no token."""

    cause = "token_missing"
    remedy = Remedy.NEW_TOKEN

    def __init__(self) -> None:
        super().__init__(
            "No GitHub token is stored for this team. Connect GitHub with a token, then retry."
        )

    def problem(self) -> ConnectionProblem:
        return ConnectionProblem(
            "No token was given.", "Paste one into the field, then check it."
        )


class BadCredentials(GitHubError, CredentialsFailed):
    """GitHub does not accept the token (HTTP 401)."""

    cause = "token_refused"
    remedy = Remedy.NEW_TOKEN

    def __init__(self, why: str = "it is wrong, expired or revoked") -> None:
        super().__init__(
            f"GitHub does not accept the token: {why}. Connect GitHub with a new token, then retry."
        )

    def problem(self) -> ConnectionProblem:
        return ConnectionProblem(
            "GitHub does not accept this token: it is wrong, expired or revoked.",
            "Check that it was copied completely, or create a new one.",
            url=TOKEN_SETTINGS,
        )


class TokenRefused(BadCredentials):
    """GitHub refuses every request with this token and gives a reason, for example a
    suspended account.
    """

    def __init__(self, message: str, refusal: Refusal) -> None:
        GitHubError.__init__(self, f"GitHub refuses every request: “{message}” {refusal.step}")
        self.cause, self.remedy = refusal.cause, refusal.remedy

    def problem(self) -> ConnectionProblem:
        return ConnectionProblem(str(self))


class AccessDenied(GitHubError):
    """The token is valid, but may not read this.

    `url` is GitHub's page on which the user can grant access, if GitHub names one.
    """

    cause = "access_denied"
    remedy = Remedy.NEW_TOKEN

    def __init__(
        self, message: str, url: str = "", *, cause: str = "", remedy: Remedy | None = None
    ) -> None:
        super().__init__(message)
        self.url = url
        self.cause = cause or self.cause
        self.remedy = remedy or self.remedy

    def problem(self) -> ConnectionProblem:
        return ConnectionProblem(str(self), url=self.url)

    @classmethod
    def single_sign_on(cls, what: str, url: str) -> "AccessDenied":
        what_to_do = (
            f"Authorize it at {url}"
            if url
            else "Authorize it in the token's settings on GitHub (Configure SSO)"
        )
        return cls(
            f"GitHub does not show {what}: its organization asks for single sign-on, and the token is not authorized "
            f"for it. {what_to_do}, then retry.",
            url,
            cause="single_sign_on",
            remedy=Remedy.RETRY,
        )

    @classmethod
    def refused(cls, what: str, message: str, refusal: Refusal) -> "AccessDenied":
        """Return the error with GitHub's reason and the step that helps."""
        text = f"GitHub does not let the token read {what}: “{message}” {refusal.step}"
        return cls(text, cause=refusal.cause, remedy=refusal.remedy)

    @classmethod
    def missing_permission(cls, what: str, permissions: str = "") -> "AccessDenied":
        named = permissions or "read access to pull requests, contents and metadata"
        return cls(
            f"GitHub does not let the token read {what}: it lacks a permission ({named}). Give it that permission, or "
            "connect GitHub with another token, then retry."
        )


class NotFound(GitHubError):
    """The object does not exist, or the token may not see it; GitHub's answer is the
    same for both.
    """

    cause = "not_found"

    @classmethod
    def repository(cls) -> "NotFound":
        """Return the error of one repository.

        It does not contain the repository's name, so that several repositories have one
        reason. Callers add the name.
        """
        return cls(
            "GitHub knows no repository of this name that the token may read: it was renamed or deleted, or the token "
            "has no access to it. Check the name and the token's access, then retry."
        )


class NameTaken(NotFound):
    """This repository cannot be found any more, and another one has its name now."""

    cause = "name_taken"

    def __init__(self, full_name: str) -> None:
        super().__init__(
            f"GitHub now has another repository named {full_name}. The one that was read is gone, "
            "or the token has no access to it. Everything read so far is kept, and not mixed "
            "with the other one. Remove this one, and choose the other one if you need it."
        )


class RepositoryDeleted(NotFound):
    """A repository that GitHub reported as deleted, at `gone_at`."""

    cause = "repository_deleted"
    remedy = Remedy.NONE

    def __init__(self, gone_at: datetime) -> None:
        super().__init__(
            f"The repository was deleted on GitHub ({gone_at:%Y-%m-%d}). Everything read of it is kept. It is read "
            "again if it is restored; otherwise, remove it from the team’s repositories."
        )


class RateLimited(GitHubError, Limited):
    """A limit is reached: the hourly one, or (`secondary`) the one on requests in a
    short time.
    """

    cause = "rate_limit"
    remedy = Remedy.WAIT

    def __init__(
        self, until: datetime, *, secondary: bool = False, is_stated: bool = True
    ) -> None:
        """Pass `is_stated=False` if GitHub named no time, so that `until` is an estimate."""
        words = (
            "GitHub asked for a pause." if secondary else "GitHub's hourly limit is used up."
        )
        super().__init__(words)
        if secondary:
            self.cause = "secondary_limit"
        self.until = until
        self.secondary = secondary
        self.is_stated = is_stated

    def problem(self) -> ConnectionProblem:
        if not self.is_stated:
            then = "The token could not be checked. Try again in a few minutes."
            return ConnectionProblem(str(self), then)
        then = "The token could not be checked. Try again after"
        return ConnectionProblem(str(self), then, self.until)


class Unreachable(GitHubError, Away):
    """No answer came at all."""

    cause = "unreachable"

    def __init__(self, host: str, why: str) -> None:
        super().__init__(
            f"GitHub could not be reached at {host}: {why}. Check the network and the address of GitHub's API."
        )

    def problem(self) -> ConnectionProblem:
        return ConnectionProblem(
            str(self),
            "Nothing was saved. Try again. If it keeps happening, contact the operator "
            "of this site.",
        )


class AnswersNothing(Unreachable):
    """GitHub can't answer even the smallest query. `why` is the result of that query."""

    def __init__(self, host: str, why: str) -> None:
        GitHubError.__init__(
            self,
            f"GitHub at {host} is not answering: {why}. Nothing is lost. Check GitHub's status, "
            "the network, and the address of GitHub's API.",
        )


class Overloaded(GitHubError):
    """GitHub gave up on the request (502, 503, 504, a timeout, a resource limit), or
    its answer was too large.
    """

    cause = "overloaded"

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(
            f"GitHub could not answer in time: {why}. Nothing is lost; retry later."
        )

    def problem(self) -> ConnectionProblem:
        return ConnectionProblem(str(self), "Try again in a minute.")


class BadResponse(GitHubError):
    """The answer is not what GitHub's documentation promises."""

    cause = "bad_response"

    def __init__(self, why: str) -> None:
        self.why = why
        super().__init__(
            f"GitHub's answer could not be used: {why}. Nothing is lost; retry later."
        )


class StaleCursor(BadResponse):
    """GitHub does not accept the position from which a list should continue. The list
    is read from its top.
    """

    def __init__(self) -> None:
        super().__init__("it does not accept the place at which its list should continue")
