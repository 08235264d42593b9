"""Marks in shared memory: written by the working processes, read by their supervisor.

    table = Table.make()
    slot = table.take(owner="host|1234")
    slot.mark('{"step": 5}', limit=120.0)     # this thread has worked on it since now
    slot.alive()                              # the same work, and its time starts again
    slot.release()

A pulse is a mark of kind PULSE, which a thread writes several times a second. When it
stops, no Python code runs in that process. The file contains no pointers and no lock,
so it may be read while its writer is frozen or dead.
"""

import contextlib
import fcntl
import mmap
import os
import struct
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

PULSE, WORK = 1, 2
SLOTS = 256
SLOT_BYTES = 1024
# kind, moment (monotonic, in nanoseconds; 0 means idle), process, thread, limit in
# milliseconds, lengths of two texts.
_HEAD = struct.Struct("<qqqqqHH")
_OWNER_BYTES, _SUBJECT_BYTES = 250, 700
_allocating = threading.Lock()


@dataclass(frozen=True, slots=True)
class Mark:
    """One slot as read: `at` and `limit` are in seconds, `at` by the monotonic clock;
    `owner` names the process.
    """

    kind: int
    at: float
    pid: int
    thread: int
    limit: float
    owner: str
    subject: str


class Table:
    """Slots for marks, in a file that processes share by its file number."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._memory = mmap.mmap(number, SLOTS * SLOT_BYTES)

    @classmethod
    def make(cls) -> Self:
        """Return an empty table whose file is inherited by child processes."""
        try:
            number = os.memfd_create("firstlight-marks", 0)
        except OSError:
            # A filter of system calls may forbid memory files.
            number, path = tempfile.mkstemp(prefix="firstlight-marks-")
            os.unlink(path)
        os.ftruncate(number, SLOTS * SLOT_BYTES)
        return cls(number)

    def clear(self, pid: int | None = None) -> None:
        """Empty all slots, or those of one process."""
        for index in range(SLOTS):
            if pid is None or _HEAD.unpack_from(self._memory, index * SLOT_BYTES)[2] == pid:
                self._memory[index * SLOT_BYTES : (index + 1) * SLOT_BYTES] = bytes(SLOT_BYTES)

    def take(self, owner: str, kind: int = WORK) -> "Slot | None":
        """Return a free slot for the calling thread, or None when all are taken."""
        with _allocating, self._locked():
            for index in range(SLOTS):
                pid = _HEAD.unpack_from(self._memory, index * SLOT_BYTES)[2]
                if not pid or not _exists(pid):
                    return Slot(self._memory, index * SLOT_BYTES, owner, kind)
        return None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from taking a slot at the same time."""
        fcntl.lockf(self.number, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.lockf(self.number, fcntl.LOCK_UN)

    def read(self) -> list[Mark]:
        """Return the marks of all slots that are not idle."""
        marks = []
        for index in range(SLOTS):
            start = index * SLOT_BYTES
            kind, at, pid, thread, limit, owner_size, subject_size = _HEAD.unpack_from(
                self._memory, start
            )
            if not at or not pid:
                continue
            texts = start + _HEAD.size
            owner = self._memory[texts : texts + min(owner_size, _OWNER_BYTES)]
            texts += _OWNER_BYTES
            subject = self._memory[texts : texts + min(subject_size, _SUBJECT_BYTES)]
            marks.append(
                Mark(kind, at / 1e9, pid, thread, limit / 1000, _text(owner), _text(subject)),
            )
        return marks


class Slot:
    """One thread's place in the table."""

    def __init__(self, memory: mmap.mmap, start: int, owner: str, kind: int) -> None:
        self._memory, self._start, self._kind = memory, start, kind
        self._pid, self._thread, self._limit = os.getpid(), threading.get_native_id(), 0
        self._owner = owner.encode()[:_OWNER_BYTES]
        texts = start + _HEAD.size
        memory[texts : texts + len(self._owner)] = self._owner
        self._subject_size = 0
        self._write(0)

    def mark(self, subject: str, limit: float) -> None:
        """Record what this thread works on from now on, and how many seconds it may
        take for it.
        """
        self._write(0)
        text = subject.encode(errors="replace")[:_SUBJECT_BYTES]
        start = self._start + _HEAD.size + _OWNER_BYTES
        self._memory[start : start + len(text)] = text
        self._subject_size, self._limit = len(text), int(limit * 1000)
        self._write(time.monotonic_ns())

    def alive(self) -> None:
        """Record that the thread makes progress: its time starts again."""
        self._write(time.monotonic_ns())

    def idle(self) -> None:
        """Record that the thread works on nothing."""
        self._write(0)

    def release(self) -> None:
        """Release the slot."""
        self._memory[self._start : self._start + _HEAD.size] = bytes(_HEAD.size)

    def _write(self, at: int) -> None:
        sizes = len(self._owner), self._subject_size
        _HEAD.pack_into(
            self._memory,
            self._start,
            self._kind,
            at,
            self._pid,
            self._thread,
            self._limit,
            *sizes,
        )


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
