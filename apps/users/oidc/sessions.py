"""Keep sessions that began at the provider, and check each of them there again.

    start(identity) -> row          the provider confirmed a person
    bind(request, user, row id)     the sign-in is complete
    check(request) -> Verdict       by the middleware, for each request
    is_current(session, user)       by the check of the streams, while a stream is open

A session is checked when its last check is OIDC_RECHECK_HOURS old, and never lives for
more than MAX_AGE after a successful one.
"""

import logging
import time
from datetime import timedelta
from enum import Enum
from typing import Any

from django.conf import settings
from django.contrib.auth import logout
from django.db import transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone

from apps.users.models import User
from apps.users.oidc import config, exchange, recovery
from apps.users.oidc.encryption import seal, unseal
from apps.users.oidc.errors import OidcError, Reason
from apps.users.oidc.exchange import Grant
from apps.users.oidc.signals import identity_confirmed
from apps.users.oidc_models import OidcSession

logger = logging.getLogger(__name__)

KEY = "oidc_session"
MAX_AGE = timedelta(hours=12)
# How long a claim on a check lasts, and how soon after a failed check the next one is
# made.
CLAIM = timedelta(seconds=30)
# How long a request waits for the check that another request of the same session makes.
WAIT_SECONDS = 8.0
# A sign-in that is not completed within this time is forgotten, and so is a session of
# no use.
UNBOUND = timedelta(hours=1)
FORGOTTEN = timedelta(days=30)


class Verdict(Enum):
    """What happens next with a request of a session."""

    VALID = "valid"
    # The browser has to visit the provider, which answers without a page (prompt=none).
    VISIT = "visit"
    ENDED = "ended"
    UNREACHABLE = "unreachable"


def start(grant: Grant) -> OidcSession:
    """Create the row of a sign-in that the provider has just confirmed."""
    now = timezone.now()
    # Each sign-in also removes rows that are of no use any more, so no task has to.
    unbound = Q(user=None, checked_at__lt=now - UNBOUND)
    OidcSession.objects.filter(unbound | Q(checked_at__lt=now - FORGOTTEN)).delete()
    return OidcSession.objects.create(
        subject=grant.identity.subject,
        refresh_token=seal(grant.refresh_token),
        groups=sorted(grant.identity.groups or ()),
        checked_at=now,
    )


def bind(request: HttpRequest, user: User, row_id: str) -> None:
    """Complete a sign-in: the session is the user's from now on, and the roles follow
    the groups.
    """
    with transaction.atomic():
        # A row can be bound once: a second sign-in can't take it over.
        if not OidcSession.objects.filter(pk=row_id, user=None).update(user=user):
            return
        row = OidcSession.objects.get(pk=row_id)
        identity_confirmed.send(sender=OidcSession, user=user, groups=frozenset(row.groups))
    request.session[KEY] = str(row.pk)


def end(request: HttpRequest) -> None:
    """Forget the provider's session; the browser's own session is the caller's to
    end.
    """
    if row_id := request.session.get(KEY):
        OidcSession.objects.filter(pk=row_id).delete()


def end_with_logout(request: HttpRequest) -> None:
    """End the provider's session and the browser's."""
    end(request)
    logout(request)


def is_current(session: Any, user: Any) -> bool:
    """Return whether a session may still be used, without asking the provider."""
    row_id = session.get(KEY)
    if row_id is None:
        return not config.is_only() or recovery.is_current(session)
    if not config.is_on():
        return False
    newest = timezone.now() - MAX_AGE
    return OidcSession.objects.filter(
        pk=row_id, user_id=user.pk, checked_at__gt=newest
    ).exists()


