"""How reads of a repository began and ended, and when a change that a webhook announced
is read.

A change is read soon, unless a read began after it: that read includes the change, or
has failed. A repository whose reads fail is retried after 5, 10, 20, … minutes, and
after TRIES failures only by the nightly run.
"""

from datetime import datetime, timedelta

from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone

from apps.integrations.models import TrackedRepository
from apps.masking import storable
from apps.pipelines.remedy import cause_of
from apps.teams.models import Team

# Changes often come in groups. QUIET is the time after a change in which others follow,
# and REFRESH_EVERY limits how often one repository is read.
QUIET, REFRESH_EVERY = timedelta(minutes=1), timedelta(minutes=5)
TRIES = 6
# The most characters of a repository's error.
LONGEST_REASON = 500

# The columns that these functions set.
COLUMNS = ["last_sync_error", "cause", "remedy", "ended_at", "read_began_at", "failed_reads"]


def begin(tracked: TrackedRepository) -> None:
    """Record that a read begins. The caller saves COLUMNS."""
    tracked.last_sync_error, tracked.cause, tracked.remedy = "", "", ""
    tracked.read_began_at = timezone.now()


def fail(tracked: TrackedRepository, error: Exception) -> None:
    """Record that a read failed, and why. The caller saves COLUMNS."""
    tracked.last_sync_error = storable(str(error), LONGEST_REASON)
    tracked.cause, tracked.remedy = cause_of(error)
    tracked.ended_at = timezone.now()
    tracked.failed_reads += 1


def succeed(tracked: TrackedRepository) -> None:
    """Record that a read succeeded. The caller saves COLUMNS."""
    tracked.ended_at = timezone.now()
    tracked.failed_reads = 0
    # A deletion that the source reported is over: the repository was restored.
    rows = TrackedRepository.objects.for_team(tracked.team_id).filter(pk=tracked.pk)
    rows.exclude(gone_at=None).update(gone_at=None)


def was_announced_since(tracked: TrackedRepository) -> bool:
    """Return whether a webhook has announced a change since the read began, so that
    another read is due.
    """
    rows = TrackedRepository.objects.for_team(tracked.team_id).filter(pk=tracked.pk)
    return rows.filter(changed_at__gt=tracked.read_began_at or timezone.now()).exists()


def due(now: datetime, teams: QuerySet[Team]) -> dict[int, list[int]]:
    """Return the repositories whose announced changes are to be read now, by team."""
    began_at = Coalesce("read_began_at", "ended_at", "last_synced_at")
    rows = TrackedRepository.objects.across_teams().filter(
        changed_at__lt=now - QUIET, team__in=teams
    )
    unread = rows.annotate(began_at=began_at).filter(
        Q(began_at=None) | Q(began_at__lt=F("changed_at"))
    )
    found: dict[int, list[int]] = {}
    for tracked in unread.order_by("pk"):
        if _may_be_tried(tracked, now):
            found.setdefault(tracked.team_id, []).append(tracked.pk)
    return found


def _may_be_tried(tracked: TrackedRepository, now: datetime) -> bool:
    if not tracked.failed_reads or tracked.ended_at is None:
        return True
    if tracked.failed_reads >= TRIES:
        return False
    wait: timedelta = REFRESH_EVERY * 2 ** (tracked.failed_reads - 1)
    return bool(now - tracked.ended_at >= wait)
