"""The engine's signals, and how they are delivered.

All but `worker_tick` are sent inside the transaction of the change that they tell of, each receiver in a savepoint:
receivers only write rows. One that raises is rolled back, logged and recorded as an event of the run; it can neither
undo the change nor keep the others from being called.

    pipeline_started(run)                          pipeline_failed(run, error)
    step_completed(run, step, state)               pipeline_cancelled(run)
    pipeline_completed(run, state)                 pipeline_retried(run, step)
    worker_tick(owner)        about once a second in every worker process, outside any transaction
"""

import logging
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.dispatch import Signal

logger = logging.getLogger(__name__)

pipeline_started = Signal()
step_completed = Signal()
pipeline_completed = Signal()
pipeline_failed = Signal()
pipeline_cancelled = Signal()
pipeline_retried = Signal()
worker_tick = Signal()


def deliver(signal: Signal, sender: Any, *, on_error: Callable[[str, Exception], None], **named: Any) -> None:
    """Call the receivers in a savepoint; `on_error(receiver name, exception)` is called for those that raise.

    `Signal.send_robust` would swallow the exception but leave a broken transaction behind. All share one savepoint as
    long as none raises. If one does, all that they wrote is rolled back and each is called again, in one of its own.
    """
    receivers, _asynchronous = signal._live_receivers(sender)
    if not receivers:
        return
    try:
        with transaction.atomic():
            for receiver in receivers:
                receiver(signal=signal, sender=sender, **named)
    except Exception:
        for receiver in receivers:
            try:
                with transaction.atomic():
                    receiver(signal=signal, sender=sender, **named)
            except Exception as error:
                name = f"{getattr(receiver, '__module__', '')}.{getattr(receiver, '__qualname__', repr(receiver))}"
                logger.exception("Receiver %s failed.", name)
                on_error(name, error)
