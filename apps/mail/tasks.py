"""Delivery as Huey tasks.

A task's message only starts a delivery; which emails are due is read from the outbox's
rows.
"""

import time
from typing import Any

from django.utils import timezone
from huey.api import crontab
from huey.contrib.djhuey import db_periodic_task, db_task

from apps.mail import delivery, retention

_HINT_EVERY = 5.0  # seconds
_hinted_at = float("-inf")


def _deliver() -> None:
    delivery.deliver_due()


_every_minute = crontab(minute="*")
# A hint that waited a minute has been followed by others; dropping it keeps a busy
# queue short.
_hinted = db_task(name="mail_deliver", queue="email", expires=60)
_periodic = db_periodic_task(_every_minute, name="mail_deliver_backstop", queue="email")

deliver_mail = _hinted(_deliver)
deliver_mail_backstop = _periodic(_deliver)


def _forget_old() -> None:
    """Blank bodies and delete rows that are kept no longer."""
    retention.forget_old(timezone.now())


_hourly = db_periodic_task(crontab(minute="17"), name="mail_forget_old", queue="email")
forget_old_mail = _hourly(_forget_old)


def hint() -> None:
    """Ask a worker to look at the outbox now."""
    global _hinted_at
    deliver_mail()
    _hinted_at = time.monotonic()


def hint_due(**_signal: Any) -> bool:
    """Hint if a message is due and this process gave no hint in the last 5 s. Takes a
    signal's arguments, unused.

    Called about once a second by the worker: a message that was put off is tried in
    time, and a lost hint costs seconds. What a dead deliverer left behind becomes due
    first.
    """
    now = timezone.now()
    if not delivery.release_dead(now) and time.monotonic() - _hinted_at < _HINT_EVERY:
        return False
    if not delivery.due(now).exists() or delivery.is_waiting(now):
        return False
    hint()
    return True
