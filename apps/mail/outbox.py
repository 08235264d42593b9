"""Queue email: a message is written in the transaction that causes it, and sent after
the commit.

`queue_mail` inserts one row for each (dedupe_key, recipient), however often it is
called. The row's Message-ID is made from the same two values, so that mail programs
recognize a message that had to be sent twice as one.
"""

import hashlib
from collections.abc import Mapping
from email.utils import parseaddr

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from apps.mail.addresses import InvalidAddress, normalize_address
from apps.mail.models import OutboxMessage, OutboxState
from apps.masking import storable

_SUBJECT_LENGTH = 250
_KEY_LENGTH = 200
_ADDRESS_LENGTH = 254


def queue_mail(
    *,
    dedupe_key: str,
    recipient: str,
    subject: str,
    text: str,
    html: str = "",
    headers: Mapping[str, str] | None = None,
) -> OutboxMessage:
    """Queue one message to one address, in the caller's transaction; delivery starts
    when that commits.

    A second call with the same `dedupe_key` and `recipient` returns the existing row
    and changes nothing. White space in the subject, line breaks included, becomes
    single spaces. The address is stored as `normalize_address` returns it. If that
    refuses the address, the row is stored as failed, so that other recipients of the
    same cause still get their messages. Raises ValueError for a key of more than 200
    characters.
    """
    from apps.mail.tasks import hint

    _check_key(dedupe_key)
    state, reason = OutboxState.PENDING, ""
    try:
        recipient = normalize_address(recipient)
    except InvalidAddress as error:
        state, reason = OutboxState.FAILED, str(error)
        recipient = storable(recipient, _ADDRESS_LENGTH)
    with transaction.atomic():
        OutboxMessage.objects.bulk_create(
            [
                OutboxMessage(
                    dedupe_key=dedupe_key,
                    recipient=recipient,
                    subject=_one_line(subject),
                    text=text,
                    html=html,
                    from_email=settings.DEFAULT_FROM_EMAIL,
                    message_id=message_id(dedupe_key, recipient),
                    headers=dict(headers or {}),
                    state=state,
                    last_error=reason,
                    next_attempt_at=timezone.now(),
                )
            ],
            ignore_conflicts=True,
        )
        message = OutboxMessage.objects.get(dedupe_key=dedupe_key, recipient=recipient)
        transaction.on_commit(hint, robust=True)
    return message


def message_id(dedupe_key: str, recipient: str) -> str:
    """Return the Message-ID of a message: the same for the same key and recipient, at
    the domain of the sender address.
    """
    digest = hashlib.sha256(f"{dedupe_key}\0{recipient}".encode()).hexdigest()[:32]
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return f"<{digest}@{domain}>"


def _check_key(dedupe_key: str) -> None:
    if not 0 < len(dedupe_key) <= _KEY_LENGTH:
        raise ValueError(
            f"A dedupe key has 1 to {_KEY_LENGTH} characters, not {len(dedupe_key)}."
        )


def _one_line(subject: str) -> str:
    line = " ".join(subject.split())
    return line if len(line) <= _SUBJECT_LENGTH else line[: _SUBJECT_LENGTH - 1] + "…"
