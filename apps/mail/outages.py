"""Times in which the mail server takes no messages: all messages wait together, with
growing pauses.

When a round of deliveries finds such a server, it ends, and no other round begins
before `next_try_at`. A server that is away for a weekend therefore costs one connection
every quarter of an hour, however many messages wait.
"""

from datetime import datetime, timedelta

from django.db.models import F
from django.utils import timezone

from apps.mail.models import MailOutage, OutboxMessage, OutboxState
from apps.mail.server import TryLater

FIRST_PAUSE = timedelta(seconds=30)
LONGEST_PAUSE = timedelta(minutes=15)


def current() -> MailOutage | None:
    """Return the present outage, or None."""
    return MailOutage.objects.filter(ended_at=None).first()


def note(outcome: TryLater, now: datetime) -> MailOutage:
    """Record that the server took no message, and return the outage with the time of
    the next try.
    """
    values = {"reason": outcome.reason, "needs_operator": outcome.needs_operator}
    first = {"began_at": now, "next_try_at": now + FIRST_PAUSE, **values}
    outage, is_new = MailOutage.objects.get_or_create(ended_at=None, defaults=first)
    if not is_new:
        pause = min(FIRST_PAUSE * 2 ** min(outage.failures, 10), LONGEST_PAUSE)
        again = MailOutage.objects.filter(pk=outage.pk)
        again.update(failures=F("failures") + 1, next_try_at=now + pause, **values)
        outage.refresh_from_db()
    return outage


def end(now: datetime) -> None:
    """End the present outage, if there is one."""
    if current() is None:
        return
    MailOutage.objects.filter(ended_at=None).update(ended_at=now)


def make_due() -> None:
    """Make the next round due at once, with all messages that wait for the server."""
    outage = current()
    if outage is None:
        return
    now = timezone.now()
    waiting = OutboxMessage.objects.filter(
        state=OutboxState.PENDING, next_attempt_at=outage.next_try_at
    )
    waiting.update(next_attempt_at=now)
    MailOutage.objects.filter(pk=outage.pk, ended_at=None).update(next_try_at=now)
