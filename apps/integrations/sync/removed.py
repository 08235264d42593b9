"""Repositories whose row is deleted while a run reads them: by the admin site, a
command, or the deletion of a clone.

The run goes on with the others and ends as partial, with the name of the removed one. A
retry reads the remaining ones.

    with sync._failing_alone(sync_state, tracked):    # turns every error of a missing row into Removed
        ...
    states_of(run, {17})                          # {17: ("acme/api", RepositoryEvent(…))}, from the run's events
"""

from collections.abc import Collection

from apps.integrations.models import TrackedRepository
from apps.metrics.run_events import RepositoryEvent
from apps.pipelines.exceptions import PipelineError
from apps.pipelines.models import Event, Run
from apps.pipelines.remedy import Remedy

CAUSE = "removed"


class Removed(PipelineError):
    """The repository is not read any more because its row was deleted."""

    cause = CAUSE
    remedy = Remedy.NONE

    def __init__(self) -> None:
        super().__init__(
            "It was removed from Firstlight while it was being read. To read it, choose it again."
        )


def is_tracked(tracked: TrackedRepository, *, lock: bool = False) -> bool:
    """Return whether the row is still there.

    With `lock` it stays until the end of the open transaction.
    """
    rows = TrackedRepository.objects.for_team(tracked.team_id).filter(pk=tracked.pk)
    if lock:
        rows = rows.select_for_update()
    return len(rows.values_list("pk")) > 0


def states_of(run: Run, ids: Collection[int]) -> dict[int, tuple[str, RepositoryEvent]]:
    """Return the name and the newest state that the run's events have of repositories,
    by id.
    """
    found: dict[int, tuple[str, RepositoryEvent]] = {}
    if not ids:
        return found
    events = Event.objects.filter(run=run, kind=RepositoryEvent.kind).order_by("seq")
    for name, data in events.values_list("key", "data"):
        if data.get("id") in ids:
            found[data["id"]] = (name, RepositoryEvent.from_data(data))
    return found
