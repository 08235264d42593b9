"""Merged pull requests and what the figures need of each, read once into plain records; the pages count over these."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

from apps.metrics.definitions import (
    Verdict,
    changed_lines,
    counts_as_review,
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
    reviews = counted_reviews(team_id, pulls)
    return [_landed(row, reviews.get(row["pk"], [])) for row in pulls.values(*_COLUMNS).iterator(chunk_size=5000)]


def counted_reviews(team_id: int, pulls: Any) -> dict[int, list[datetime]]:
    """When each of these pull requests was reviewed by other people; `pulls` is a queryset, or a list of keys."""
    found: dict[int, list[datetime]] = defaultdict(list)
    keys = pulls if isinstance(pulls, list) else pulls.values("pk")
    rows: Any = PRReview.objects.for_team(team_id).filter(pull_request__in=keys).exclude(state=ReviewState.PENDING)
    for pull, author, reviewer, is_bot, at in rows.values_list(
        "pull_request_id", "pull_request__author_id", "reviewer_id", "reviewer__is_bot", "submitted_at"
    ).iterator(chunk_size=5000):
        if counts_as_review(author, reviewer, bool(is_bot), at):
            found[pull].append(at)
    return found


def given_reviews(team_id: int, period: Period) -> Iterator[tuple[int, date]]:
    """Every review of somebody else's pull request submitted in the period's weeks: by whom and in which week."""
    rows: Any = (
        PRReview.objects.for_team(team_id)
        .filter(submitted_at__gte=period.since, submitted_at__lt=period.until)
        .exclude(state=ReviewState.PENDING)
    )
    columns = rows.values_list("pull_request__author_id", "reviewer_id", "submitted_at")
    for author, reviewer, at in columns.iterator(chunk_size=5000):
        # Bots' reviews are told apart by the page, not left out here.
        if reviewer is not None and counts_as_review(author, reviewer, is_bot=False, at=at):
            yield reviewer, week_of(at)


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


def _landed(row: dict[str, Any], reviews: list[datetime]) -> Landed:
    by_bot = bool(row["author__is_bot"])
    return Landed(
        week=week_of(row["merged_at"]),
        repository=row["repository_id"],
        author=row["author_id"],
        by_bot=by_bot,
        hours=time_to_merge_hours(row["kind"], row["created_at"], row["merged_at"]),
        wait=None if by_bot else hours_to_review(row["created_at"], reviews),
        lines=changed_lines(row["additions"], row["deletions"]),
        verdict=verdict(row["ai_assisted"], row["detail_state"] == DetailState.COMPLETE),
        received=len(reviews),
    )
