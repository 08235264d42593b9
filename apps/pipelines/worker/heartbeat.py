"""Keep the leases of this process's attempts alive, and learn which of them have to
stop, in one daemon thread per process.

If the renewal of an attempt finds no row, the attempt was cancelled or taken over: its
`lost` flag is set, and the step stops before its next outside call. If the renewal
fails because the database is away, the thread only waits. If the lease then runs out,
another worker goes on, and the attempt guard keeps this attempt from committing.

An attempt releases its step at its next unit when its run is paused, or when its time
slice is over and another run waits for its queue. An attempt that goes on long after it
was lost hangs in a call: a worker process ends itself then, and the consumer replaces
it. A thread cannot be ended from outside; its worker is lost until a restart.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db import close_old_connections
from django.db.models import Q
from huey.contrib.djhuey import HUEY

from apps.pipelines import clock
from apps.pipelines.conf import config
from apps.pipelines.models import RunState, StepRun, StepState

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Hold:
    """One attempt at one step that this process works on."""

    step_id: int
    attempt: int
    # Whether the attempt may be asked to yield. One inside a caller's own process may
    # not, because no worker would continue the step.
    shares: bool = True
    since: float = field(default_factory=time.monotonic)
    lost: threading.Event = field(default_factory=threading.Event)
    lost_since: float | None = None
    # Why the attempt must release the step, and the message of the step until it goes
    # on.
    yield_requested: tuple[str, str] | None = None


_lock = threading.Lock()
_holds: dict[tuple[int, int], Hold] = {}
_thread_of_pid: int | None = None
# Set when this worker has to stop: running steps release their lease at their next
# unit.
stopping = threading.Event()
# Whether this process is one of a consumer's worker processes, which are replaced when
# they end.
is_child_process = threading.Event()
PAUSED = ("The run is paused.", "")
TURN_OVER = ("Waiting for another run.", "Waiting: another run uses the workers.")


@contextmanager
def hold(step_id: int, attempt: int, *, shares: bool = True) -> Iterator[Hold]:
    """Renew the lease of this attempt for as long as the block runs."""
    held = Hold(step_id, attempt, shares)
    with _lock:
        _holds[step_id, attempt] = held
        _ensure_thread()
    try:
        yield held
    finally:
        with _lock:
            _holds.pop((step_id, attempt), None)


def _ensure_thread() -> None:
    """Start this process's thread, if it has none. Threads do not survive a fork."""
    global _thread_of_pid
    if _thread_of_pid != os.getpid():
        _thread_of_pid = os.getpid()
        threading.Thread(target=_beat, name="pipelines-heartbeat", daemon=True).start()


def _beat() -> None:
    pause, renewed = threading.Event(), 0.0
    while True:
        pause.wait(min(config().look_every, config().lease / 3))
        with _lock:
            # A copy, so that an attempt may begin or end while the database is asked.
            held = list(_holds.values())
        if not held:
            continue
        try:
            # Two renewals may fail before the lease is over.
            if time.monotonic() - renewed >= config().lease / 3:
                renewed = time.monotonic()
                for one in held:
                    renew(one)
            for one in held:
                look(one)
        except Exception:
            logger.exception("Leases could not be renewed; trying again.")
        finally:
            # A broken connection is opened anew.
            close_old_connections()


def renew(held: Hold) -> None:
    until = clock.now() + timedelta(seconds=config().lease)
    ours = StepRun.objects.filter(
        pk=held.step_id, attempt=held.attempt, state=StepState.RUNNING
    )
    if not ours.update(lease_until=until):
        held.lost.set()


def look(held: Hold) -> None:
    """Check whether the attempt is still valid, and whether its run is paused or
    another run waits for its worker.
    """
    step = (
        StepRun.objects.filter(pk=held.step_id, attempt=held.attempt, state=StepState.RUNNING)
        .values("queue", "run_id", paused=Q(run__state=RunState.PAUSED))
        .first()
    )
    if step is None:
        held.lost.set()
        held.lost_since = held.lost_since or time.monotonic()
        if (
            is_child_process.is_set()
            and time.monotonic() - held.lost_since > config().hung_after
        ):
            logger.error(
                "Attempt %s at step %s hangs; this worker process ends itself.",
                held.attempt,
                held.step_id,
            )
            os._exit(1)
    elif step["paused"]:
        held.yield_requested = PAUSED
    elif (
        held.shares
        and time.monotonic() - held.since > config().turn
        and _another_waits(step["queue"], step["run_id"])
    ):
        held.yield_requested = TURN_OVER


def _another_waits(queue: str, run_id: Any) -> bool:
    """Return whether another run's step has waited for this queue longer than a free
    worker takes to fetch it.

    Its message must be in the queue: while the queue's server is away, no other run
    gains if this step yields.
    """
    waiting = StepRun.objects.filter(
        state=StepState.READY,
        queue=queue,
        run__state=RunState.RUNNING,
        dispatched_at__lt=clock.now() - timedelta(seconds=config().missing_message_after),
    ).exclude(run_id=run_id)
    return waiting.exists() and HUEY.pending_count(queue) > 0
