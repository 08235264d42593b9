"""How long the outbox keeps messages: bodies until the message was sent, rows for a
month.

Bodies have links that reset passwords and open accounts, and a copy of the database
must not contain them.
"""

from datetime import datetime, timedelta

from django.db.models import Q

from apps.mail.models import OutboxMessage, OutboxState

# An operator may send a failed message again within this time.
BODIES_KEPT = timedelta(days=7)
ROWS_KEPT = timedelta(days=30)
_ENDED = (OutboxState.SENT, OutboxState.FAILED, OutboxState.UNCERTAIN, OutboxState.KEPT)


def forget_old(now: datetime) -> tuple[int, int]:
    """Delete the bodies of ended messages, and old rows. Returns how many of each.

    Messages that wait for the mail server are never changed.
    """
    ended = OutboxMessage.objects.filter(state__in=_ENDED)
    blank = Q(text="", html="")
    sent = Q(state=OutboxState.SENT)
    old = Q(next_attempt_at__lt=now - BODIES_KEPT)
    blanked = ended.filter(sent | old).exclude(blank).update(text="", html="")
    deleted, _ = ended.filter(created_at__lt=now - ROWS_KEPT).delete()
    return blanked, deleted
