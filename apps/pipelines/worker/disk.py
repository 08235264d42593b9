"""A full disk: recognized in an error, or found by a trial write.

is_full(error)     whether a full disk is why something failed
problem()          "" or "The disk is full: …", for probes and pages; it writes, and is cached for a few seconds
"""

import errno
import logging
import secrets
import sqlite3
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import psycopg.errors
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from apps.pipelines.models import Incident

logger = logging.getLogger(__name__)

FULL = (
    "The disk is full: nothing can be stored. Work continues automatically when there is space."
)
# How long a step waits before it tries again to write.
PAUSE = timedelta(seconds=15)
# Bytes that are written to see whether there is room: more than a transaction of SQLite
# needs.
PROBE_BYTES = 256 * 1024
# The part that is written to a row on PostgreSQL: it is rolled back, but its page has
# to be cleaned up.
ROW_BYTES = 8 * 1024
REMEMBERED_FOR = 5.0
_ERRNOS = (errno.ENOSPC, errno.EDQUOT)
_seen: tuple[float, str] | None = None


def is_full(error: BaseException | None) -> bool:
    """Return whether the exception, or one that it was raised from, states that a disk
    is full.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in _ERRNOS:
            return True
        if isinstance(error, psycopg.errors.DiskFull):
            return True
        if (
            isinstance(error, sqlite3.Error)
            and getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def is_cause_of(error: Exception) -> bool:
    """Return whether a full disk is why something failed.

    SQLite may report a full disk as any input or output error, so this tries a write.
    """
    return is_full(error) or (isinstance(error, DatabaseError) and bool(problem()))


def problem() -> str:
    """Return the problem as a message for operators and members, or an empty text."""
    global _seen
    if _seen is None or time.monotonic() - _seen[0] > REMEMBERED_FOR:
        _seen = (time.monotonic(), _look())
    return _seen[1]


def _look() -> str:
    try:
        for folder in _folders():
            _write_file(folder)
        if connection.vendor == "postgresql":
            _write_row()
    except (OSError, DatabaseError) as error:
        # Other checks report other problems of the database.
        if is_full(error):
            logger.error("The disk is full: %s", error)
            return FULL
    return ""


def _folders() -> set[Path]:
    """Return the folders that this installation writes to on this machine."""
    folders = {Path(settings.STATE_DIR)}
    if connection.vendor == "sqlite":
        folders.add(Path(connection.settings_dict["NAME"]).parent)
    return {folder for folder in folders if folder.is_dir()}


def _write_file(folder: Path) -> None:
    path = folder / f".disk-probe-{secrets.token_hex(6)}"
    try:
        path.write_bytes(bytes(PROBE_BYTES))
    finally:
        with suppress(OSError):
            path.unlink()


def _write_row() -> None:
    with transaction.atomic():
        # Random digits: a column that compresses well would take no room.
        Incident.objects.create(
            reference=secrets.token_hex(6),
            at=timezone.now(),
            where="disk probe",
            details=secrets.token_hex(ROW_BYTES // 2),
        )
        transaction.set_rollback(True)
