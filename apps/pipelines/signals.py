"""The engine's signals, and how they are delivered.

All but `worker_tick` are sent inside the transaction of the change, each receiver in a
savepoint: receivers only write rows. One that raises is rolled back, and recorded as a
row that the sweeper tries again (see `redelivery`); it can neither undo the change nor
keep the others from being called.

    pipeline_started(run)                          pipeline_failed(run, error)
    step_completed(run, step, state)               pipeline_cancelled(run)
    pipeline_completed(run, state)                 pipeline_retried(run, step)
    pipeline_filled(run)      what an ended run lacked has arrived (see `late`)
    worker_tick(owner)        about once a second in every worker process, outside any transaction

Each also gets `sent_at`, the moment of the change. A receiver that is called again
later gets the same arguments: the run as it was then. One that repeats the run's state
elsewhere asks `is_current` first.
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
    """A receiver that raised, with all that is needed to call it again."""

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
    behind. All share one savepoint as long as none raises. If one does, all that they
    wrote is rolled back and each is called again, in one of its own.
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
                # It logs the exception and keeps it.
                on_error(Failure(signal, sender, named, receiver, error))


def is_current(run: Any) -> bool:
    """Return whether the run is still in the state in which it is given.

    It is not if a receiver is called again after a retry, a cancel, or the end of the
    run.
    """
    from apps.pipelines.models import ACTIVE_RUN_STATES, Run

    state = (
        Run.objects.filter(pk=run.pk, generation=run.generation)
        .values_list("state", flat=True)
        .first()
    )
    return state == run.state or (state in ACTIVE_RUN_STATES and run.state in ACTIVE_RUN_STATES)
