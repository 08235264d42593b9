"""The consumer: Huey's, with workers pinned to queues, a sweeper of its own, and a row that says it lives."""

import logging
import os
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import close_old_connections, connection
from huey.consumer import BaseProcess, Consumer

from apps.pipelines import clock, heartbeat, owners
from apps.pipelines.conf import config
from apps.pipelines.models import Worker
from apps.pipelines.signals import worker_tick
from apps.pipelines.sweeper import sweep

logger = logging.getLogger(__name__)

SEEN_EVERY = 1.0
FORGET_AFTER = timedelta(days=1)


class Sweeper(BaseProcess):  # type: ignore[misc]
    """Sweeps, says that the worker lives, and ticks. One that fails says so in the log and goes on."""

    process_name = "Sweeper"

    def __init__(self, huey: Any, stop_flag: Any, queues: Sequence[str], owner: str) -> None:
        super().__init__(huey, stop_flag)
        self.queues, self.owner = list(queues), owner
        self._seen = 0.0

    def loop(self, now: Any = None) -> None:
        swept = self._sweep()
        try:
            if time.monotonic() - self._seen >= SEEN_EVERY:
                self._seen = time.monotonic()
                self._say_alive(swept)
                worker_tick.send_robust(sender=type(self), owner=self.owner)
        except Exception:
            logger.exception("The worker could not say that it lives; trying again.")
            connection.close()
        self.stop_flag.wait(config().sweep_every)

    def _sweep(self) -> bool:
        try:
            close_old_connections()
            sweep()
        except Exception:
            logger.exception("The sweeper failed; trying again.")
            connection.close()
            return False
        return True

    def _say_alive(self, swept: bool) -> None:
        now = clock.now()
        seen: dict[str, Any] = {"queues": self.queues, "seen_at": now} | ({"swept_at": now} if swept else {})
        Worker.objects.update_or_create(owner=self.owner, defaults=seen, create_defaults=seen | {"started_at": now})
        Worker.objects.filter(seen_at__lt=now - FORGET_AFTER).delete()

    def shutdown(self) -> None:
        try:
            Worker.objects.filter(owner=self.owner).update(stopped_at=clock.now())
        except Exception:
            logger.exception("That this worker stops could not be written; its row ages by itself.")


class LaneConsumer(Consumer):  # type: ignore[misc]
    """A consumer of some of the queues. Worker n serves queue n, n + number of queues, and so on."""

    def __init__(self, huey: Any, queues: Sequence[str], workers: int, **options: Any) -> None:
        self.queues, self.pid = tuple(queues), os.getpid()
        huey.storage.served = self.queues
        super().__init__(huey, workers=max(workers, len(self.queues)), graceful_signal="TERM", **options)
        self.sweeper = self._create_process(Sweeper(huey, self.stop_flag, self.queues, owners.me()), "Sweeper")

    def _create_process(self, process: Any, name: str) -> Any:
        number, initialize = name.removeprefix("Worker-"), process.initialize

        def prepared() -> None:
            if number.isdigit():
                self.huey.storage.pin(self.queues[(int(number) - 1) % len(self.queues)])
            if self.environment.forks:
                heartbeat.expendable.set()
                self._follow_stop_flag()
            initialize()

        process.initialize = prepared
        return super()._create_process(process, name)

    def start(self) -> None:
        super().start()
        self.sweeper.start()
        self._follow_stop_flag()

    def _follow_stop_flag(self) -> None:
        """Tell the steps of this process, which look at one flag between units, when the consumer stops.

        A forked process ends itself when its consumer was killed: nobody would replace it or stop it.
        """
        consumer, process = self.pid, os.getpid()

        def follow() -> None:
            while not self.stop_flag.wait(1):
                if process != consumer and os.getppid() != consumer:
                    os._exit(1)
            heartbeat.stopping.set()

        threading.Thread(target=follow, name="pipelines-stop", daemon=True).start()

    def _join_workers(self) -> bool:
        joined: bool = super()._join_workers()
        self.sweeper.join(2)
        return joined
