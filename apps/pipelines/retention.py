"""Delete the events of an ended run that a late reader does not need.

Each event that is not a line of the log contains a whole state. Once the run has ended,
only the newest event of each (kind, key) is therefore needed. Pages and streams read
the newest events and the log, so they show the same before and after.
"""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, Q

from apps.pipelines import clock
from apps.pipelines.models import ACTIVE_RUN_STATES, Event, Run
from apps.pipelines.projection import LINES_ONLY, LOG_KINDS

# How long a run keeps all events after its end: a viewer may still follow the last
# ones, or a user may retry the run.
KEPT_WHOLE = timedelta(hours=1)
AT_ONCE = 200


def compact_ended() -> int:
    """Compact the runs that ended some time ago, the oldest first, `AT_ONCE` at a time.

    Returns how many events were deleted.
    """
    ended = Run.objects.exclude(state__in=ACTIVE_RUN_STATES).filter(
        compacted_at=None, finished_at__lt=clock.now() - KEPT_WHOLE
    )
    return sum(
        compact(run_id)
        for run_id in ended.order_by("finished_at").values_list("pk", flat=True)[:AT_ONCE]
    )


def compact(run_id: Any) -> int:
    """Delete the events of an ended run that later ones replace.

    Returns how many were deleted; 0 if the run is live again.
    """
    with transaction.atomic():
        run = Run.objects.select_for_update().get(pk=run_id)
        if run.is_live:
            return 0
        events = Event.objects.filter(run=run)
        newest = (
            events.exclude(kind__in=LINES_ONLY)
            .values("kind", "key")
            .annotate(newest=Max("seq"))
            .order_by()
        )
        lines = Q(kind__in=LOG_KINDS) & ~Q(message="")
        kept = lines | Q(seq__in=newest.values("newest")) | Q(seq=run.seq)
        deleted, _ = events.exclude(kept).delete()
        run.compacted_at = clock.now()
        run.save(update_fields=["compacted_at"])
    return deleted
