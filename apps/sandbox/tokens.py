"""How a token behaves: by its beginning, from one table. Any other token that is not empty is accepted.

| token          | behaviour                                                                               |
|----------------|-----------------------------------------------------------------------------------------|
| `bad…`         | 401 Bad credentials                                                                     |
| `expired…`     | 401 Bad credentials                                                                     |
| `noscope-NAME` | pull requests of the repository NAME are FORBIDDEN; of all of them without a NAME       |
| `sso-NAME`     | the organisation's SAML enforcement hides the repository NAME; all of them without one  |
| `ghp_…`        | accepted; a classic token, the only kind whose answers carry `x-oauth-scopes`           |
"""

import hashlib
from dataclasses import dataclass
from enum import Enum

from .errors import GitHubError


class Behaviour(Enum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NO_SCOPE = "no scope"
    SSO = "sso"


TABLE = {
    "bad": Behaviour.REFUSED,
    "expired": Behaviour.REFUSED,
    "noscope": Behaviour.NO_SCOPE,
    "sso": Behaviour.SSO,
}


@dataclass(frozen=True)
class Token:
    value: str
    behaviour: Behaviour
    repository: str = ""

    @property
    def digest(self) -> str:
        """What the request log shows instead of the token."""
        return hashlib.sha256(self.value.encode()).hexdigest()[:12]

    @property
    def scopes(self) -> str | None:
        return "read:org, repo" if self.value.startswith("ghp_") else None

    def refusal(self, name_with_owner: str) -> GitHubError | None:
        """Why this token may not read the pull requests of a repository; None where it may."""
        if self.repository not in ("", name_with_owner.partition("/")[2].lower()):
            return None
        if self.behaviour is Behaviour.NO_SCOPE:
            return GitHubError("FORBIDDEN", "Resource not accessible by personal access token")
        if self.behaviour is Behaviour.SSO:
            return GitHubError(
                "FORBIDDEN",
                "Resource protected by organization SAML enforcement. "
                "You must grant your Personal Access token access to this organization.",
                {"saml_failure": True},
            )
        return None


def read(authorization: str) -> Token | None:
    """The token of an Authorization header (`Bearer …` or `token …`); None where there is none."""
    scheme, _, value = authorization.strip().partition(" ")
    value = value.strip()
    if scheme.lower() not in ("bearer", "token") or not value:
        return None
    for beginning, behaviour in TABLE.items():
        if value.startswith(beginning):
            return Token(value, behaviour, value.removeprefix(beginning).removeprefix("-").lower())
    return Token(value, Behaviour.ACCEPTED)
