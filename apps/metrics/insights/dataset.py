"""Read a team's year once into plain records, for the rules of the insights."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any

from django.db.models import F, Max, Q

from apps.metrics.figures.definitions import (
    changed_lines,
    counts_as_review,
    hours_to_review,
    is_merged,
    time_to_merge_hours,
)
from apps.metrics.figures.moments import is_possible, possible_condition
from apps.metrics.figures.reverts import is_revert
from apps.metrics.figures.weekly import zone_of
from apps.metrics.models import GHOST_KEY, TIES, DetailState, PRReview, PullRequest
from apps.metrics.records import ChangeKind, PullRequestState, ReviewState

RECENT = timedelta(weeks=8)
BEFORE = timedelta(weeks=18)  # the time that the recent weeks are compared with
WINDOW = RECENT + BEFORE
YEAR = timedelta(weeks=52)  # the time in which the rules look for changes


@dataclass(frozen=True, slots=True)
class Review:
    reviewer: int | None
    login: str
    is_bot: bool
    state: str
    at: datetime | None
    is_ghost: bool = False

    def counts_for(self, author: int | None) -> bool:
        """Return whether it is a review of a pull request by this author, by
        `definitions.counts_as_review`.
        """
        return counts_as_review(
            author,
            self.reviewer,
            self.is_bot,
            self.at,
            is_ghost=self.is_ghost,
            state=self.state,
        )


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request; `lines` is the sum of added and deleted ones.

    `has_detail` is True if its reviews have been read.
    """

    pk: int
    number: int | None
    repository: int
    author: int | None
    by_bot: bool
    is_open: bool
    is_draft: bool
    created_at: datetime
    updated_at: datetime
    merged_at: datetime | None
    lines: int
    ai_assisted: bool | None
    has_detail: bool
    reviews: tuple[Review, ...] = ()
    title: str = ""
    is_revert: bool = False
    opening_known: bool = True

    @property
    def hours_to_merge(self) -> float | None:
        if self.merged_at is None:
            return None
        kind, known = ChangeKind.PULL_REQUEST, self.opening_known
        return time_to_merge_hours(kind, self.created_at, self.merged_at, opening_known=known)

    @property
    def human_reviews(self) -> list[Review]:
        """Return the submitted reviews by people other than the author."""
        return [review for review in self.reviews if review.counts_for(self.author)]

    @property
    def hours_to_review(self) -> float | None:
        """Return the hours from createdAt to the first review by a person other than
        the author; None without one.
        """
        return hours_to_review(
            self.created_at,
            [review.at for review in self.human_reviews if review.at is not None],
        )


@dataclass(frozen=True, slots=True)
class Dataset:
    """One team's year up to `until`, which is its newest activity, or now if that is
    earlier.

    `zone` is the team's time zone.
    """

    until: datetime
    pulls: tuple[Pull, ...] = ()
    repositories: dict[int, str] = field(default_factory=dict)
    zone: tzinfo = UTC

    @property
    def recent_from(self) -> datetime:
        return self.until - RECENT

    @property
    def before_from(self) -> datetime:
        return self.until - WINDOW


def load(team_id: int, now: datetime) -> Dataset:
    """Read a team's dataset, in four statements.

    Changes without a pull request are left out, because they could not be reviewed.
    """
    pulls = PullRequest.objects.for_team(team_id).filter(kind=ChangeKind.PULL_REQUEST)
    merged_at = Max("merged_at", filter=possible_condition("merged_at"))
    newest = pulls.filter(created_at__lte=now).aggregate(
        created=Max("created_at"), merged=merged_at
    )
    # The year ends with the newest activity: the rules would take a clone that was read
    # late for a team that has stopped working.
    until = min(now, max((moment for moment in newest.values() if moment), default=now))
    since = until - YEAR
    wanted = pulls.filter(
        Q(created_at__gte=since) | Q(merged_at__gte=since) | Q(state=PullRequestState.OPEN)
    )
    reviews = _reviews(team_id, wanted)
    repositories: dict[int, str] = {}
    found = []
    for row in wanted.order_by("created_at", *TIES).values(*_COLUMNS).iterator(chunk_size=5000):
        repositories[row["repository_id"]] = row["repository__full_name"]
        found.append(_pull(row, tuple(reviews.get(row["pk"], ()))))
    return Dataset(until, tuple(found), repositories, zone_of(team_id))


_COLUMNS = (
    "pk",
    "number",
    "repository_id",
    "repository__full_name",
    "author_id",
    "author__is_bot",
    "state",
    "is_draft",
    "created_at",
    "updated_at",
    "merged_at",
    "additions",
    "deletions",
    "ai_assisted",
    "detail_state",
    "title",
    "head_ref",
    "opening_known",
)


def _pull(row: dict[str, Any], reviews: tuple[Review, ...]) -> Pull:
    return Pull(
        pk=row["pk"],
        number=row["number"],
        repository=row["repository_id"],
        author=row["author_id"],
        by_bot=bool(row["author__is_bot"]),
        is_open=row["state"] == PullRequestState.OPEN,
        is_draft=row["is_draft"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        merged_at=_merge_of(row),
        lines=changed_lines(row["additions"], row["deletions"]),
        ai_assisted=row["ai_assisted"],
        has_detail=row["detail_state"] == DetailState.COMPLETE,
        reviews=reviews,
        title=row["title"],
        is_revert=is_revert(row["title"], row["head_ref"]),
        opening_known=row["opening_known"],
    )


def _merge_of(row: dict[str, Any]) -> datetime | None:
    """Return when a pull request was merged; None if it was not, or at a time that is
    impossible.
    """
    merged_at: datetime | None = row["merged_at"]
    if (
        merged_at is None
        or not is_merged(row["state"], merged_at)
        or not is_possible(merged_at)
    ):
        return None
    return merged_at


def _reviews(team_id: int, pulls: Any) -> dict[int, list[Review]]:
    found: dict[int, list[Review]] = defaultdict(list)
    rows = (
        PRReview.objects.for_team(team_id)
        .filter(pull_request__in=pulls.values("pk"))
        .exclude(state=ReviewState.PENDING)
        .order_by(
            F("submitted_at").asc(nulls_last=True), "reviewer__login", "reviewer__key", "state"
        )
        .values_list(
            "pull_request_id",
            "reviewer_id",
            "reviewer__login",
            "reviewer__key",
            "reviewer__is_bot",
            "state",
            "submitted_at",
        )
    )
    for pull, reviewer, login, key, is_bot, state, at in rows.iterator(chunk_size=5000):
        found[pull].append(
            Review(reviewer, login or "ghost", bool(is_bot), state, at, key == GHOST_KEY)
        )
    return found
