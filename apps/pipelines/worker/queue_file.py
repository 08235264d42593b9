"""The queue's SQLite file, replaced by a new one when it is damaged.

The queue holds no state: the sweeper sends the message of every waiting step again, so
a new file loses nothing. The damaged one is kept, with its journals, and one warning
names it:

    queue.sqlite3  ->  queue.sqlite3.bad, queue.sqlite3.bad-wal, queue.sqlite3.bad-shm

Any number of processes may find the damage at once. By the lock file
`queue.sqlite3.lock` they act one after the other. Each replaces only the very file in
which it found damage (by device and inode), never the new one of another process. A
process that still has the former file open notices the change by the same numbers, and
opens the new one.
"""

import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path
from typing import Any

from huey.storage import SqliteStorage

logger = logging.getLogger(__name__)

_DAMAGED = {sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT}
# Journals first: SQLite would apply an old journal to a new file with the same name.
SUFFIXES = ("-wal", "-shm", "-journal", "")

# A file's device and inode.
type FileId = tuple[int, int]


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether the error means that the file is no usable database, as opposed to
    busy, full, or read-only.
    """
    # The lower byte is the kind of the error; the rest has the details.
    if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
        return True
    # The tables are created with the file. Another program must have emptied one
    # without them.
    return "no such table" in str(error)


def _healing[**P, R](method: Callable[P, R]) -> Callable[P, R]:
    """Wrap a method of the storage: it replaces a damaged file, then repeats its work
    in the new one.
    """

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            storage: Any = args[0]
            storage.replace_file(error)
            return method(*args, **kwargs)

    return call


class HealingSqliteStorage(SqliteStorage):  # type: ignore[misc]
    """Huey's storage in a SQLite file that replaces the file when it is damaged."""

    filename: str
    _conn: sqlite3.Connection | None
    _file: FileId | None = None

    @property
    def conn(self) -> sqlite3.Connection:
        """The connection to the file that has the name now."""
        # Another process has replaced the file. A write to the old one would be lost.
        if self._conn is not None and _id_of(self.filename) != self._file:
            self._conn.close()
            self._conn = None
        if self._conn is None:
            with _one_at_a_time(self.filename):
                self._conn = self._create_connection()
        return self._conn

    def initialize_schema(self) -> None:
        """Create the tables. A locked or read-only file does not end the process: each
        later use reports the error.
        """
        try:
            super().initialize_schema()
        except sqlite3.OperationalError as error:
            if is_damage(error):
                raise
            self.close()
            logger.error("The queue's file %s can't be used: %s", self.filename, error)

    def _create_connection(self) -> sqlite3.Connection:
        # Read before the file is opened, so that a file which can't be opened is known,
        # too. A new file is known only after it was created.
        self._file = _id_of(self.filename)
        connection: sqlite3.Connection = super()._create_connection()
        if self._file is None:
            self._file = _id_of(self.filename)
            for statement in self.ddl:
                connection.execute(statement)
        return connection

    def _set_journal_mode(self, conn: sqlite3.Connection) -> None:
        """Read the file for the first time; a connection to one that can't be read is
        closed.
        """
        try:
            super()._set_journal_mode(conn)
        except sqlite3.Error:
            conn.close()
            raise

    def close(self) -> bool:
        """Close the connection. Returns whether there was one."""
        with self.lock:
            found = self._conn is not None
            if self._conn is not None:
                self._conn.close()
                self._conn = None
        return found

    def replace_file(self, error: sqlite3.Error) -> None:
        """Set the damaged file aside, unless another process has done so.

        Raises the error if that is not possible.
        """
        self.close()
        # Read before waiting for the lock, during which another process may replace the
        # file.
        damaged = self._file
        try:
            with _one_at_a_time(self.filename):
                if damaged is None or _id_of(self.filename) != damaged:
                    return
                _set_aside(self.filename)
        except OSError as refusal:
            logger.error(
                "The queue's file %s is damaged and can't be moved: %s", self.filename, refusal
            )
            raise error from refusal
        logger.warning(
            "The queue's file was damaged (%s). It is kept as %s.bad, and a new one takes its place; the sweeper sends "
            "what was in it again.",
            error,
            self.filename,
        )


# Each method that reads or writes the file.
for _name in (
    "initialize_schema",
    "enqueue",
    "dequeue",
    "queue_size",
    "enqueued_items",
    "flush_queue",
    "add_to_schedule",
    "read_schedule",
    "schedule_size",
    "scheduled_items",
    "flush_schedule",
    "put_data",
    "peek_data",
    "peek_many",
    "pop_data",
    "has_data_for_key",
    "put_if_empty",
    "incr",
    "delete_counter",
    "result_store_size",
    "result_items",
    "flush_results",
    "flush_counters",
):
    setattr(HealingSqliteStorage, _name, _healing(getattr(HealingSqliteStorage, _name)))


def _id_of(filename: str) -> FileId | None:
    """Return which file has the name, None if there is none."""
    try:
        found = Path(filename).stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _set_aside(filename: str) -> None:
    for suffix in SUFFIXES:
        with suppress(FileNotFoundError):
            os.replace(f"{filename}{suffix}", f"{filename}.bad{suffix}")


@contextmanager
def _one_at_a_time(filename: str) -> Iterator[None]:
    """Wait until no other process opens or replaces the file."""
    try:
        handle = os.open(f"{filename}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        # The folder is read-only. SQLite reports that with a better message.
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
