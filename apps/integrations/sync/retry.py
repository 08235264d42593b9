"""The effect of a retry, a failure, and a cancel of a run on the repositories of its
sync.
"""

from collections.abc import Sequence

from django.utils import timezone

from apps.integrations.models import SyncStatus, TrackedRepository
from apps.integrations.sources.reading import OPEN, window_of
from apps.integrations.sync import attempts
from apps.integrations.sync.state import (
    repository_event,
    shown_name,
    try_degraded_again,
)
from apps.metrics.models import DetailState
from apps.pipelines import events
from apps.pipelines.exceptions import NotAllowed
from apps.pipelines.models import Run, StepRun

INCOMPLETE = (SyncStatus.ERROR, SyncStatus.PARTIAL)


def _rows_of(run: Run) -> list[TrackedRepository]:
    rows = (
        TrackedRepository.objects.across_teams().filter(cursor__run=str(run.pk)).order_by("pk")
    )
    return list(rows.select_related("repository").select_for_update(of=("self",)))


def prepare_retry(run: Run, step: StepRun, selection: Sequence[str] | None) -> None:
    """Reset the repositories that failed or lack something, so that the run reads them
    again; with a selection (full names) only those.

    They continue at their cursors. Raises NotAllowed for a name that the run does not
    have or that is complete.
    """
    rows = _rows_of(run)
    if selection:
        names = {row.repository.full_name.casefold(): row for row in rows}
        names |= {shown_name(row).casefold(): row for row in rows}
        for name in selection:
            row = names.get(name.casefold())
            if row is None:
                raise NotAllowed(f"This run reads no repository named {name}.")
            if row.sync_status == SyncStatus.COMPLETE:
                raise NotAllowed(
                    f"{row.repository.full_name} is complete; there is nothing to retry."
                )
        wanted = {names[name.casefold()].pk for name in selection}
        rows = [row for row in rows if row.pk in wanted]
    again = [row for row in rows if row.sync_status in INCOMPLETE]
    try_degraded_again(again)
    for row in again:
        _wait_again(row)
    _count_again(run, step)


def _wait_again(row: TrackedRepository) -> None:
    cursor = dict(row.cursor)
    if cursor.pop("problems", None):
        # An entry of the list itself was unreadable, and its position is unknown. The
        # whole list is read again.
        cursor = {key: cursor[key] for key in ("run", "name", "since") if key in cursor} | {
            "phase": "skeleton"
        }
    elif cursor.get("phase") in ("end", "settle"):
        cursor |= {"phase": "detail", "rounds": 0}
    row.cursor, row.sync_status = cursor, SyncStatus.PENDING
    attempts.begin(row)
    if row.total is not None and cursor["phase"] == "detail":
        row.done = min(
            row.total, window_of(row).exclude(detail_state=DetailState.PENDING).count()
        )
    row.save(update_fields=["cursor", "sync_status", "done", *attempts.COLUMNS])


def _count_again(run: Run, step: StepRun) -> None:
    rows = _rows_of(run)
    done = sum(row.done for row in rows)
    StepRun.objects.filter(pk=step.pk).update(done=min(done, step.total) if step.total else 0)
    _tell(run, rows)


def settle(run: Run, status: SyncStatus, why: str) -> None:
    """Set the repositories that are still syncing to `status`, because the run has
    ended.
    """
    rows = _rows_of(run)
    for row in (row for row in rows if row.sync_status in OPEN):
        row.sync_status, row.last_sync_error = status, why
        row.cause, row.remedy, row.ended_at = run.cause, run.remedy, timezone.now()
        row.failed_reads += status == SyncStatus.ERROR
        row.save(update_fields=["sync_status", *attempts.COLUMNS])
    # Publish all of them: the ended attempt may not have published the others' last
    # changes.
    _tell(run, rows)


def _tell(run: Run, rows: Sequence[TrackedRepository]) -> None:
    events.append(run.pk, [repository_event(row).entry(shown_name(row)) for row in rows])
