"""What can go wrong between us and GitHub, in words for the people who see it: what happened, why, what to do next.

The classes say what a caller may do:

    BadCredentials, MissingCredentials      nobody's requests can succeed until the token is replaced
    AccessDenied, NotFound                  this repository cannot be read with this token
    RateLimited                             nothing may be asked before `until`
    Unreachable                             GitHub is away; the same request may succeed later
    Overloaded, BadResponse                 this request failed; a smaller one may succeed

No message contains the token. What GitHub said itself is quoted at most in part.
"""

from datetime import datetime


class GitHubError(Exception):
    """Base class. `str()` is shown to users."""


class MissingCredentials(GitHubError):
    """There is no token."""

    def __init__(self) -> None:
        super().__init__("No GitHub token is stored for this team. Connect GitHub with a token, then retry.")


class BadCredentials(GitHubError):
    """GitHub does not accept the token (HTTP 401)."""

    def __init__(self, why: str = "it is wrong, expired or revoked") -> None:
        super().__init__(f"GitHub does not accept the token: {why}. Connect GitHub with a new token, then retry.")


class AccessDenied(GitHubError):
    """The token is good, but may not read this. `url` is the page that mends it, where GitHub names one."""

    def __init__(self, message: str, url: str = "") -> None:
        super().__init__(message)
        self.url = url

    @classmethod
    def single_sign_on(cls, what: str, url: str) -> "AccessDenied":
        remedy = f"Authorize it at {url}" if url else "Authorize it in the token's settings on GitHub (Configure SSO)"
        return cls(
            f"GitHub does not show {what}: its organization asks for single sign-on, and the token is not authorized "
            f"for it. {remedy}, then retry.",
            url,
        )

    @classmethod
    def missing_permission(cls, what: str, permissions: str = "") -> "AccessDenied":
        named = permissions or "read access to pull requests, contents and metadata"
        return cls(
            f"GitHub does not let the token read {what}: it lacks a permission ({named}). Give it that permission, or "
            "connect GitHub with another token, then retry."
        )


class NotFound(GitHubError):
    """There is no such thing, or the token may not see it; GitHub does not tell the two apart."""

    @classmethod
    def repository(cls, full_name: str) -> "NotFound":
        return cls(
            f"GitHub knows no repository {full_name} that the token may read: it was renamed or deleted, or the token "
            "has no access to it. Check the name and the token's access, then retry."
        )


class RateLimited(GitHubError):
    """A limit is reached: the hourly one, or (`secondary`) the one on requests in a short time."""

    def __init__(self, until: datetime, *, secondary: bool = False, told: bool = True) -> None:
        """`told` is whether GitHub itself named the time."""
        words = "GitHub asks to slow down." if secondary else "GitHub's hourly limit is used up."
        super().__init__(words)
        self.until = until
        self.secondary = secondary
        self.told = told


class Unreachable(GitHubError):
    """No answer came at all."""

    def __init__(self, host: str, why: str) -> None:
        super().__init__(f"GitHub could not be reached at {host}: {why}. Check the network and GITHUB_API_URL.")


class Overloaded(GitHubError):
    """GitHub gave up on the request (502, 503, 504, a timeout, a resource limit), or its answer was too large."""

    def __init__(self, why: str) -> None:
        super().__init__(f"GitHub could not answer in time: {why}. Nothing is lost; retry later.")


class BadResponse(GitHubError):
    """The answer is not what GitHub's documentation promises."""

    def __init__(self, why: str) -> None:
        super().__init__(f"GitHub's answer could not be used: {why}. Nothing is lost; retry later.")


class SameRepository(GitHubError):
    """Two names of the team's lead to one repository, which would be counted twice."""

    def __init__(self, name: str, other: str) -> None:
        super().__init__(f"'{name}' is the same repository as '{other}', which the team follows already. Remove one.")
