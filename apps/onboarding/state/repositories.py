"""Decide the state of each repository that a team tracks: how its newest read ended,
and when it was last read.
"""

from apps.integrations.models import SyncStatus, TrackedRepository
from apps.pipelines.remedy import Remedy
from apps.teams.states import Figures, RepositoryState, State, StateName

NAMES = {
    SyncStatus.PENDING: StateName.QUEUED,
    SyncStatus.SYNCING: StateName.RUNNING,
    SyncStatus.COMPLETE: StateName.DONE,
    SyncStatus.PARTIAL: StateName.PARTIAL,
    SyncStatus.ERROR: StateName.FAILED,
}


def of_team(team_id: int, *, live: bool) -> list[RepositoryState]:
    """Return the states of the team's repositories, by name.

    Args:
        live: whether a run is under way; without one no repository is being read.
    """
    tracked = TrackedRepository.objects.for_team(team_id).select_related("repository")
    rows = tracked.order_by("repository__full_name", "repository__source")
    states = []
    for row in rows:
        state = _state(row, live)
        states.append(
            RepositoryState(
                row.pk, row.repository.full_name, state, row.last_synced_at, row.notice
            )
        )
    return states


def _state(row: TrackedRepository, live: bool) -> State:
    name = NAMES[SyncStatus(row.sync_status)]
    if name in (StateName.QUEUED, StateName.RUNNING) and not live:
        # A run that was canceled left it so.
        name = StateName.DONE if row.last_synced_at else StateName.NOT_STARTED
    lacks = name in (StateName.PARTIAL, StateName.FAILED)
    return State(
        name=name,
        label=str(name.label),
        since=row.ended_at or row.last_synced_at,
        cause=row.cause or "failed" if lacks else "",
        reason=row.last_sync_error if lacks else "",
        remedy=Remedy(row.remedy or Remedy.RETRY) if lacks else Remedy.NONE,
        figures=_figures(row, name),
    )


def _figures(row: TrackedRepository, name: StateName) -> Figures:
    """Return what a repository's state means for its figures."""
    if name == StateName.DONE:
        return Figures.CURRENT
    if name == StateName.PARTIAL:
        return Figures.INCOMPLETE
    if row.last_synced_at is None:
        return Figures.NONE
    return Figures.OLD
