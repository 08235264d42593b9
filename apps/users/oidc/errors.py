"""Define why a sign-in through OpenID Connect is refused, and the texts for each
reason.
"""

from dataclasses import dataclass
from enum import Enum

from allauth.socialaccount.providers.oauth2.client import OAuth2Error


@dataclass(frozen=True, slots=True)
class Words:
    """One refusal page: its HTTP status and its texts."""

    status: int
    title: str
    why: str
    next: str


_ASK = "contact the administrator of this installation."
_CONTACT = "Contact the administrator of this installation."


class Reason(Enum):
    """One reason for a refusal."""

    UNREACHABLE = Words(
        503,
        "Your sign-in provider can’t be reached",
        "It did not answer in time, or its answer was unusable.",
        "Try again in a few minutes. An owner of a team who needs access now can ask the administrator of this "
        "installation for a recovery link.",
    )
    INVALID = Words(
        403,
        "Your sign-in could not be verified",
        "The answer of your sign-in provider did not pass the checks, so you are not signed in.",
        f"Start again from the sign-in page. If it happens again, {_ASK}",
    )
    STALE = Words(
        403,
        "This sign-in has expired",
        "It was started in another browser, or too long ago.",
        "Start again from the sign-in page.",
    )
    CANCELLED = Words(
        403,
        "You are not signed in",
        "Your sign-in provider did not let you in, or you canceled there.",
        "Start again from the sign-in page.",
    )
    NO_EMAIL = Words(
        403,
        "Your sign-in provider gave no email address",
        "An account here needs an email address.",
        _CONTACT,
    )
    UNVERIFIED = Words(
        403,
        "Your email address is not verified",
        "Your sign-in provider does not confirm that the address is yours.",
        "Verify the address at your sign-in provider, then sign in again.",
    )
    DOMAIN = Words(
        403,
        "Your email address is not accepted here",
        "Only addresses at the organization’s own domains can sign in.",
        f"Sign in with your work account. If you already did, {_ASK}",
    )
    ACCOUNT_EXISTS = Words(
        403,
        "An account with your email address exists",
        "It is not connected to your sign-in provider, and the provider is not trusted to take it over.",
        "Sign in to the account as before, and connect it there.",
    )
    NO_ACCOUNT = Words(
        403,
        "You have no account here",
        "Your sign-in provider knows you, but new accounts are not created here for you.",
        "Ask a colleague to invite you to a team.",
    )
    GROUPS = Words(
        403,
        "Your groups could not be read",
        "Your sign-in provider did not list all of your groups, so your roles are unknown.",
        _CONTACT,
    )
    ENDED = Words(
        401,
        "Your session has ended",
        "Sessions are checked at your sign-in provider, and this one could not be confirmed.",
        "Sign in again.",
    )
    ONLY = Words(
        403,
        "This way of signing in is off",
        "People sign in here through their organization’s sign-in provider only.",
        "Go to the sign-in page.",
    )


class OidcError(OAuth2Error):  # type: ignore[misc]  # allauth has no types
    """The provider's answer is refused.

    `detail` is for the log, and contains no secret.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(detail or reason.name.lower())
        self.reason = reason
        self.detail = detail


def invalid(detail: str) -> OidcError:
    """Return the error of an answer that does not pass the checks."""
    return OidcError(Reason.INVALID, detail)
