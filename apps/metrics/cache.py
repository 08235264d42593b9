"""Keep what pages computed in the process until the team's data changes, because the
same page is requested many times.

    touch(team_id)                  # after a change of the data, in the same transaction
    stamp = stamp_of(team_id)       # before the data is read
    remembered(stamp, key, make)    # make() the first time, and the kept value from then on

A stamp in the database changes with the data. If a team has no stamp yet, its pages are
computed each time. A value is dropped after a minute in any case, so that a missed
`touch` has no lasting effect.
"""

import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable
from typing import Any

from apps.metrics.gc import without_gc
from apps.metrics.models import FiguresStamp, PullRequestFigures

SECONDS = 60.0
# Of a team with 130,000 pull requests one page's figures are a few hundred kilobytes.
MOST = 256

_kept: OrderedDict[tuple[uuid.UUID, Hashable], tuple[float, Any]] = OrderedDict()
_lock = threading.Lock()


def touch(team_id: int) -> None:
    """Record that the team's data has changed. One statement."""
    stamp = uuid.uuid4()
    if not FiguresStamp.objects.filter(pk=team_id).update(stamp=stamp):
        FiguresStamp.objects.update_or_create(pk=team_id, defaults={"stamp": stamp})


def outdate_measures(team_id: int, pulls: Collection[int]) -> None:
    """Let the measures of these pull requests (primary keys) be computed when they are
    read, until they are stored again. One statement.
    """
    rows = PullRequestFigures.objects.for_team(team_id).filter(pk__in=pulls)
    # No definitions have this version.
    rows.update(definitions_version=0)


def stamp_of(team_id: int) -> uuid.UUID | None:
    """Return the stamp that changes with the team's data; None if it never changed.

    One statement.
    """
    stamp: uuid.UUID | None = (
        FiguresStamp.objects.filter(pk=team_id).values_list("stamp", flat=True).first()
    )
    return stamp


def remembered[T](stamp: uuid.UUID | None, key: Hashable, make: Callable[[], T]) -> T:
    """Return the value for this key, computed by `make` if it is not kept for this
    stamp.

    Args:
        stamp: from `stamp_of`, read before the data. With None, nothing is kept.
    """
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
