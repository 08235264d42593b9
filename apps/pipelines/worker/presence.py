"""Which processes run: each web process and worker keeps a row, with its release and
its first key.

    Beat("web")              a thread of this process renews its row until it ends
    announce("worker", ...)  the worker's own loop renews it
    with_other_keys()        what has to be restarted before the keys may be changed

A process counts as running until its row is a minute old, or its machine proves that it
is gone.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.utils.crypto import salted_hmac

from apps.pipelines import clock
from apps.pipelines.models import ProcessSeen
from apps.pipelines.worker import process_id

# Seconds between two renewals of a row.
RENEW_EVERY = 10.0
# Six missed renewals, so that a slow database does not make a process disappear.
GONE_AFTER = timedelta(seconds=60)
FORGET_AFTER = timedelta(days=1)
FINGERPRINT_LENGTH = 16


def announce(kind: str, detail: str = "") -> None:
    """Write that this process runs.

    `kind` is web or worker, `detail` its queues or nothing.
    """
    now = clock.now()
    values = {
        "kind": kind,
        "detail": detail,
        "host": socket.gethostname()[:100],
        "pid": os.getpid(),
        "release": settings.RELEASE,
        "key": key_fingerprint(),
        "seen_at": now,
    }
    ProcessSeen.objects.update_or_create(
        owner=process_id.me(), defaults=values, create_defaults=values | {"started_at": now}
    )
    # A process that was killed could not delete its row.
    ProcessSeen.objects.filter(seen_at__lt=now - FORGET_AFTER).delete()


def withdraw() -> None:
    """Delete this process's row, because it ends."""
    ProcessSeen.objects.filter(owner=process_id.me()).delete()


class Beat:
    """Renews this process's row from a thread of its own: `beat = Beat("web")`, and
    `beat.end()` at last.

    An outage of the database changes nothing but the row's age.
    """

    def __init__(self, kind: str) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(
            target=_renew, args=(kind, self._over), name="pipelines-presence", daemon=True
        )
        self._thread.start()

    def end(self) -> None:
        """Delete the row; wait no longer than a second for a database that hangs."""
        self._over.set()
        self._thread.join(1)


def _renew(kind: str, over: threading.Event) -> None:
    while not over.is_set():
        _try(lambda: announce(kind))
        over.wait(RENEW_EVERY)
    _try(withdraw)


def _try(action: Callable[[], None]) -> None:
    with contextlib.suppress(DatabaseError, InterfaceError):
        action()
    connection.close()


class Announcer:
    """Renews a row from a loop that runs more often than needed."""

    def __init__(self, kind: str, detail: str) -> None:
        self._kind, self._detail = kind, detail
        self._at = float("-inf")

    def renew(self) -> None:
        if time.monotonic() - self._at >= RENEW_EVERY:
            announce(self._kind, self._detail)
            self._at = time.monotonic()


def key_fingerprint() -> str:
    """Return a keyed hash of the first of CREDENTIAL_KEYS. Equal keys have equal
    hashes, and the hash does not reveal the key.
    """
    first = settings.CREDENTIAL_KEYS[0] if settings.CREDENTIAL_KEYS else ""
    return salted_hmac("apps.pipelines.worker.presence", first, algorithm="sha256").hexdigest()[
        :FINGERPRINT_LENGTH
    ]


def running() -> list[ProcessSeen]:
    """Return the rows of the processes that run, the oldest first."""
    recent = ProcessSeen.objects.filter(seen_at__gt=clock.now() - GONE_AFTER).order_by(
        "started_at"
    )
    # A process of this machine that was killed need not be waited for: its death can be
    # proved.
    return [process for process in recent if not process_id.is_dead(process.owner)]


def with_other_keys() -> list[ProcessSeen]:
    """Return the running processes whose first key is not this process's."""
    mine = key_fingerprint()
    return [process for process in running() if process.key != mine]
