"""Whether workers and sweepers are alive, for the pages, `/healthz`, and the commands.

About once a second each worker process writes that it is alive, and when its sweeper
last checked every live step without an error. A sweeper that fails is as bad as none:
nothing would recover, and the failure would stay hidden.
"""

import sqlite3
import time
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from huey.contrib.djhuey import HUEY
from redis.backoff import NoBackoff
from redis.retry import Retry

from apps.pipelines import clock
from apps.pipelines.models import Worker
from apps.pipelines.worker import disk, process_id
from apps.redis_client import UNUSABLE, CheckedRedis

# After so long without a sign of life, a worker does not count as alive. It is ten
# times the pause between two signs.
SILENT_AFTER = timedelta(seconds=10)

# A worker that ended by SIGTERM is being restarted, as in an upgrade. No alert is sent
# within this time.
RESTART_GRACE = timedelta(seconds=60)

# Seconds that a check waits for a lock of the database, and that its answer is cached.
LOCK_SECONDS, LOCK_KNOWN_FOR = 0.5, 2.0

# Seconds that Redis gets to answer a probe.
QUEUE_TIMEOUT = 1.0

# PostgreSQL's code for a lock that was not granted in time.
LOCK_NOT_AVAILABLE = "55P03"

# When the lock was tried last (monotonic clock), and whether it was held.
_locked: tuple[float, bool] | None = None


def queue_problems() -> list[str]:
    """Write and read one key of the queue, and count the messages of each queue.

    Returns the problem as a list of one sentence, without hosts and passwords; an
    empty list if all is well.
    """
    problem = _redis_problem() if settings.REDIS_URL else _file_problem()
    return [problem] if problem else []


def redis_facts() -> dict[str, Any]:
    """Return Redis's own report (INFO); empty if Redis does not answer within a second."""
    try:
        with _redis() as client:
            facts: dict[str, Any] = client.info()
            return facts
    except UNUSABLE:
        return {}


def _redis() -> redis.Redis:
    """Return a client that gives up soon and does not retry."""
    return CheckedRedis.from_url(
        settings.REDIS_URL,
        socket_timeout=QUEUE_TIMEOUT,
        socket_connect_timeout=QUEUE_TIMEOUT,
        retry=Retry(NoBackoff(), 0),
    )


def _redis_problem() -> str:
    client = _redis()
    key = f"{settings.HUEY['name']}:probe"
    try:
        with client:
            client.set(key, b"1", ex=60)
            if client.get(key) != b"1":
                raise redis.InvalidResponse(
                    "A key has another value than the one that was written."
                )
            for lane in HUEY.storage.lanes.values():
                client.zcard(lane.queue_key)
    except redis.AuthenticationError:
        return "The queue refuses our password: REDIS_URL and Redis differ."
    except redis.ReadOnlyError:
        return "The queue takes no messages: Redis is read-only, a replica."
    except redis.OutOfMemoryError:
        return "The queue takes no messages: Redis has reached its memory limit."
    except redis.TimeoutError:
        return "The queue does not answer: Redis hangs."
    except redis.ConnectionError:
        return "The queue can't be reached: Redis refuses connections or is not there."
    except redis.ResponseError as error:
        return _refusal(str(error))
    except UNUSABLE:
        return "The queue takes no messages: what answers is not Redis."
    return ""


def _refusal(text: str) -> str:
    kind = text.partition(" ")[0]
    reasons = {
        "MISCONF": "Redis can't write to its disk",
        "READONLY": "Redis is read-only, a replica",
        "OOM": "Redis has reached its memory limit",
        "LOADING": "Redis is still reading its data",
        "NOPERM": "our user lacks a right",
        "NOAUTH": "Redis wants a password",
        "WRONGPASS": "Redis refuses our password",
        "WRONGTYPE": "another program has written to our keys",
    }
    return (
        f"The queue takes no messages: {reasons.get(kind, f'Redis refuses with {kind[:20]}')}."
    )


def _file_problem() -> str:
    try:
        HUEY.storage.put_data("probe", b"1")
        HUEY.storage.peek_data("probe")
    except sqlite3.Error as error:
        # SQLite's own messages name no path.
        return f"The queue takes no messages: {error}."
    return ""


