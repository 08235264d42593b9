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
# A task that waited a minute was followed by others. Dropping it keeps a busy queue
# short.
_hinted = db_task(name="mail_deliver", queue="email", expires=60)
_periodic = db_periodic_task(_every_minute, name="mail_deliver_backstop", queue="email")

deliver_mail = _hinted(_deliver)
deliver_mail_backstop = _periodic(_deliver)


def _forget_old() -> None:
    """Delete old bodies and rows."""
    retention.forget_old(timezone.now())


_hourly = db_periodic_task(crontab(minute="17"), name="mail_forget_old", queue="email")
forget_old_mail = _hourly(_forget_old)


def hint() -> None:
    """Ask a worker to check the outbox now."""
    global _hinted_at
    deliver_mail()
    _hinted_at = time.monotonic()


def hint_due(**_signal: Any) -> bool:
    """Ask a worker to check the outbox if a message is due and this process has not
    asked in the last 5 s. It takes a signal's arguments, which are unused.

    The worker calls it about once a second. A postponed message is therefore sent in
    time, and a lost task costs seconds. The messages of dead workers become due first.
    """
    now = timezone.now()
    if not delivery.release_dead(now) and time.monotonic() - _hinted_at < _HINT_EVERY:
        return False
    if not delivery.due(now).exists() or delivery.is_waiting(now):
        return False
    hint()
    return True
