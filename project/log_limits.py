"""Limit how often one failure is logged: the first records are written, the others are
counted.

A loop that fails fifty times a second while the database is away writes

    ERROR The sweeper failed; trying again.       with its traceback
    ERROR The sweeper failed; trying again. (and 2,998 more in 60 s)

A failure is known by its logger, its level, the template of its message, and the type
and place of its exception.
"""

import copy
import logging
import sys
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

WINDOW = 60.0  # seconds
# Records of one kind that are written in a window: with a traceback, and without.
WITH_TRACEBACK = 2
WITHOUT_TRACEBACK = 10
# The most kinds that are remembered; the oldest is forgotten first.
MAX_KINDS = 500

type Kind = tuple[str, int, str, str]


@dataclass(slots=True)
class _Window:
    """One kind's records since `started` (seconds of the monotonic clock)."""

    started: float
    written: int
    dropped: int
    last: logging.LogRecord


class Limiter:
    """Decides which records are written.

    Not thread-safe: the handler calls it under its own lock.
    """

    def __init__(self) -> None:
        self._windows: OrderedDict[Kind, _Window] = OrderedDict()

    def admit(self, record: logging.LogRecord) -> list[logging.LogRecord]:
        """Return the records to write now: summaries of ended windows, and this record
        if it is within its limit.
        """
        now = time.monotonic()
        ready = self._ended(now)
        if record.levelno < logging.WARNING:
            return [*ready, record]
        kind = kind_of(record)
        window = self._windows.get(kind)
        if window is None:
            self._windows[kind] = _Window(now, 1, 0, record)
            return [*ready, record]
        limit = WITH_TRACEBACK if record.exc_info else WITHOUT_TRACEBACK
        if window.written < limit:
            window.written += 1
            return [*ready, record]
        window.dropped += 1
        window.last = record
        return ready

    def _ended(self, now: float) -> list[logging.LogRecord]:
        """Forget the windows that have ended.

        Returns a summary of each one that dropped records.
        """
        summaries = []
        while self._windows:
            kind, window = next(iter(self._windows.items()))
            if now - window.started < WINDOW and len(self._windows) <= MAX_KINDS:
                break
            del self._windows[kind]
            if not window.dropped:
                continue
            summaries.append(_summary(window, now))
            # The next window begins with the summary, which was written in place of its
            # first record.
            self._windows[kind] = _Window(now, WITHOUT_TRACEBACK, 0, window.last)
        return summaries

    def flush(self) -> list[logging.LogRecord]:
        """Return a summary of each kind that dropped records, at the end of the
        process.
        """
        now = time.monotonic()
        windows = list(self._windows.values())
        self._windows.clear()
        return [_summary(window, now) for window in windows if window.dropped]


def _summary(window: _Window, now: float) -> logging.LogRecord:
    """Return the window's last record without its traceback, with the count of those
    that were dropped.
    """
    record = copy.copy(window.last)
    record.msg = record.getMessage()
    if window.dropped > 1:
        record.msg += f" (and {window.dropped - 1:,} more in {now - window.started:.0f} s)"
    record.args = ()
    record.exc_info = record.exc_text = record.stack_info = None
    return record


def kind_of(record: logging.LogRecord) -> Kind:
    """Return what makes two records the same failure."""
    template = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
    return record.name, record.levelno, template[:200], place_of(record)


def place_of(record: logging.LogRecord) -> str:
    """Return the exception's type and the line that raised it; without an exception,
    the line that wrote the record.
    """
    if not record.exc_info or record.exc_info[0] is None:
        return f"{record.pathname}:{record.lineno}"
    traceback = record.exc_info[2]
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    if traceback is None:
        return record.exc_info[0].__name__
    return f"{record.exc_info[0].__name__} {traceback.tb_frame.f_code.co_filename}:{traceback.tb_lineno}"


class LimitedHandler(logging.StreamHandler[Any]):
    """Writes records to a stream within the limits.

    A record that can't be written costs one line, never an error.
    """

    def __init__(self, stream: Any = None) -> None:
        super().__init__(stream)
        self._limiter = Limiter()

    def emit(self, record: logging.LogRecord) -> None:
        for ready in self._limiter.admit(record):
            super().emit(ready)

    def close(self) -> None:
        """Write the last summaries."""
        for ready in self._limiter.flush():
            super().emit(ready)
        super().close()

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Print the logger's name only. The default of logging prints the arguments,
        which may contain secrets.
        """
        try:
            error = sys.exc_info()[0]
            self.stream.write(
                f"A record of {record.name} could not be written: {error.__name__ if error else ''}\n"
            )
        except (OSError, ValueError):  # the stream itself is full or closed
            pass
