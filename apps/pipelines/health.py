"""Is anybody there? What the pages, `/healthz` and the commands say of workers and sweepers.

Each worker process says about once a second that it lives, and when its sweeper last looked at every live step without
an error. A sweeper that fails is as bad as none: nothing would recover, and nobody would notice.
"""

from datetime import datetime, timedelta

from huey.contrib.djhuey import HUEY

from apps.pipelines import clock, owners
from apps.pipelines.models import Worker

# A worker that was not heard of for so long is not counted on. Ten times the pause between two signs of life.
SILENT_AFTER = timedelta(seconds=10)


def live_workers() -> list[Worker]:
    """The worker processes that can be counted on: heard of lately, not stopped, and not known to be dead."""
    recent = Worker.objects.filter(stopped_at=None, seen_at__gt=clock.now() - SILENT_AFTER)
    return [worker for worker in recent if not owners.is_dead(worker.owner)]


def queues_without_workers() -> dict[str, float | None]:
    """The queues that no live worker serves, in the order of the settings; empty where all is well.

    The value is the seconds since a worker was seen there; None where none was within a day.
    """
    served = {queue for worker in live_workers() for queue in worker.queues}
    missing = [queue for queue in HUEY.queues if queue not in served]
    if not missing:
        return {}
    now, seen = clock.now(), _last_seen()
    return {queue: (now - seen[queue]).total_seconds() if queue in seen else None for queue in missing}


def sweeper_age() -> float | None:
    """Seconds since a sweeper last looked at every live step without an error; None where none did within a day."""
    newest = Worker.objects.exclude(swept_at=None).order_by("-swept_at").first()
    if newest is None or newest.swept_at is None:
        return None
    return max(0.0, (clock.now() - newest.swept_at).total_seconds())


def _last_seen() -> dict[str, datetime]:
    newest: dict[str, datetime] = {}
    for worker in Worker.objects.order_by("seen_at"):
        newest |= dict.fromkeys(worker.queues, worker.seen_at)
    return newest
