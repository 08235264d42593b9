"""Hands due messages over to the mail server, each by one deliverer at a time.

    pending --claim--> sending --accepted--> sent
       ^                  |  |
       +--- refused, later-+  +--refused for good, or too often--> failed

Where no mail server is set (EMAIL_URL, in development), what is due becomes `kept`: readable, and sent to nobody.

A claim is one compare-and-set that moves `next_attempt_at` to the end of a lease. A deliverer that dies leaves a
message that is due again after it, or at once where its death can be proved (`release_dead`). `attempts` fences: only
the newest claim writes the outcome. The server is spoken to outside any transaction, so a kill between its acceptance
and our commit causes a second hand-over, with the same Message-ID.
"""

import logging
import smtplib
from datetime import datetime, timedelta

from anymail.exceptions import AnymailRecipientsRefused
from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db.models import F, QuerySet
from django.utils import timezone

from apps.mail import owners
from apps.mail.models import OutboxMessage, OutboxState

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 20
# Longer than one hand-over can take: a dozen exchanges with the server, each within SMTP_TIMEOUT at most.
LEASE = timedelta(minutes=6)
SMTP_TIMEOUT = 30.0
FIRST_DELAY = timedelta(seconds=30)
LONGEST_DELAY = timedelta(hours=1)


def due(now: datetime) -> QuerySet[OutboxMessage]:
    """Messages to hand over now: new ones, those to try again, and those whose deliverer did not come back."""
    return OutboxMessage.objects.filter(
        state__in=(OutboxState.PENDING, OutboxState.SENDING), next_attempt_at__lte=now
    ).order_by("next_attempt_at", "pk")


def release_dead(now: datetime) -> int:
    """Make due at once what dead deliverers left behind; returns how many messages."""
    released = 0
    for message in OutboxMessage.objects.filter(state=OutboxState.SENDING, next_attempt_at__gt=now).exclude(owner=""):
        if owners.is_dead(message.owner):
            left = OutboxMessage.objects.filter(
                pk=message.pk, state=OutboxState.SENDING, attempts=message.attempts, owner=message.owner
            )
            released += left.update(next_attempt_at=now, owner="")
    return released


def deliver_due(limit: int = 50) -> int:
    """Hand over due messages, `limit` at most; returns how many the server took. To be called outside transactions.

    Ends early when the server cannot be reached: the other messages would fare no better, and a worker would wait.
    Without a server, keeps all that is due and returns 0.
    """
    if not settings.EMAIL_CONFIGURED:
        due(timezone.now()).order_by().update(state=OutboxState.KEPT, lease_until=None, owner="")
        return 0
    sent = 0
    for _ in range(limit):
        message = _claim()
        if message is None:
            break
        try:
            _hand_over(message)
        except Exception as error:
            _record_failure(message, error)
            if _is_server_away(error):
                break
        else:
            sent += _finish(message, state=OutboxState.SENT, sent_at=timezone.now(), last_error="")
    return sent


def _claim() -> OutboxMessage | None:
    """The first due message, now ours; None when there is none."""
    while True:
        now = timezone.now()
        message = due(now).first()
        if message is None:
            return None
        mine = due(now).order_by().filter(pk=message.pk, attempts=message.attempts)
        if message.attempts >= MAX_ATTEMPTS:
            # Every failure that was recorded has been counted: these deliverers died.
            mine.update(
                state=OutboxState.FAILED, lease_until=None, last_error=f"Gave up after {MAX_ATTEMPTS} attempts."
            )
            continue
        lease = now + LEASE
        if mine.update(
            state=OutboxState.SENDING,
            attempts=F("attempts") + 1,
            owner=owners.me(),
            lease_until=lease,
            next_attempt_at=lease,
        ):
            message.attempts += 1
            return message


def _hand_over(message: OutboxMessage) -> None:
    mail = EmailMultiAlternatives(
        message.subject,
        message.text,
        message.from_email,
        [message.recipient],
        headers={**message.headers, "Message-ID": message.message_id, "Auto-Submitted": "auto-generated"},
    )
    if message.html:
        mail.attach_alternative(message.html, "text/html")
    mail.send(using="default")


def _record_failure(message: OutboxMessage, error: Exception) -> None:
    text = f"{type(error).__name__}: {error}"
    logger.warning("Mail %s was not sent: %s", message.message_id, text)
    if _is_permanent(error) or message.attempts >= MAX_ATTEMPTS:
        _finish(message, state=OutboxState.FAILED, last_error=text)
    else:
        later = timezone.now() + min(FIRST_DELAY * 2 ** (message.attempts - 1), LONGEST_DELAY)
        _finish(message, state=OutboxState.PENDING, last_error=text, next_attempt_at=later)


def _finish(message: OutboxMessage, **values: object) -> int:
    """Write the outcome of our claim; 0 if the lease ran out and somebody else has it."""
    claim = OutboxMessage.objects.filter(pk=message.pk, state=OutboxState.SENDING, attempts=message.attempts)
    return claim.update(lease_until=None, owner="", **values)


def _is_permanent(error: Exception) -> bool:
    """Refusals that another try cannot change: of the recipient by the server, of the address by ourselves.

    Other 5xx answers speak of our sender, log-in or quota: an operator can mend those while the message waits.
    """
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(500 <= code < 600 for code, _text in error.recipients.values())
    return isinstance(error, ValueError | AnymailRecipientsRefused)


def _is_server_away(error: Exception) -> bool:
    away = (
        smtplib.SMTPConnectError,
        smtplib.SMTPServerDisconnected,
        smtplib.SMTPHeloError,
        smtplib.SMTPAuthenticationError,
    )
    return isinstance(error, away) or (isinstance(error, OSError) and not isinstance(error, smtplib.SMTPException))
