"""The engine's signals, and how they are delivered.

All but `worker_tick` are sent inside the transaction of the change, each receiver in a
savepoint, so receivers may only write rows. If a receiver raises, its writes are rolled
back, and a row is stored so that the sweeper retries it (see `redelivery`). It can
neither undo the change nor keep other receivers from being called.

    pipeline_started(run)                          pipeline_failed(run, error)
    step_completed(run, step, state)               pipeline_cancelled(run)
    pipeline_completed(run, state)                 pipeline_retried(run, step)
    pipeline_filled(run)      what an ended run lacked has arrived (see `late`)
    worker_tick(owner)        about once a second in every worker process, outside any transaction

Each signal also has `sent_at`, the time of the change. A receiver that is retried later
gets the same arguments: the run as it was then. A receiver that copies the run's state
calls `is_current` first.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.dispatch import Signal

from apps.pipelines import clock

pipeline_started = Signal()
step_completed = Signal()
pipeline_completed = Signal()
pipeline_failed = Signal()
pipeline_cancelled = Signal()
pipeline_retried = Signal()
pipeline_filled = Signal()
worker_tick = Signal()


@dataclass(frozen=True, slots=True)
class Failure:
    """A receiver that raised, with everything that is needed to retry it."""

    signal: Signal
    sender: Any
    named: dict[str, Any]
    receiver: Callable[..., Any]
    error: Exception


def deliver(
    signal: Signal, sender: Any, *, on_error: Callable[[Failure], None], **named: Any
) -> None:
    """Call the receivers in a savepoint, and `on_error` for each of those that raise.

    `Signal.send_robust` would swallow the exception but leave a broken transaction
    behind. All receivers share one savepoint as long as none raises. If one raises, all
    of their writes are rolled back, and each is called again in a savepoint of its own.
    """
    receivers, _asynchronous = signal._live_receivers(sender)
    if not receivers:
        return
    named.setdefault("sent_at", clock.now())
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
                # The callback logs and stores the exception.
                on_error(Failure(signal, sender, named, receiver, error))


def is_current(run: Any) -> bool:
    """Return whether the run's row still has the state of this object.

    It does not if a receiver is retried after a retry, a cancel, or the end of the run.
    """
    from apps.pipelines.models import ACTIVE_RUN_STATES, Run

    state = (
        Run.objects.filter(pk=run.pk, generation=run.generation)
        .values_list("state", flat=True)
        .first()
    )
    return state == run.state or (state in ACTIVE_RUN_STATES and run.state in ACTIVE_RUN_STATES)
