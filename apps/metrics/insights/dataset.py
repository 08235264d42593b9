"""Read a team's year once into plain records, for the rules of the insights."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from math import isnan
from typing import Any

from django.db.models import Max, Q

from apps.metrics.figures.definitions import Verdict
from apps.metrics.figures.measures import Measured
from apps.metrics.figures.moments import possible_condition
from apps.metrics.figures.pull_requests import known, read
from apps.metrics.figures.weekly import zone_of
from apps.metrics.models import TIES, PullRequest, TeamMember
from apps.metrics.records import ChangeKind, PullRequestState

RECENT = timedelta(weeks=8)
BEFORE = timedelta(weeks=18)  # the time that the recent weeks are compared with
WINDOW = RECENT + BEFORE
YEAR = timedelta(weeks=52)  # the time in which the rules look for changes


@dataclass(frozen=True, slots=True)
class Review:
    """A review that counts. `reviewer` is the primary key of a member."""

    reviewer: int
    at: datetime
    approves: bool = False


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request with its measures; `lines` is the sum of added and deleted ones, 0
    for a release.

    `hours_to_merge` and `hours_to_review` are None if there is no such duration, and
    `without_approval` if no approval was needed or the reviews have not been read.
    `reviews` are in the order of their moments.
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
    verdict: Verdict = Verdict.UNREAD
    hours_to_merge: float | None = None
    hours_to_review: float | None = None
    without_approval: bool | None = None
    reviews: tuple[Review, ...] = ()
    title: str = ""
    is_revert: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """One team's year up to `until`, which is its newest activity, or now if that is
    earlier.

    `repositories` are names and `logins` those of members, by primary key. `zone` is
    the team's time zone.
    """

    until: datetime
    pulls: tuple[Pull, ...] = ()
    repositories: dict[int, str] = field(default_factory=dict)
    zone: tzinfo = UTC
    logins: dict[int, str] = field(default_factory=dict)

    @property
    def recent_from(self) -> datetime:
        return self.until - RECENT

    @property
    def before_from(self) -> datetime:
        return self.until - WINDOW


def load(team_id: int, now: datetime) -> Dataset:
    """Read a team's dataset, in five statements.

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
    measured = read(wanted)
    places = {pk: place for place, pk in enumerate(measured.pulls.pk.tolist())}
    people = _People(team_id)
    measures = _measures(measured, people)
    repositories: dict[int, str] = {}
    found = []
    for row in wanted.order_by("created_at", *TIES).values(*_COLUMNS).iterator(chunk_size=5000):
        repositories[row["repository_id"]] = row["repository__full_name"]
        # What arrived between the two statements is in the next dataset.
        if row["pk"] in places:
            found.append(_pull(row, measures[places[row["pk"]]]))
    return Dataset(until, tuple(found), repositories, zone_of(team_id), people.logins)


_COLUMNS = (
    "pk",
    "number",
    "repository_id",
    "repository__full_name",
    "author_id",
    "state",
    "is_draft",
    "created_at",
    "updated_at",
    "title",
)


class _People:
    """The logins of a team's members, and an order of them that no primary key
    decides.
    """

    def __init__(self, team_id: int) -> None:
        members = TeamMember.objects.for_team(team_id).order_by("login", "key")
        self.logins = dict(members.values_list("pk", "login"))
        self.order = {pk: place for place, pk in enumerate(self.logins)}


def _measures(measured: Measured, people: _People) -> list[dict[str, Any]]:
    """Return the measures that the rules need, as the arguments of `Pull`."""

    def order(review: Review) -> tuple[datetime, int]:
        return review.at, people.order.get(review.reviewer, 0)

    pulls = measured.pulls
    reviews = _reviews(measured)
    columns = {
        "by_bot": pulls.by_bot,
        "merged_at": pulls.merged_at,
        "lines": pulls.size_lines,
        "verdict": pulls.ai_verdict,
        "hours_to_merge": pulls.time_to_merge_hours,
        "hours_to_review": pulls.pickup_hours,
        "without_approval": pulls.without_approval,
        "is_revert": pulls.is_revert,
    }
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    found = []
    for place, row in enumerate(rows):
        values = dict(zip(columns, row, strict=True))
        without_approval = known(values["without_approval"])
        values |= {
            "merged_at": _aware(values["merged_at"]),
            "lines": 0 if isnan(values["lines"]) else int(values["lines"]),
            "verdict": Verdict(values["verdict"]),
            "hours_to_merge": known(values["hours_to_merge"]),
            "hours_to_review": known(values["hours_to_review"]),
            "without_approval": None if without_approval is None else bool(without_approval),
            "reviews": tuple(sorted(reviews[place], key=order)),
        }
        found.append(values)
    return found


def _aware(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


def _reviews(measured: Measured) -> dict[int, list[Review]]:
    found: dict[int, list[Review]] = defaultdict(list)
    columns = (column.tolist() for column in measured.reviews)
    for pull, reviewer, at, approves in zip(*columns, strict=True):
        found[pull].append(Review(reviewer, at.replace(tzinfo=UTC), approves))
    return found


def _pull(row: dict[str, Any], measures: dict[str, Any]) -> Pull:
    return Pull(
        pk=row["pk"],
        number=row["number"],
        repository=row["repository_id"],
        author=row["author_id"],
        is_open=row["state"] == PullRequestState.OPEN,
        is_draft=row["is_draft"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        title=row["title"],
        **measures,
    )
