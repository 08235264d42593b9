"""How a token behaves: by its beginning, from one table. Any other token that is not
empty is accepted.

| token          | behavior                                                                                |
|----------------|-----------------------------------------------------------------------------------------|
| `bad…`         | 401 Bad credentials                                                                     |
| `expired…`     | 401 Bad credentials                                                                     |
| `noscope-NAME` | pull requests of the repository NAME are FORBIDDEN; of all of them without a NAME       |
| `sso-NAME`     | the organization's SAML enforcement hides the repository NAME; all of them without one  |
| `ghp_…`        | accepted; a classic token, the only kind whose answers carry `x-oauth-scopes`           |
| `ghp_public…`  | the same without the scope `repo`: private repositories are hidden                      |
| `github_pat_…` | accepted; a fine-grained token, whose answers contain its end date                      |
| `ghs_…`        | accepted; an app's token, which belongs to no user: `GET /user` is 403                  |
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Protocol

from .errors import GitHubError

# The remaining lifetime of a fine-grained token.
LASTS = timedelta(days=30)


class Behavior(Enum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NO_SCOPE = "no scope"
    SSO = "sso"


TABLE = {
    "bad": Behavior.REFUSED,
    "expired": Behavior.REFUSED,
    "noscope": Behavior.NO_SCOPE,
    "sso": Behavior.SSO,
}


class Guarded(Protocol):
    """The properties of a repository that tokens depend on."""

    name_with_owner: str
    is_private: bool


@dataclass(frozen=True)
class Token:
    value: str
    behavior: Behavior
    repository: str = ""

    @property
    def digest(self) -> str:
        """Return the text that the request log shows in place of the token."""
        return hashlib.sha256(self.value.encode()).hexdigest()[:12]

    @property
    def scopes(self) -> str | None:
        if not self.value.startswith("ghp_"):
            return None
        return "public_repo" if self.value.startswith("ghp_public") else "read:org, repo"

    @property
    def expires(self) -> str | None:
        """Return when the token ends, in the form of GitHub's header."""
        if not self.value.startswith("github_pat_"):
            return None
        return f"{datetime.now(UTC) + LASTS:%Y-%m-%d %H:%M:%S UTC}"

    @property
    def of_app(self) -> bool:
        return self.value.startswith("ghs_")

    def lists(self, repository: Guarded) -> bool:
        """Return whether the token's lists contain the repository. Single sign-on and
        scopes leave repositories out without an error.
        """
        if self.scopes == "public_repo" and repository.is_private:
            return False
        hidden = self.behavior is Behavior.SSO and self.refusal(repository.name_with_owner)
        return not hidden

    def refusal(self, name_with_owner: str) -> GitHubError | None:
        """Return why this token may not read the pull requests of a repository; None if
        it may.
        """
        if self.repository not in ("", name_with_owner.partition("/")[2].lower()):
            return None
        if self.behavior is Behavior.NO_SCOPE:
            return GitHubError("FORBIDDEN", "Resource not accessible by personal access token")
        if self.behavior is Behavior.SSO:
            return GitHubError(
                "FORBIDDEN",
                "Resource protected by organization SAML enforcement. "
                "You must grant your Personal Access token access to this organization.",
                {"saml_failure": True},
            )
        return None


def read(authorization: str) -> Token | None:
    """Return the token of an Authorization header (`Bearer …` or `token …`); None if it
    has none.
    """
    scheme, _, value = authorization.strip().partition(" ")
    value = value.strip()
    if scheme.lower() not in ("bearer", "token") or not value:
        return None
    for beginning, behavior in TABLE.items():
        if value.startswith(beginning):
            return Token(
                value, behavior, value.removeprefix(beginning).removeprefix("-").lower()
            )
    return Token(value, Behavior.ACCEPTED)