def live_workers() -> list[Worker]:
    """Return the worker processes that are alive: seen lately, not stopped, and not
    known to be dead.
    """
    recent = Worker.objects.filter(stopped_at=None, seen_at__gt=clock.now() - SILENT_AFTER)
    return [worker for worker in recent if not process_id.is_dead(worker.owner)]


def queues_without_workers() -> dict[str, float | None]:
    """Return the queues that no live worker serves, in the order of the settings; empty
    if all is well.

    The value is the seconds since a worker was seen there; None if none was within a
    day.
    """
    served = {queue for worker in live_workers() for queue in worker.queues}
    missing = [queue for queue in HUEY.queues if queue not in served]
    if not missing:
        return {}
    now, seen = clock.now(), _last_seen()
    return {
        queue: (now - seen[queue]).total_seconds() if queue in seen else None
        for queue in missing
    }


def queues_to_report() -> dict[str, float | None]:
    """Return the queues without a worker that an operator should know of. Queues whose
    worker has just left are not among them.

    A worker that ended by SIGTERM has a minute to come back, one that died as long as a
    start takes. The value is as in `queues_without_workers`.
    """
    missing = queues_without_workers()
    if not missing:
        return {}
    now = clock.now()
    restarting = {queue for worker in _left_in_order() for queue in worker.queues}
    just_seen = {queue for queue, at in _last_seen().items() if now - at < SILENT_AFTER}
    return {
        queue: seconds
        for queue, seconds in missing.items()
        if queue not in restarting | just_seen
    }


def is_restarting() -> bool:
    """Return whether a worker ended by SIGTERM within the last minute, so that another
    one is about to sweep.
    """
    return bool(_left_in_order())


def _left_in_order() -> list[Worker]:
    return list(Worker.objects.filter(stopped_at__gt=clock.now() - RESTART_GRACE))


def sweeper_age() -> float | None:
    """Return the seconds since a sweeper last checked every live step without an error;
    None if none did within a day.
    """
    newest = Worker.objects.exclude(swept_at=None).order_by("-swept_at").first()
    if newest is None or newest.swept_at is None:
        return None
    return max(0.0, (clock.now() - newest.swept_at).total_seconds())


def disk_problem() -> str:
    """Return a message that the disk is full, or an empty text.

    It tries a write; see `disk`.
    """
    return disk.problem()


def database_is_locked() -> bool:
    """Return whether another program holds a lock that keeps workers from writing that
    they are alive.

    That is SQLite's one lock, or on PostgreSQL a lock on the workers' table or rows.
    Call it before workers are reported as missing. It waits up to half a second for the
    lock.
    """
    global _locked
    if connection.vendor == "sqlite" and connection.in_atomic_block:
        # Inside a transaction, this process itself may hold the lock.
        return False
    now = time.monotonic()
    if _locked is None or now - _locked[0] >= LOCK_KNOWN_FOR:
        if connection.vendor == "sqlite":
            is_locked = _waits_for_file(str(connection.settings_dict["NAME"]))
        else:
            is_locked = _waits_for_workers_rows()
        _locked = (now, is_locked)
    return _locked[1]


def _waits_for_file(name: str) -> bool:
    with closing(
        sqlite3.connect(
            name, timeout=LOCK_SECONDS, isolation_level=None, uri=name.startswith("file:")
        )
    ) as own:
        try:
            own.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
        own.execute("ROLLBACK")
    return False


def _waits_for_workers_rows() -> bool:
    """Take the locks that a worker needs to write that it is alive, and release them."""
    rows = Worker.objects.filter(stopped_at=None).order_by("pk").select_for_update(no_key=True)
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = %s", [f"{LOCK_SECONDS * 1000:.0f}ms"])
                cursor.execute("LOCK TABLE pipelines_worker IN ROW EXCLUSIVE MODE")
            list(rows.values_list("pk"))
            # The locks and the time limit end with it, also inside a transaction of the
            # caller.
            transaction.set_rollback(True)
    except DatabaseError as error:
        # A database that accepts no writes at all is a different problem, for example.
        return getattr(error.__cause__, "sqlstate", "") == LOCK_NOT_AVAILABLE
    return False


def _last_seen() -> dict[str, datetime]:
    newest: dict[str, datetime] = {}
    for worker in Worker.objects.order_by("seen_at"):
        newest |= dict.fromkeys(worker.queues, worker.seen_at)
    return newest
