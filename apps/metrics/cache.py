"""What pages computed, kept in the process until the team's data changes: the same page
is asked for many times.

    touch(team_id)                  the data behind the pages has changed; in the transaction that changes it
    remembered(team_id, key, make)  the value of `make`, or what it gave before as long as nothing has changed

A stamp in the database says whether anything has; a team without one is computed each
time. What is kept is forgotten after a minute in any case, so that no mistake in here
lasts.
"""

import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from apps.metrics.gc import without_gc
from apps.metrics.models import FiguresStamp

SECONDS = 60.0
# Of a team with 130,000 pull requests one page's figures are a few hundred kilobytes.
MOST = 256

_kept: OrderedDict[tuple[uuid.UUID, Hashable], tuple[float, Any]] = OrderedDict()
_lock = threading.Lock()


def touch(team_id: int) -> None:
    """Say that the team's data has changed. One statement."""
    stamp = uuid.uuid4()
    if not FiguresStamp.objects.filter(pk=team_id).update(stamp=stamp):
        FiguresStamp.objects.update_or_create(pk=team_id, defaults={"stamp": stamp})


def stamp_of(team_id: int) -> uuid.UUID | None:
    """What changes with the data; None where it never has. One statement."""
    stamp: uuid.UUID | None = (
        FiguresStamp.objects.filter(pk=team_id).values_list("stamp", flat=True).first()
    )
    return stamp


def remembered[T](stamp: uuid.UUID | None, key: Hashable, make: Callable[[], T]) -> T:
    """The value for this state of the data (`stamp_of`, read before) and this key."""
    if stamp is None:
        return make()
    now = time.monotonic()
    with _lock:
        at, value = _kept.get((stamp, key), (float("-inf"), None))
        if now - at < SECONDS:
            _kept.move_to_end((stamp, key))
            found: T = value
            return found
    with without_gc():
        found = make()
    with _lock:
        _kept[stamp, key] = (now, found)
        while len(_kept) > MOST:
            _kept.popitem(last=False)
    return found
