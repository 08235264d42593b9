"""Decide who may sign in through the provider, and to which account.

1. The address has to be there, verified, and at one of OIDC_DOMAINS if these are set.
2. A known subject gets its account.
3. An existing account with the address is taken over only if the operator vouches for
   the domain (OIDC_DOMAINS). What was put into an account that never proved its address
   is dropped first.
4. Otherwise a new account is created, if sign-up allows one. A listed domain, or a
   group that OIDC_GROUPS names, counts as an invitation.
"""

from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.models import SocialLogin
from allauth.socialaccount.providers.base.constants import AuthProcess
from django.db import transaction
from django.http import HttpRequest, HttpResponseRedirect
from django.shortcuts import resolve_url

from apps.users.models import User
from apps.users.oidc import config, sessions
from apps.users.oidc.errors import OidcError, Reason
from apps.users.oidc.exchange import Grant
from apps.users.oidc.identity import Identity
from apps.users.oidc_models import OidcSession
from apps.users.proof import is_unproven, prove
from apps.users.sign_up import may_sign_up

# The session key under which a sign-in keeps the key of its OidcSession until it is
# complete.
STATE = "oidc_session"
# Set when the browser was sent to the provider for a check of its session.
RECHECK = "oidc_recheck"


def admit(request: HttpRequest, login: SocialLogin) -> None:
    """Prepare a verified sign-in, or refuse it.

    Raises OidcError, or ImmediateHttpResponse after the check of a session.
    """
    grant: Grant | None = getattr(login, "oidc_grant", None)
    if grant is None:
        raise OidcError(Reason.STALE, "the sign-in has no grant")
    sessions.ensure_admitted(grant)
    if row_id := login.state.get(RECHECK):
        _confirm(request, login, grant, row_id)
    if login.state.get("process") == AuthProcess.CONNECT:
        return
    if not login.is_existing:
        _find_account(request, login, grant.identity)
    login.state[STATE] = str(sessions.start(grant).pk)


def _confirm(request: HttpRequest, login: SocialLogin, grant: Grant, row_id: str) -> None:
    """Record the check of a session, and return to the page that it interrupted."""
    row = (
        OidcSession.objects.filter(pk=row_id, user=request.user.pk)
        .select_related("user")
        .first()
    )
    if row is None or not sessions.confirm_by_visit(row, grant):
        raise OidcError(Reason.ENDED, "the check of a session was answered for another person")
    raise ImmediateHttpResponse(
        HttpResponseRedirect(login.state.get("next") or resolve_url("/"))
    )


def _find_account(request: HttpRequest, login: SocialLogin, identity: Identity) -> None:
    user = _account_with(identity.email)
    if user is None:
        # The operator has listed the domain or one of the person's groups, which is an
        # invitation.
        invited = config.has_vouched_domain(identity.email) or bool(identity.groups)
        if not may_sign_up(identity.email, invited=invited):
            raise OidcError(Reason.NO_ACCOUNT, "sign-up is not open for the address")
        return
    if not config.has_vouched_domain(identity.email):
        raise OidcError(
            Reason.ACCOUNT_EXISTS,
            "an account with the address exists, and its domain is not listed",
        )
    with transaction.atomic():
        _prove(user, identity.email)
        login.connect(request, user)


def _account_with(email: str) -> User | None:
    user = User.objects.filter(email__iexact=email).first()
    if user is not None:
        return user
    address = (
        EmailAddress.objects.filter(email__iexact=email, verified=True)
        .select_related("user")
        .first()
    )
    return address.user if address else None


def _prove(user: User, email: str) -> None:
    """Record that the provider proved the account's own address."""
    if user.email.lower() != email.lower():
        return  # a second address, which is confirmed already
    if is_unproven(user):
        user.set_unusable_password()  # a stranger may have chosen it
    prove(user, trusts_past=False)
