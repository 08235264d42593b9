"""Huey's consumer, with workers pinned to queues, its own sweeper, and a row that shows
that it is alive.
"""

import logging
import os
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import close_old_connections, connection
from huey.consumer import BaseProcess, Consumer

from apps.pipelines import clock, durations
from apps.pipelines.conf import config
from apps.pipelines.models import Worker
from apps.pipelines.signals import worker_tick
from apps.pipelines.worker import heartbeat, marks, presence, process_id
from apps.pipelines.worker.sweeper import sweep

logger = logging.getLogger(__name__)

SEEN_EVERY = 1.0
# The most seconds between two attempts of a sweeper that fails.
LONGEST_PAUSE = 2.0
FORGET_AFTER = timedelta(days=1)


class Sweeper(BaseProcess):  # type: ignore[misc]
    """Sweep, write that the worker is alive, and send `worker_tick`.

    If one of these fails, the error is logged and the others go on.
    """

    process_name = "Sweeper"

    def __init__(self, huey: Any, stop_flag: Any, queues: Sequence[str], owner: str) -> None:
        super().__init__(huey, stop_flag)
        self.queues, self.owner = list(queues), owner
        self._presence = presence.Announcer("worker", ", ".join(queues))
        self._seen = 0.0
        self._failures = 0

    def loop(self, now: Any = None) -> None:
        swept = self._sweep()
        try:
            if time.monotonic() - self._seen >= SEEN_EVERY:
                self._seen = time.monotonic()
                self._say_alive(swept)
                # Robust, because a receiver that raises must not stop the signs of
                # life.
                worker_tick.send_robust(sender=type(self), owner=self.owner)
        except Exception:
            logger.exception("The worker could not say that it lives; trying again.")
            connection.close()
        self._failures = 0 if swept else self._failures + 1
        # While the database is away the pauses grow, up to a limit that is still short
        # for an operator who waits for the recovery.
        self.stop_flag.wait(
            min(
                config().sweep_every * 2 ** min(self._failures, 10),
                max(LONGEST_PAUSE, config().sweep_every),
            )
        )

    def _sweep(self) -> bool:
        try:
            # The thread's connection may have broken since the last sweep.
            close_old_connections()
            sweep()
        except Exception:
            logger.exception("The sweeper failed; trying again.")
            connection.close()
            return False
        return True

    def _say_alive(self, swept: bool) -> None:
        now = clock.now()
        # After SIGHUP the same process works again, although its row was marked as
        # stopped.
        seen: dict[str, Any] = {"queues": self.queues, "seen_at": now, "stopped_at": None}
        # Only a sweep without an error counts, because `/healthz` reports a sweeper
        # that fails.
        if swept:
            seen["swept_at"] = now
        Worker.objects.update_or_create(
            owner=self.owner, defaults=seen, create_defaults=seen | {"started_at": now}
        )
        Worker.objects.filter(seen_at__lt=now - FORGET_AFTER).delete()
        self._presence.renew()
        durations.flush_if_due()

    def shutdown(self) -> None:
        try:
            Worker.objects.filter(owner=self.owner).update(stopped_at=clock.now())
            presence.withdraw()
        except Exception:
            logger.exception(
                "That this worker stops could not be written; its row ages by itself."
            )


class LaneConsumer(Consumer):  # type: ignore[misc]
    """A consumer of some of the queues.

    Worker n serves queue n, n + number of queues, and so on.
    """

    def __init__(self, huey: Any, queues: Sequence[str], workers: int, **options: Any) -> None:
        self.queues, self.pid = tuple(queues), os.getpid()
        huey.storage.served = self.queues
        # At least one worker for each queue, or a queue would have none.
        super().__init__(
            huey, workers=max(workers, len(self.queues)), graceful_signal="TERM", **options
        )
        self.sweeper = self._create_process(
            Sweeper(huey, self.stop_flag, self.queues, process_id.me()), "Sweeper"
        )

    def _create_process(self, process: Any, name: str) -> Any:
        number, initialize = name.removeprefix("Worker-"), process.initialize

        def prepared() -> None:
            if number.isdigit():
                self.huey.storage.pin(self.queues[(int(number) - 1) % len(self.queues)])
            if self.environment.forks:
                heartbeat.is_child_process.set()
                marks.begin_pulse()
                self._follow_stop_flag()
            initialize()

        shutdown = process.shutdown

        def ended() -> None:
            shutdown()
            durations.flush()

        process.initialize, process.shutdown = prepared, ended
        return super()._create_process(process, name)

    def start(self) -> None:
        super().start()
        self.sweeper.start()
        # After the forks, which no thread survives.
        marks.begin_pulse()
        self._follow_stop_flag()
        text = "The worker has started: %s, release %s, queues %s, %s at once."
        logger.info(text, process_id.me(), settings.RELEASE, self._served(), self.workers)

    def _served(self) -> str:
        return ", ".join(self.queues)

    def _follow_stop_flag(self) -> None:
        """Set the flag that the steps of this process check between units, when the
        consumer stops.

        A forked process ends itself when its consumer was killed, because no other
        process would replace it or stop it.
        """
        consumer, process = self.pid, os.getpid()

        def follow() -> None:
            while not self.stop_flag.wait(1):
                if process == consumer:
                    continue
                if os.getppid() != consumer:
                    # Without clean-up, because this is a thread and the process may
                    # hang.
                    os._exit(1)
                # In a process with worker threads, the sweeper flushes.
                durations.flush_if_due()
                connection.close()
            heartbeat.stopping.set()

        threading.Thread(target=follow, name="pipelines-stop", daemon=True).start()

    def _join_workers(self) -> bool:
        joined: bool = super()._join_workers()
        self.sweeper.join(2)
        rest = "" if joined else "; steps that did not end their unit in time are sent again"
        logger.info(
            "The worker has stopped: %s, queues %s%s.", process_id.me(), self._served(), rest
        )
        return joined
