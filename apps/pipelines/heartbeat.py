"""Keeps the leases of this process's attempts alive, from one daemon thread per process.

An attempt whose renewal touches no row was cancelled or taken over: its `lost` flag is set, and the step stops before
its next outside call. A failed renewal (database away) only waits: if the lease runs out, somebody else goes on, and
the attempt guard keeps this one from committing.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import close_old_connections, connection

from apps.pipelines import clock
from apps.pipelines.conf import config
from apps.pipelines.models import StepRun, StepState

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Hold:
    """One attempt at one step that this process works on."""

    step_id: int
    attempt: int
    lost: threading.Event = field(default_factory=threading.Event)


_lock = threading.Lock()
_holds: dict[tuple[int, int], Hold] = {}
_thread_of_pid: int | None = None
# Set when this worker is asked to stop: running steps give their lease back at their next unit.
stopping = threading.Event()


@contextmanager
def hold(step_id: int, attempt: int) -> Iterator[Hold]:
    """Renew the lease of this attempt for as long as the block runs."""
    held = Hold(step_id, attempt)
    with _lock:
        _holds[step_id, attempt] = held
        _ensure_thread()
    try:
        yield held
    finally:
        with _lock:
            _holds.pop((step_id, attempt), None)


def _ensure_thread() -> None:
    """Threads do not survive a fork: each process starts its own when it first holds something."""
    global _thread_of_pid
    if _thread_of_pid != os.getpid():
        _thread_of_pid = os.getpid()
        threading.Thread(target=_beat, name="pipelines-heartbeat", daemon=True).start()


def _beat() -> None:
    pause = threading.Event()
    while True:
        pause.wait(config().lease / 3)
        with _lock:
            held = list(_holds.values())
        if not held:
            continue
        try:
            close_old_connections()
            for one in held:
                renew(one)
        except Exception:
            logger.exception("Leases could not be renewed; trying again.")
            connection.close()


def renew(held: Hold) -> None:
    until = clock.now() + timedelta(seconds=config().lease)
    ours = StepRun.objects.filter(pk=held.step_id, attempt=held.attempt, state=StepState.RUNNING)
    if not ours.update(lease_until=until):
        held.lost.set()
