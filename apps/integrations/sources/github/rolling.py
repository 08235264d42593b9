"""The rolling comparison: each nightly run reads a share of a team's pull requests
again, so that all of them are compared within four weeks.

Some changes have no new `updatedAt` and show in no list, for example a review that was
hidden or an account that was deleted. The share is taken repository by repository, in
whole requests. The repository whose last comparison is the oldest comes first.

At 100,000 pull requests the share of a night is 3,572 of them: 143 requests of 25, each
of 1 point.
"""

from collections.abc import Sequence

from django.conf import settings
from django.db.models import Max

from apps.integrations.models import TrackedRepository
from apps.integrations.sources.reading import NIGHTS
from apps.metrics.models import PullRequest


def plan(rows: Sequence[TrackedRepository], nights: int = NIGHTS) -> None:
    """Record in the repositories' cursors what this run compares. The caller saves
    them.

    Args:
        rows: the repositories of the run that are about to be read.
        nights: after how many such runs everything has been compared.
    """
    ready = [row for row in rows if row.synced_since is not None]
    ready.sort(
        key=lambda row: (row.verified_at is not None, row.verified_at or row.created_at, row.pk)
    )
    batch = max(1, int(settings.HISTORICAL_SYNC_CONFIG["GRAPHQL_PAGE_SIZE"]))
    total = (
        PullRequest.objects.across_teams()
        .filter(repository_id__in=[row.pk for row in ready])
        .count()
    )
    left = -(-total // nights)
    for row in ready:
        if left <= 0:
            return
        pulls = PullRequest.objects.for_team(row.team_id).filter(
            repository_id=row.repository_id
        )
        begin = row.verified_to or 0
        upcoming = pulls.filter(pk__gt=begin).order_by("pk").values_list("pk", flat=True)
        wanted = list(upcoming[: -(-left // batch) * batch])
        last = pulls.aggregate(last=Max("pk"))["last"] or 0
        end = wanted[-1] if wanted else begin
        row.cursor = {
            **row.cursor,
            "compare": {"after": begin, "to": end, "whole": end >= last},
        }
        left -= len(wanted)
