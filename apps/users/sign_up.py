"""Decide who may create an account: the settings SIGN_UP and SIGN_UP_DOMAINS, for every
way to sign up.

For example, with SIGN_UP=invite and SIGN_UP_DOMAINS=example.com:

    may_sign_up("ada@example.com")                    # False: no invitation
    may_sign_up("ada@example.com", invited=True)      # True
    may_sign_up("ada@eu.example.com", invited=True)   # False: another domain

An invitation belongs to the teams app, which this app does not know. The page of an
invitation stores its id in the visitor's session (`remember_invitation`), and the teams
app registers the function that finds the address of an open invitation
(`set_invitation_lookup`).
"""

from collections.abc import Callable

import idna
from django.conf import settings
from django.http import HttpRequest

INVITATION_SESSION_KEY = "sign_up_invitation"

_lookup: Callable[[int], str | None] = lambda invitation_id: None  # noqa: E731 - replaced by the teams app


def may_sign_up(email: str, *, invited: bool = False) -> bool:
    """Return whether an account may be created for an address.

    Args:
        invited: whether an open invitation to this very address exists. The domains limit
            invited people, too: they name the people whom the installation is for.
    """
    if settings.SIGN_UP == "closed":
        return False
    if settings.SIGN_UP == "invite" and not invited:
        return False
    return not settings.SIGN_UP_DOMAINS or domain_of(email) in settings.SIGN_UP_DOMAINS


def domain_of(email: str) -> str:
    """Return the address's domain in IDNA 2008's ASCII form, "" if it has no valid
    one.
    """
    _, at, domain = email.strip().rpartition("@")
    if not at:
        return ""
    try:
        return idna.encode(domain.lower(), strict=True).decode()
    except idna.IDNAError:
        return ""


def set_invitation_lookup(lookup: Callable[[int], str | None]) -> None:
    """Register the function that returns the address of an open invitation, None for
    any other id.
    """
    global _lookup
    _lookup = lookup


def remember_invitation(request: HttpRequest, invitation_id: int) -> None:
    """Keep the invitation whose link this visitor opened, for the sign-up that
    follows.
    """
    request.session[INVITATION_SESSION_KEY] = invitation_id


def forget_invitation(request: HttpRequest) -> None:
    """Remove the invitation from the visitor's session."""
    request.session.pop(INVITATION_SESSION_KEY, None)


def invited_address(request: HttpRequest) -> str | None:
    """Return the address of the invitation that this visitor opened, if it is still
    open.
    """
    invitation_id = request.session.get(INVITATION_SESSION_KEY)
    if not isinstance(invitation_id, int):
        return None
    return _lookup(invitation_id)


def is_open_for(request: HttpRequest) -> bool:
    """Return whether this visitor can create any account at all."""
    if settings.SIGN_UP == "open":
        return True
    address = invited_address(request)
    return address is not None and may_sign_up(address, invited=True)
