"""The database's side of the hub, for one thread: it reads rows and returns frames.
Every connect, live event, overflow, and resynchronization uses this one path.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from apps.pipelines.models import Event, Run
from apps.pipelines.projection import Projection, events_after, project
from apps.pipelines.stream import frames

logger = logging.getLogger(__name__)

# When a viewer is this many events behind, reading the newest state of everything is
# cheaper than reading the events.
FAR_BEHIND = 200


@dataclass(frozen=True, slots=True)
class Want:
    """A run to check, what was known of it, and the cursors of its viewers."""

    run_id: UUID
    known: Projection | None
    cursors: frozenset[int | None]


@dataclass(frozen=True, slots=True)
class View:
    """The result of one check of a run.

    `frames` has the frame for each cursor that needs one. Without a projection, the run
    was deleted.
    """

    run_id: UUID
    projection: Projection | None
    frames: dict[int | None, bytes]


def read(wants: Sequence[Want]) -> list[View]:
    """Check these runs. A run that cannot be rendered is logged and left out. Raises if
    the database is away.
    """
    try:
        numbers = dict(
            Run.objects.filter(pk__in=[want.run_id for want in wants]).values_list("pk", "seq")
        )
        return [view for want in wants if (view := _look(want, numbers.get(want.run_id)))]
    except Exception:
        connection.close()
        raise


def _look(want: Want, seq: int | None) -> View | None:
    if seq is None:
        return View(want.run_id, None, {})
    try:
        projection = _advance(want, seq)
    except Run.DoesNotExist:
        return View(want.run_id, None, {})
    try:
        made = {
            cursor: frames.catch_up(projection, cursor)
            for cursor in want.cursors
            if cursor != projection.seq
        }
    except Exception:
        logger.exception(
            "Run %s could not be rendered for its viewers; tried again.", want.run_id
        )
        return None
    return View(want.run_id, projection, made)


def _advance(want: Want, seq: int) -> Projection:
    known = want.known
    # A lower number can only come from a restored backup. The known projection is then
    # wrong.
    if known is None or not 0 <= seq - known.seq <= FAR_BEHIND:
        return project(want.run_id)
    return (
        known.apply(events_after(want.run_id, known.seq, FAR_BEHIND))
        if seq > known.seq
        else known
    )


def newest_event() -> int:
    """Return the id of the newest event of all runs."""
    return Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def runs_after(event_id: int) -> tuple[set[UUID], int]:
    """Return the runs that have events after this id, and the newest event's id.

    Use it only if ids rise in the order of commits, as on SQLite.
    """
    rows = list(Event.objects.filter(pk__gt=event_id).values_list("pk", "run_id"))
    return {run_id for _, run_id in rows}, max((pk for pk, _ in rows), default=event_id)


def close() -> None:
    """Close this thread's connection; the next query opens another."""
    connection.close()
