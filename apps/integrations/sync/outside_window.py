"""Remove pull requests from before the window, before a repository is read for the
first time.

For example, a setup over 24 months is canceled while it reads, and the next one is over
3 months. The rows of the other 21 months are then removed, because a fresh setup would
not read them.
"""

from apps.integrations.sources.reading import UNIT, window_of
from apps.integrations.sync.state import SyncState
from apps.metrics.cache import touch
from apps.metrics.models import PullRequest

REMOVED_AT_ONCE = 500


def remove_outside(sync_state: SyncState) -> None:
    """Delete the rows outside the window of each repository that was never read
    completely.
    """
    for tracked in sync_state.rows:
        if tracked.synced_since is not None or tracked.cursor["phase"] != "skeleton":
            continue
        pulls = PullRequest.objects.for_team(tracked.team_id).filter(
            repository_id=tracked.repository_id
        )
        outside = pulls.exclude(pk__in=window_of(tracked).values("pk")).order_by("pk")
        while keys := list(outside.values_list("pk", flat=True)[:REMOVED_AT_ONCE]):
            sync_state.check()
            with sync_state.ctx.unit(unit=UNIT):
                pulls.filter(pk__in=keys).delete()
                touch(tracked.team_id)
