"""What is kept of an ended run's events: what a late reader needs, which is little.

Each event but a line of the log is a whole state, so of each (kind, key) only the
newest says anything once the run has ended. Pages and streams, which read the newest
and the log, show the same before and after.
"""

from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max, Q

from apps.pipelines import clock
from apps.pipelines.models import ACTIVE_RUN_STATES, Event, Run
from apps.pipelines.projection import LINES_ONLY, LOG_KINDS

# How long after its end a run keeps all: somebody may follow its last events, or retry
# it.
KEPT_WHOLE = timedelta(hours=1)
AT_ONCE = 200


def compact_ended() -> int:
    """Compact the runs that ended some time ago, the oldest first, some at a time.

    Returns how many events are gone.
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

    Returns how many; none where it is live again.
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
