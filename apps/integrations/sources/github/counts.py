"""Compare GitHub's counts with the stored rows. A difference that no list explains
shows that the sync missed something.

GitHub counts a repository's pull requests by state. Those outside of the window are not
stored; how many these are is remembered. The number stays the same from one sync to the
next, except for old ones that were active again and are stored now. Any other
difference means that a pull request was deleted, or changed without a new `updatedAt`.
"""

from datetime import datetime
from typing import Any

from django.db.models import Count

from apps.integrations.models import TrackedRepository
from apps.metrics.models import PullRequest
from apps.metrics.records import PullRequestState

STATES = (
    str(PullRequestState.OPEN),
    str(PullRequestState.CLOSED),
    str(PullRequestState.MERGED),
)


def outside(tracked: TrackedRepository, since: datetime) -> dict[str, Any] | None:
    """Return how many pull requests GitHub counts by state beyond those stored, and how
    many stored ones are older than the window.

    Returns None if this sync got no counts from GitHub.
    """
    told = tracked.cursor.get("counts")
    if not told:
        return None
    pulls = PullRequest.objects.for_team(tracked.team_id).filter(
        repository_id=tracked.repository_id
    )
    stored = dict(pulls.values_list("state").annotate(n=Count("pk")).order_by())
    result: dict[str, Any] = {}
    for state in STATES:
        result[state] = told[state] - stored.get(state, 0)
    return result | {
        "old": pulls.filter(created_at__lt=since).count(),
        "since": since.isoformat(),
    }


def remember(tracked: TrackedRepository, since: datetime) -> None:
    """Store how many are outside of the window, as a base for the next sync.

    If this sync compared everything but could not read a part, there may still be a
    difference. The earlier base then stays, so that the next sync compares again.
    """
    if not tracked.cursor.get("verify", {}).get("unread"):
        tracked.outside = outside(tracked, since)


def differ(before: dict[str, Any] | None, now: dict[str, Any] | None) -> bool:
    """Return whether two results of `outside` show that something was missed between
    them.
    """
    if before is None or now is None or before["since"] != now["since"]:
        return False
    entered = now["old"] - before["old"]
    left = [before[state] - now[state] for state in STATES]
    return bool(min(left) < 0 or sum(left) != entered)
