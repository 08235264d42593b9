"""Notify web processes elsewhere, after the commit, that a run has new events.

A notification may be lost, because each hub also checks for new events by itself every
few seconds. Sending one never fails and never blocks the sender.
"""

import logging
import os
import queue
import threading
import time
from functools import cache, partial
from typing import Any
from uuid import UUID

import redis
from django.conf import settings
from django.db import transaction
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.redis_client import UNUSABLE

logger = logging.getLogger(__name__)

# Seconds. Pages notice changes without Redis, too, so a slow answer is not worth a
# wait.
TIMEOUT = 0.2
# Seconds of a pause after a failure. Notifications during it become one for each run.
BREAK = 1.0
GATHER = 0.01


def channel() -> str:
    """Return the channel of this installation's notifications in Redis."""
    return f"{settings.HUEY['name']}:runs"


def after_commit(run_id: Any, before: int) -> None:
    """Send a notification when the open transaction has been committed.

    `before` is the run's number before its events.
    """
    if settings.REDIS_URL:
        transaction.on_commit(
            partial(_notifier(settings.REDIS_URL).notify, run_id), robust=True
        )
    if getattr(settings, "GRIP_URL", ""):
        from apps.pipelines.stream import grip

        transaction.on_commit(partial(grip.publish, run_id, before), robust=True)


class Bell:
    """Publishes notifications to one Redis, from a thread of its own, so that the
    caller never waits for Redis.
    """

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(
            url,
            socket_timeout=TIMEOUT,
            socket_connect_timeout=TIMEOUT,
            retry=Retry(NoBackoff(), 0),
        )
        self._rung: queue.SimpleQueue[UUID] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread_of_pid: int | None = None
        self._failed_at = float("-inf")

    def notify(self, run_id: UUID) -> None:
        self._rung.put(run_id)
        # Threads do not survive a fork: each process starts its own at its first
        # notification.
        with self._lock:
            if self._thread_of_pid != os.getpid():
                self._thread_of_pid = os.getpid()
                threading.Thread(
                    target=self._publish_all, name="pipelines-hints", daemon=True
                ).start()

    def _publish_all(self) -> None:
        while True:
            run_ids = {self._rung.get()}
            # The next step is about to be dispatched and will write events of its own.
            # One message covers both.
            time.sleep(GATHER)
            while not self._rung.empty():
                run_ids.add(self._rung.get())
            try:
                self._client.publish(channel(), " ".join(map(str, run_ids)))
            except UNUSABLE as error:
                if time.monotonic() - self._failed_at > 10 * BREAK:
                    logger.warning(
                        "Redis is away (%s); open pages learn of changes up to 2 s later.",
                        error,
                    )
                self._failed_at = time.monotonic()
                time.sleep(BREAK)


@cache
def _notifier(url: str) -> Bell:
    return Bell(url)