def check(request: HttpRequest) -> Verdict:
    """Decide on a signed-in request. Asks the provider if the last check is too old."""
    row_id = request.session.get(KEY)
    if row_id is None or not config.is_on():
        return Verdict.VALID if is_current(request.session, request.user) else Verdict.ENDED
    row = OidcSession.objects.filter(pk=row_id, user=request.user.pk).first()
    if row is None:
        return Verdict.ENDED
    if timezone.now() - row.checked_at < timedelta(hours=settings.OIDC_RECHECK_HOURS):
        return Verdict.VALID
    if not _claim(row):
        return _wait(row)
    return _check_now(row)


def confirm_by_visit(row: OidcSession, grant: Grant) -> bool:
    """Record what a visit at the provider confirmed; False if it is about another
    person.
    """
    if grant.identity.subject != row.subject:
        return False
    _record(row, grant)
    return True


def _claim(row: OidcSession) -> bool:
    """Claim the check. Two requests with one refresh token would make providers revoke
    it.
    """
    now = timezone.now()
    free = Q(claimed_until=None) | Q(claimed_until__lt=now)
    # The condition on `checked_at` fails if another request has just finished a check.
    claimed = OidcSession.objects.filter(free, pk=row.pk, checked_at=row.checked_at).update(
        claimed_until=now + CLAIM
    )
    return bool(claimed)


def _wait(row: OidcSession) -> Verdict:
    """Follow the check of another request, unless the session is young enough to go
    on.
    """
    end = time.monotonic() + WAIT_SECONDS
    while True:
        now = OidcSession.objects.filter(pk=row.pk).values_list("checked_at", flat=True).first()
        if now is None:
            return Verdict.ENDED
        if timezone.now() - now < MAX_AGE:
            return Verdict.VALID
        if time.monotonic() > end:
            return Verdict.UNREACHABLE
        time.sleep(0.2)


def _check_now(row: OidcSession) -> Verdict:
    token = unseal(row.refresh_token)
    if not token:
        return _ask_for_visit(row)
    try:
        grant = exchange.refresh(token, row.subject)
        ensure_admitted(grant)
    except OidcError as error:
        logger.warning(
            "A session was not confirmed at the OpenID Connect provider: %s", error.detail
        )
        # An outage of the provider ends no session that is young enough.
        if error.reason is Reason.UNREACHABLE:
            return (
                Verdict.VALID
                if timezone.now() - row.checked_at < MAX_AGE
                else Verdict.UNREACHABLE
            )
        row.delete()
        return Verdict.ENDED
    if grant.identity.groups is None:
        # The refresh did not list the groups; an authorization lists them.
        return _ask_for_visit(row)
    _record(row, grant)
    return Verdict.VALID


def _ask_for_visit(row: OidcSession) -> Verdict:
    """Ask for a visit. While time is left, the claim stays, so that a dead provider is
    not visited at each page.
    """
    if timezone.now() - row.checked_at >= MAX_AGE:
        OidcSession.objects.filter(pk=row.pk).update(claimed_until=None)
    return Verdict.VISIT


def ensure_admitted(grant: Grant) -> None:
    """Raise OidcError if a person with this identity may not sign in."""
    identity = grant.identity
    if not identity.email:
        raise OidcError(Reason.NO_EMAIL, "there is no email address")
    if not identity.is_verified:
        raise OidcError(Reason.UNVERIFIED, "the email address is not verified")
    if not config.lets_in(identity.email):
        raise OidcError(Reason.DOMAIN, "the email domain is not in OIDC_DOMAINS")


def _record(row: OidcSession, grant: Grant) -> None:
    groups = sorted(grant.identity.groups or ())
    values: dict[str, Any] = {
        "checked_at": timezone.now(),
        "claimed_until": None,
        "groups": groups,
    }
    # A provider that sends no new token lets the present one be used again.
    if grant.refresh_token:
        values["refresh_token"] = seal(grant.refresh_token)
    with transaction.atomic():
        if not OidcSession.objects.filter(pk=row.pk).update(**values):
            return
        identity_confirmed.send(sender=OidcSession, user=row.user, groups=frozenset(groups))
