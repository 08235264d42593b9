"""Run a check with a deadline. A probe must answer even while the database or Redis
does not.

    DATABASE = Check(read_the_database, late="The database does not answer.")
    together(DATABASE, QUEUE)    a list of sentences for each, all after 1.5 s at the latest

A check runs in a thread of its own and never twice at the same time. A flood of probes
therefore costs one check a second, and a server that hangs holds one thread.
"""

import logging
import threading
import time
from collections.abc import Callable

from django.db import connections

logger = logging.getLogger(__name__)

DEADLINE = 1.2  # seconds from the question to the answer
FRESH_FOR = 1.0  # seconds that an answer is given again


class Check:
    """A function that returns problems as sentences, asked at most once a second."""

    def __init__(self, check: Callable[[], list[str]], *, late: str) -> None:
        """`late` is the problem that is reported if `check` has not returned within the
        deadline, or raises.
        """
        self._check = check
        self._late = late
        self._lock = threading.Lock()
        self._running: threading.Event | None = None
        self._problems: list[str] = []
        self._checked_at = float("-inf")

    def start(self) -> threading.Event | None:
        """Start the check unless it runs already.

        Returns the event of its end; None if its answer is fresh.
        """
        with self._lock:
            if time.monotonic() - self._checked_at < FRESH_FOR:
                return None
            running = self._running
            if running is None:
                running = self._running = threading.Event()
                threading.Thread(
                    target=self._run, args=(running,), name="probe", daemon=True
                ).start()
        return running

    def answer(self, running: threading.Event | None, until: float) -> list[str]:
        """Return the problems that were found; `late` alone if the check still runs at
        `until` (monotonic clock).
        """
        if running is not None and not running.wait(max(0.0, until - time.monotonic())):
            return [self._late]
        return self._problems

    def forget(self) -> None:
        """Run the check at the next request for its answer; for tests."""
        self._checked_at = float("-inf")

    def _run(self, done: threading.Event) -> None:
        try:
            self._problems = self._check()
        except Exception:
            logger.exception("%s", self._late)
            self._problems = [self._late]
        finally:
            connections.close_all()
            with self._lock:
                self._checked_at = time.monotonic()
                self._running = None
            done.set()


def together(*checks: Check) -> list[list[str]]:
    """Run checks side by side.

    Return the problems of each, after `DEADLINE` seconds at the latest.
    """
    until = time.monotonic() + DEADLINE
    running = [check.start() for check in checks]
    return [check.answer(event, until) for check, event in zip(checks, running, strict=True)]
