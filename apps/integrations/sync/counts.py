"""What GitHub counts against what is stored: a difference without a sign in the list
shows that something was missed.

GitHub counts a repository's pull requests by state; those that are outside of the
window are not stored. How many these are is remembered, and stays the same from one
sync to the next, but for old ones that were active again and are stored now. Anything
else means that a pull request was deleted, or changed without a new `updatedAt`.
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
    """Return how many GitHub counts by state beyond those stored, and how many stored
    ones are older than the window.

    None if GitHub's counts did not come with this sync.
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
    """Keep how many are outside of the window, as a base for the next sync.

    If this sync compared all and could not read some of it, what differed may differ
    still: the earlier base stays, so that the next sync compares again.
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
