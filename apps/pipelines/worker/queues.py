"""Several queues inside one Huey instance.

A Huey pipeline cannot cross two instances, because a message of the other one is not in
the registry. Therefore all queues belong to one instance. Each has its own storage for
messages and schedule; all else (locks, revocations) is shared. A task's queue is the
`queue` of its task class. A worker thread or process serves the queue that `serve()`
pinned it to.
"""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import redis
from huey import Huey
from huey.api import Task
from huey.storage import PriorityRedisStorage
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from apps.pipelines.worker.queue_file import HealingSqliteStorage
from apps.redis_client import UNUSABLE, CheckedRedis

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT = 1.0  # seconds
# A worker's blocking read waits one second in Redis; an answer that takes longer than
# this counts as lost.
SOCKET_TIMEOUT = 2.0
# For so long after a failure, messages are refused at once, so that pages do not wait.
# The sweeper sends them again.
PAUSE = 2.0
# How long a worker waits after a failure of Redis before it reads again, doubled after
# each further failure.
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0


class LaneMessage(bytes):
    """A serialized task with its queue, so that Huey's own enqueue and schedule code
    can pass it on.
    """

    queue: str

    def __new__(cls, data: bytes, queue: str) -> "LaneMessage":
        message = super().__new__(cls, data)
        message.queue = queue
        return message


class LaneStorage:
    """A front for one storage per queue. Everything that is not about messages goes to
    the shared storage.
    """

    priority = True

    def __init__(self, name: str, queues: Iterable[str], make: Callable[[str], Any]) -> None:
        self.name = name
        self.lanes = {queue: make(f"{name}_{queue}") for queue in queues}
        self.shared = make(name)
        self.blocking = self.shared.blocking
        self._pinned = threading.local()
        self._paused_until = 0.0
        self._failed_reads = 0
        self.served: tuple[str, ...] = tuple(self.lanes)

    def __getattr__(self, attribute: str) -> Any:
        return getattr(self.__dict__["shared"], attribute)

    def pin(self, queue: str) -> None:
        """Make this thread take messages from that queue only, from now on."""
        self._pinned.queue = queue

    def close(self) -> None:
        for storage in (*self.lanes.values(), self.shared):
            storage.close()

    def enqueue(self, data: LaneMessage, priority: float | None = None) -> None:
        """Put a message into its queue.

        Raises RedisError. For two seconds after a failure it does so at once.
        """
        # Redis is not even tried during the pause, because a web request would wait for
        # the timeout.
        if time.monotonic() < self._paused_until:
            raise RedisError("The queue has just failed; the sweeper sends the message again.")
        try:
            self.lanes[data.queue].enqueue(bytes(data), priority)
        except sqlite3.Error:
            raise
        except UNUSABLE as error:
            self._paused_until = time.monotonic() + PAUSE
            if isinstance(error, RedisError):
                raise
            raise RedisError(
                f"Redis answered what is no answer ({type(error).__name__})."
            ) from error

    def dequeue(self) -> bytes | None:
        """Return a message, or None.

        While Redis fails, wait before raising the error, so that requests are rare.
        """
        queue = getattr(self._pinned, "queue", None)
        # A thread without a pinned queue reads those of its process in their order.
        for lane in (queue,) if queue else self.served:
            try:
                data: bytes | None = self.lanes[lane].dequeue()
            except UNUSABLE:
                time.sleep(min(FIRST_PAUSE * 2 ** min(self._failed_reads, 10), LONGEST_PAUSE))
                self._failed_reads += 1
                raise
            self._failed_reads = 0
            if data is not None:
                return data
        return None

    def queue_size(self, queue: str | None = None) -> int:
        lanes = [self.lanes[queue]] if queue else self.lanes.values()
        return sum(lane.queue_size() for lane in lanes)

    def enqueued_items(self, limit: int | None = None) -> list[bytes]:
        return [item for lane in self.lanes.values() for item in lane.enqueued_items(limit)][
            :limit
        ]

    def flush_queue(self) -> None:
        for lane in self.lanes.values():
            lane.flush_queue()

    def add_to_schedule(self, data: LaneMessage, ts: Any) -> None:
        self.lanes[data.queue].add_to_schedule(bytes(data), ts)

    def read_schedule(self, ts: Any) -> list[bytes]:
        """Return due messages of the queues that this process serves. Other processes
        read those of the other queues.
        """
        return [item for queue in self.served for item in self.lanes[queue].read_schedule(ts)]

    def schedule_size(self) -> int:
        return sum(lane.schedule_size() for lane in self.lanes.values())

    def scheduled_items(self, limit: int | None = None) -> list[bytes]:
        return [item for lane in self.lanes.values() for item in lane.scheduled_items(limit)][
            :limit
        ]

    def flush_schedule(self) -> None:
        for lane in self.lanes.values():
            lane.flush_schedule()

    def flush_all(self) -> None:
        self.flush_queue()
        self.flush_schedule()
        self.shared.flush_results()
        self.shared.flush_counters()


