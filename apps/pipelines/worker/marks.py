"""Marks of what this process's steps work on, for the supervisor outside of it
(`apps.supervision`).

    with marks.attempt(step, limit=120):          the runner, around a step's body
        with marks.watching("#12 of acme/web"):   a body, around what it may have to skip one day
            ...
        marks.alive()                             a body that waits or loops: its time starts again

The begin and the end of a unit, and `StepContext.check`, call `alive` by themselves.
Without a supervisor all of this does nothing.
"""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from apps.pipelines.worker import process_id
from apps.supervision import pulse
from apps.supervision.table import Slot, Table

# The most characters of a description, because each mark has a fixed size in the table.
LONGEST = 120

_table: Table | None = None
_local = threading.local()


@dataclass(slots=True)
class Work:
    """What one thread works on: an attempt at a step, and `what` it reads; empty for
    the unit at the step's cursor.
    """

    step: int
    attempt: int
    limit: float
    slot: Slot | None = None
    what: str = ""

    def show(self) -> None:
        """Write the mark; its time starts again."""
        if self.slot is not None:
            subject = {"step": self.step, "attempt": self.attempt, "what": self.what}
            self.slot.mark(json.dumps(subject, ensure_ascii=False), self.limit)


def use(table: Table | None) -> None:
    """Write the marks of this process, and of those that it forks, to the table from
    now on.
    """
    global _table
    _table = table


def begin_pulse() -> None:
    """Show that Python code runs in this process, whether or not it works on a step."""
    if _table is not None:
        pulse.start(_table, process_id.me())


@contextmanager
def attempt(step: int, number: int, limit: float) -> Iterator[None]:
    """Mark that this thread works on an attempt at a step; `limit` is the seconds that
    a unit may take.
    """
    with _marking(Work(step, number, limit)):
        yield


@contextmanager
def _marking(work: Work) -> Iterator[None]:
    before, _local.work = current(), work
    if _table is not None:
        begin_pulse()
        work.slot = _table.take(process_id.me())
    work.show()
    try:
        yield
    finally:
        _local.work = before
        if work.slot is not None:
            work.slot.release()
        # The work around this block is still going on, so its mark is written again.
        if before is not None:
            before.show()


def current() -> Work | None:
    """Return what this thread works on."""
    return getattr(_local, "work", None)


@contextmanager
def watching(what: str, *, helps: Work | None = None) -> Iterator[None]:
    """Name what this thread works on within the block: if it hangs, that name is
    counted.

    `helps` is the work of the step's own thread (`current()` there), for a thread that
    works for it.
    """
    work = current()
    if helps is not None and helps is not work:
        with _marking(Work(helps.step, helps.attempt, helps.limit, what=short(what))):
            yield
        return
    if work is None:
        yield
        return
    before, work.what = work.what, short(what)
    work.show()
    try:
        yield
    finally:
        work.what = before
        work.show()


@contextmanager
def allowing(seconds: float) -> Iterator[None]:
    """Give this thread at least that many seconds within the block, for a call that has
    a limit of its own.
    """
    work = current()
    if work is None:
        yield
        return
    # A call inside another one must not shorten its limit.
    before, work.limit = work.limit, max(work.limit, seconds)
    work.show()
    try:
        yield
    finally:
        work.limit = before
        work.show()


def alive() -> None:
    """Record that this thread makes progress."""
    work = current()
    if work is not None and work.slot is not None:
        work.slot.alive()


def short(what: str) -> str:
    """Return a description in the form in which it is stored and compared: one line,
    without lone surrogates, shortened.
    """
    return " ".join(what.encode(errors="replace").decode().replace("\0", "").split())[:LONGEST]


def unit_at(cursor: dict[str, Any]) -> str:
    """Return the name of a unit that has none of its own: the one that begins at this
    cursor.
    """
    # Sorted, so that equal cursors have equal names.
    text = json.dumps(cursor, sort_keys=True, default=str)
    return f"unit {hashlib.sha256(text.encode()).hexdigest()[:12]}"
