"""The rolling comparison: each night a share of a team's pull requests is read again,
all of them within four weeks.

A change without a new `updatedAt` (a review that was hidden, an account that was
deleted) has no sign in any list. The share is taken repository by repository, the one
first that was compared the longest time ago, in whole requests.

At 100,000 pull requests a night's share is 3,572 of them: 143 requests of 25, each of 1
point.
"""

from collections.abc import Sequence

from django.conf import settings
from django.db.models import Max

from apps.integrations.models import TrackedRepository
from apps.metrics.models import PullRequest, Source

NIGHTS = 28


def plan(rows: Sequence[TrackedRepository], nights: int = NIGHTS) -> None:
    """Note in the repositories' cursors what this run compares; the caller saves them.

    Args:
        rows: the repositories of the run that are about to be read.
        nights: after how many such runs everything has been compared.
    """
    ready = [
        row
        for row in rows
        if row.repository.source == Source.GITHUB and row.synced_since is not None
    ]
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