class LaneHuey(Huey):  # type: ignore[misc]
    """A Huey with several queues, named by `queues`. A task without a `queue` goes to
    the last one.
    """

    storage: LaneStorage

    def __init__(
        self, name: str = "huey", queues: Iterable[str] = ("default",), **kwargs: Any
    ) -> None:
        self.queues = tuple(queues)
        super().__init__(name, **kwargs)

    def create_storage(self) -> LaneStorage:
        return LaneStorage(
            self.name, self.queues, lambda name: self.storage_class(name, **self.storage_kwargs)
        )

    def queue_of(self, task: Task) -> str:
        queue = getattr(type(task), "queue", None) or self.queues[-1]
        if queue not in self.queues:
            raise ValueError(
                f"Task {task.name!r} asks for queue {queue!r}; there are {', '.join(self.queues)}."
            )
        return queue

    def serialize_task(self, task: Task) -> LaneMessage:
        return LaneMessage(super().serialize_task(task), self.queue_of(task))

    def dequeue(self) -> Task | None:
        """Return the next message of this thread's queue, or None.

        A message without this installation's signature is dropped unread: it is of an
        older release, of a former SECRET_KEY, or of a stranger who can write to the
        queue. The sweeper sends again what a step still needs.
        """
        while True:
            data = self.storage.dequeue()
            if data is None:
                return None
            try:
                return self.deserialize_task(data)
            # The signature is checked before anything is unpickled.
            except ValueError:
                logger.warning(
                    "A message without this installation's signature was dropped from the queue."
                )

    def read_periodic(self, timestamp: Any) -> list[Task]:
        return [
            task
            for task in super().read_periodic(timestamp)
            if self.queue_of(task) in self.storage.served
        ]

    def pending_count(self, queue: str | None = None) -> int:
        """Return how many messages wait for a worker, in one queue or in all."""
        return self.storage.queue_size(queue)


class SqliteLaneHuey(LaneHuey):
    storage_class = HealingSqliteStorage


class CheckedRedisStorage(PriorityRedisStorage):  # type: ignore[misc]
    """Huey's storage in Redis, by a client that checks what Redis answers."""

    redis_client = CheckedRedis


class RedisLaneHuey(LaneHuey):
    """Queues in Redis, with one pool of connections that give up soon, because a web
    process sends messages, too.
    """

    storage_class = CheckedRedisStorage

    def create_storage(self) -> LaneStorage:
        # All queues share one pool. With the URL, each storage would open its own.
        url = self.storage_kwargs.pop("url", None)
        if url:
            self.storage_kwargs["connection_pool"] = redis.ConnectionPool.from_url(
                url,
                socket_connect_timeout=CONNECT_TIMEOUT,
                socket_timeout=SOCKET_TIMEOUT,
                # The sweeper repeats lost messages, so a retry here would only delay
                # the caller.
                retry=Retry(NoBackoff(), 0),
            )
        return super().create_storage()
