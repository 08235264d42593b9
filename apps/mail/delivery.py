"""Send due messages to the mail server, each by one worker at a time.

    pending --claim--> sending --accepted--> sent
       ^                  |  |
       +------later-------+  +--no such mailbox, or refused for days--> failed
                             +--the answer was lost twice-------------> uncertain

Without a mail server (EMAIL_URL, in development), due messages become `kept`: they can
be read in the outbox, and are not sent.

A claim is one compare-and-set that moves `next_attempt_at` to the end of a lease. If
the worker dies, the message is due again after the lease, or at once if the death can
be proved (`release_dead`). `attempts` is a fence: only the newest claim may write the
outcome. The worker talks to the server outside of any transaction. If it is killed
after the server accepted the message and before the commit, the message is sent a
second time, with the same Message-ID.
"""

import logging
import time
from datetime import datetime, timedelta

from django.conf import settings
from django.db import InternalError, OperationalError, connection
from django.db.models import F, QuerySet
from django.utils import timezone

from apps.mail import outages, owners
from apps.mail.models import OutboxMessage, OutboxState
from apps.mail.server import (
    Accepted,
    MailServer,
    Outcome,
    RecipientRefused,
    ReplyLost,
    TryLater,
    Unsendable,
)

logger = logging.getLogger(__name__)

# Longer than sending one message can take (DEADLINE of apps.mail.server).
LEASE = timedelta(minutes=6)
SMTP_TIMEOUT = 30.0
# Shorter than the silence after which a worker's process is ended (UNIT_LIMIT).
OUTCOME_SECONDS = 90.0
FIRST_DELAY = timedelta(seconds=30)
LONGEST_DELAY = timedelta(hours=1)
# Mail servers themselves retry for as long (RFC 5321, section 4.5.4.1).
GIVE_UP_AFTER = timedelta(days=5)
# The most copies that a recipient may get if the server's answers are lost.
LOST_REPLIES = 2
# After this many workers have died while they sent a message, it fails, because the
# message itself may be the cause.
MAX_DEATHS = 20


def due(now: datetime) -> QuerySet[OutboxMessage]:
    """Return the messages to send now: new ones, those to retry, and those of workers
    that did not come back.
    """
    return OutboxMessage.objects.filter(
        state__in=(OutboxState.PENDING, OutboxState.SENDING), next_attempt_at__lte=now
    ).order_by("next_attempt_at", "pk")


def release_dead(now: datetime) -> int:
    """Make the messages of dead workers due at once. Returns how many there were."""
    released = 0
    for message in OutboxMessage.objects.filter(
        state=OutboxState.SENDING, next_attempt_at__gt=now
    ).exclude(owner=""):
        if owners.is_dead(message.owner):
            left = OutboxMessage.objects.filter(
                pk=message.pk,
                state=OutboxState.SENDING,
                attempts=message.attempts,
                owner=message.owner,
            )
            released += left.update(next_attempt_at=now, owner="")
    return released


def is_waiting(now: datetime) -> bool:
    """Return whether the mail server is away and its next try is not due yet."""
    outage = outages.current()
    return outage is not None and outage.next_try_at > now


def deliver_due(limit: int = 50) -> int:
    """Send due messages, `limit` at most. Returns how many the server took. Call it
    outside of transactions.

    Stops early if the server takes no messages: the others would fail, too, and the
    worker would wait for each. Until the server's next try it does nothing. Without a
    server, it keeps all due messages and returns 0.
    """
    if not settings.EMAIL_CONFIGURED:
        due(timezone.now()).order_by().update(
            state=OutboxState.KEPT, lease_until=None, owner=""
        )
        return 0
    if is_waiting(timezone.now()):
        return 0
    sent = 0
    with MailServer() as server:
        for _ in range(limit):
            message = _claim()
            if message is None:
                break
            outcome = _hand_over(server, message)
            sent += _record(message, outcome)
            # The next message would meet the same server.
            if isinstance(outcome, ReplyLost) or (
                isinstance(outcome, TryLater) and outcome.is_of_server
            ):
                break
    return sent


