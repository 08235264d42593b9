"""Migrate the database in one process at a time, however many processes start together.

    with migration_lock():
        call_command("migrate")

On PostgreSQL the lock is an advisory lock of the database, on SQLite a locked file
beside the database file. Both end with the process that holds them.
"""

import contextlib
import fcntl
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from django.core.management import call_command
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

logger = logging.getLogger(__name__)

# Any number that no other program uses: the ASCII of "firstlig".
ADVISORY_KEY = 0x66697273746C6967
PAUSE = 0.3  # seconds between two attempts to get the lock


def is_current() -> bool:
    """Return whether the database has all migrations of this release."""
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def migrate_once(verbosity: int = 1) -> None:
    """Apply missing migrations. If another process migrates, wait for it first."""
    with migration_lock():
        if not is_current():
            call_command("migrate", interactive=False, verbosity=verbosity)
    connection.close()


@contextlib.contextmanager
def migration_lock() -> Iterator[None]:
    """Hold the lock around migrations; wait as long as another process holds it."""
    held = _postgres_lock() if connection.vendor == "postgresql" else _file_lock()
    with held:
        yield


@contextlib.contextmanager
def _postgres_lock() -> Iterator[None]:
    """Hold the advisory lock in a transaction of a connection of its own.

    A transaction's lock also works behind PgBouncer. Each attempt is a short
    transaction, because a statement that waits for the lock would keep CREATE INDEX
    CONCURRENTLY from finishing.
    """
    own = connection.copy()
    try:
        own.set_autocommit(False)
        _acquire(lambda: _try_advisory_lock(own))
        yield
    finally:
        own.close()


def _try_advisory_lock(own: BaseDatabaseWrapper) -> bool:
    with own.cursor() as cursor:
        # The project's own limit would end this transaction during a long migration.
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [ADVISORY_KEY])
        (held,) = cursor.fetchone()
    if not held:
        own.rollback()
    return bool(held)


@contextlib.contextmanager
def _file_lock() -> Iterator[None]:
    """Hold the lock of a file beside the SQLite database, as `db.sqlite3.migrate-lock`."""
    path = Path(f"{connection.settings_dict['NAME']}.migrate-lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        _acquire(lambda: _try_file_lock(file))
        yield


def _try_file_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _acquire(attempt: Callable[[], bool]) -> None:
    """Repeat an attempt until it succeeds. Log once that the process waits."""
    waits = False
    while not attempt():
        if not waits:
            logger.info("Another process migrates the database; waiting for it.")
            waits = True
        time.sleep(PAUSE)
