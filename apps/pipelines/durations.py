"""How long steps work: totals that are added to when a step ends and never fall, even
if rows of runs are deleted.

    note("sync", 12.5)   in the memory of the process that ended the step
    flush()              adds what was noted to the rows; every 10 s, and when the process ends

A process that is killed loses what it noted since its last flush. Nothing is written
between two steps of a run, so that steps follow each other quickly.
"""

import logging
import threading
import time
from bisect import bisect_left
from collections import defaultdict

from django.db import DatabaseError, IntegrityError, InterfaceError, connection
from django.db.models import F

from apps.pipelines.models import StepDuration

logger = logging.getLogger(__name__)

# Upper bounds in seconds; one more bucket counts what takes longer. To change them, the
# stored rows have to be changed too.
BUCKETS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0)
FLUSH_EVERY = 10.0

_lock = threading.Lock()
_noted: defaultdict[tuple[str, int], list[float]] = defaultdict(lambda: [0, 0.0])
_flushed_at = time.monotonic()


def note(step: str, seconds: float) -> None:
    """Count a step that ended well, with its key and the seconds that it worked."""
    with _lock:
        noted = _noted[step, bisect_left(BUCKETS, seconds)]
        noted[0] += 1
        noted[1] += seconds


def flush_if_due() -> None:
    """Flush if the last flush was 10 s ago or earlier."""
    if time.monotonic() - _flushed_at >= FLUSH_EVERY:
        flush()


def flush() -> None:
    """Add what was noted to the rows. If the database is away, keep it for the next
    flush.
    """
    global _flushed_at
    _flushed_at = time.monotonic()
    with _lock:
        taken = dict(_noted)
        _noted.clear()
    for (step, bucket), (count, seconds) in taken.items():
        try:
            _add(step, bucket, int(count), seconds)
        except (DatabaseError, InterfaceError):
            logger.warning("The durations of steps could not be written; trying again.")
            with _lock:
                noted = _noted[step, bucket]
                noted[0] += count
                noted[1] += seconds
            connection.close()
            # Keep the rest for the next flush, too.
            continue


def _add(step: str, bucket: int, count: int, seconds: float) -> None:
    rows = StepDuration.objects.filter(step=step, bucket=bucket)
    if rows.update(count=F("count") + count, seconds=F("seconds") + seconds):
        return
    try:
        StepDuration.objects.create(step=step, bucket=bucket, count=count, seconds=seconds)
    except IntegrityError:
        # Another process has created the row meanwhile.
        rows.update(count=F("count") + count, seconds=F("seconds") + seconds)


def totals() -> dict[str, tuple[list[int], float]]:
    """Return {step: (counts up to each bucket's bound, the last without a bound;
    seconds)}.
    """
    found: dict[str, tuple[list[int], float]] = {}
    for row in StepDuration.objects.order_by("step", "bucket"):
        counts, seconds = found.get(row.step, ([0] * (len(BUCKETS) + 1), 0.0))
        for index in range(row.bucket, len(counts)):
            counts[index] += row.count
        found[row.step] = (counts, seconds + row.seconds)
    return found
