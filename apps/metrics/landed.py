"""Merged pull requests and what the figures need of each, read once into plain records; the pages count over these."""

from collections import defaultdict
from datetime import date, datetime, tzinfo
from typing import Any, NamedTuple

from django.db.models import Count, F, Min, Q

from apps.metrics.definitions import (
    Verdict,
    changed_lines,
    hours_to_review,
    time_to_merge_hours,
    verdict,
    week_of,
)
from apps.metrics.models import DetailState, PRReview, PullRequest
from apps.metrics.records import PullRequestState, ReviewState
from apps.metrics.selection import Period, Selection


class Landed(NamedTuple):
    """A merged pull request. `hours` to merge, None for a change; `wait` for the first review, None without one and for
    bots' pull requests; `received` reviews by other people."""

    week: date
    repository: int
    author: int | None
    by_bot: bool
    hours: float | None
    wait: float | None
    lines: int
    verdict: Verdict
    received: int


def landed(team_id: int, period: Period, selection: Selection) -> list[Landed]:
    """Those merged in the period's weeks, in two statements."""
    pulls: Any = PullRequest.objects.for_team(team_id).filter(
        selection.condition, state=PullRequestState.MERGED, merged_at__gte=period.since, merged_at__lt=period.until
    )
    # Counted by the database: there are several times as many reviews as pull requests.
    reviews = _counting(team_id).filter(pull_request__in=pulls.values("pk")).values_list("pull_request_id")
    counted = {pull: (first, n) for pull, first, n in reviews.annotate(Min("submitted_at"), Count("pk"))}
    rows = pulls.values_list(*_COLUMNS).iterator(chunk_size=5000)
    return [_landed(row[1:], period.zone, *counted.get(row[0], (None, 0))) for row in rows]


def counted_reviews(team_id: int, pulls: list[int]) -> dict[int, list[datetime]]:
    """When each of these pull requests, by their keys, was reviewed by other people."""
    found: dict[int, list[datetime]] = defaultdict(list)
    for pull, at in _counting(team_id).filter(pull_request__in=pulls).values_list("pull_request_id", "submitted_at"):
        found[pull].append(at)
    return found


def given_reviews(team_id: int, period: Period) -> dict[int, int]:
    """How many reviews of other people's pull requests were submitted in the period's weeks, by whom; bots', too."""
    given = _submitted(team_id).filter(submitted_at__gte=period.since, submitted_at__lt=period.until)
    return dict(given.values_list("reviewer_id").annotate(Count("pk")))


def _counting(team_id: int) -> Any:
    """The reviews that count: `definitions.counts_as_review` as a condition."""
    return _submitted(team_id).filter(reviewer__is_bot=False)


def _submitted(team_id: int) -> Any:
    """The same, with bots' reviews."""
    by_other = Q(pull_request__author=None) | ~Q(reviewer=F("pull_request__author"))
    return (
        PRReview.objects.for_team(team_id)
        .filter(by_other, reviewer__isnull=False, submitted_at__isnull=False)
        .exclude(state=ReviewState.PENDING)
    )


_COLUMNS = (
    "pk",
    "repository_id",
    "author_id",
    "author__is_bot",
    "kind",
    "created_at",
    "merged_at",
    "additions",
    "deletions",
    "ai_assisted",
    "detail_state",
)


def _landed(row: tuple[Any, ...], zone: tzinfo, first_review: datetime | None, received: int) -> Landed:
    repository, author, is_bot, kind, created_at, merged_at, additions, deletions, ai_assisted, detail_state = row
    return Landed(
        week=week_of(merged_at, zone),
        repository=repository,
        author=author,
        by_bot=bool(is_bot),
        hours=time_to_merge_hours(kind, created_at, merged_at),
        wait=None if is_bot or first_review is None else hours_to_review(created_at, [first_review]),
        lines=changed_lines(additions, deletions),
        verdict=verdict(ai_assisted, detail_state == DetailState.COMPLETE),
        received=received,
    )