def _claim() -> OutboxMessage | None:
    """Claim the first due message and return it; None if there is none."""
    while True:
        now = timezone.now()
        message = due(now).first()
        if message is None:
            return None
        # The update finds no row if another worker has claimed the message meanwhile.
        mine = due(now).order_by().filter(pk=message.pk, attempts=message.attempts)
        # A due message in this state had a worker that did not write an outcome.
        has_lost_its_deliverer = message.state == OutboxState.SENDING
        if message.deaths + has_lost_its_deliverer >= MAX_DEATHS:
            mine.update(
                state=OutboxState.FAILED,
                lease_until=None,
                last_error=f"Gave up: {MAX_DEATHS} processes ended while they handed this message over.",
            )
            continue
        lease = now + LEASE
        if mine.update(
            state=OutboxState.SENDING,
            attempts=F("attempts") + 1,
            deaths=F("deaths") + int(has_lost_its_deliverer),
            owner=owners.me(),
            lease_until=lease,
            next_attempt_at=lease,
        ):
            message.attempts += 1
            return message


def _hand_over(server: MailServer, message: OutboxMessage) -> Outcome | Unsendable:
    try:
        return server.send(message)
    except Unsendable as error:
        return error


def _record(message: OutboxMessage, outcome: Outcome | Unsendable) -> int:
    """Write the outcome of a message.

    Returns 1 if the server took the message and this worker's claim was still valid.
    """
    now = timezone.now()
    if isinstance(outcome, Accepted):
        # Links in the body open accounts, so the body is deleted once the message was
        # sent.
        taken = _finish(
            message, state=OutboxState.SENT, sent_at=now, last_error="", text="", html=""
        )
        outages.end(now)
        return taken
    if isinstance(outcome, Unsendable):
        _log(message, str(outcome))
        _finish(message, state=OutboxState.FAILED, last_error=str(outcome))
    elif isinstance(outcome, RecipientRefused):
        _log(message, outcome.reason)
        _finish(message, state=OutboxState.FAILED, last_error=outcome.reason)
        outages.end(now)
    elif isinstance(outcome, ReplyLost):
        _record_lost_reply(message, outcome, now)
    else:
        _record_delay(message, outcome, now)
    return 0


def _record_lost_reply(message: OutboxMessage, outcome: ReplyLost, now: datetime) -> None:
    """Retry once. If the server did not take the message, the retry delivers it; if it
    did, the recipient gets two copies at most.
    """
    _log(message, outcome.reason)
    values = {"lost_replies": F("lost_replies") + 1, "last_error": outcome.reason}
    if message.lost_replies + 1 >= LOST_REPLIES:
        _finish(message, state=OutboxState.UNCERTAIN, **values)
    else:
        _finish(message, state=OutboxState.PENDING, next_attempt_at=now + FIRST_DELAY, **values)


def _record_delay(message: OutboxMessage, outcome: TryLater, now: datetime) -> None:
    """Postpone the message: until the server's next try, or by a pause that grows with
    each refusal of this message.
    """
    if outcome.is_of_server:
        outage = outages.note(outcome, now)
        if outage.failures == 1:
            # Logged once per outage, not at each try. /healthz, the metrics, and the
            # admin show the later failures.
            logger.warning("The mail server takes no messages: %s", outcome.reason)
        later, refusals = outage.next_try_at, 0
    else:
        _log(message, outcome.reason)
        later, refusals = (
            now + min(FIRST_DELAY * 2 ** min(message.refusals, 10), LONGEST_DELAY),
            1,
        )
    values = {"refusals": F("refusals") + refusals, "last_error": outcome.reason}
    if message.created_at < now - GIVE_UP_AFTER:
        _finish(message, state=OutboxState.FAILED, **values)
    else:
        _finish(message, state=OutboxState.PENDING, next_attempt_at=later, **values)


def _log(message: OutboxMessage, reason: str) -> None:
    logger.warning("Email %s was not sent: %s", message.message_id, reason)


def _finish(message: OutboxMessage, **values: object) -> int:
    """Write the outcome of this process's claim. Returns 0 if the lease ran out and
    another process has the message.

    If the database is away or locked, the write is retried for OUTCOME_SECONDS, because
    without an outcome the message is sent a second time after its lease. Raises the
    error after that.
    """
    claim = OutboxMessage.objects.filter(
        pk=message.pk, state=OutboxState.SENDING, attempts=message.attempts
    )
    until = time.monotonic() + OUTCOME_SECONDS
    while True:
        try:
            return claim.update(lease_until=None, owner="", **values)
        except (OperationalError, InternalError):
            # InternalError is a server that accepts no writes for now.
            if connection.in_atomic_block or time.monotonic() > until:
                raise
        connection.close_if_unusable_or_obsolete()
        time.sleep(1)
