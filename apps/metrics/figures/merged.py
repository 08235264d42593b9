"""Read merged pull requests, with what the figures need of each, once into plain
records. The pages count over these.

    landed(team_id, period, selection)        # the merged pull requests
    landings(team_id, period, selection)      # these, and the direct commits
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from math import isnan
from typing import Any, NamedTuple

import numpy as np
from django.db.models import Count, F, Min, Q

from apps.metrics.figures.aggregate import week_index
from apps.metrics.figures.columns import RawMoment, fetch, moments
from apps.metrics.figures.definitions import BY_OTHERS, Verdict, changed_lines, verdict
from apps.metrics.figures.moments import beginnings, possible, possible_condition
from apps.metrics.figures.selection import Period, Selection
from apps.metrics.models import GHOST_KEY, DetailState, PRReview, PullRequest
from apps.metrics.records import ChangeKind, PullRequestState, ReviewState


class Landed(NamedTuple):
    """A merged pull request.

    `hours` to merge are None for a release, or if they aren't known; `wait` for the
    first review is None without one, for a release, and for bots' pull requests;
    `received` are reviews by other people.
    """

    week: date
    repository: int
    author: int | None
    by_bot: bool
    hours: float | None
    wait: float | None
    lines: int
    verdict: Verdict
    received: int
    is_release: bool = False

    @property
    def size(self) -> float | None:
        """Return the changed lines; None for a release, whose lines were counted with
        what it brings.
        """
        return None if self.is_release else float(self.lines)


class Direct(NamedTuple):
    """A direct commit: one that reached the trunk without a pull request."""

    week: date
    repository: int
    author: int | None


class Landings(NamedTuple):
    """What landed in some weeks: merged pull requests, and direct commits, which are in
    no figure but their own.
    """

    pulls: list[Landed]
    direct: list[Direct]


def landed(team_id: int, period: Period, selection: Selection) -> list[Landed]:
    """Return the pull requests that were merged in the period's weeks, in two
    statements.
    """
    return landings(team_id, period, selection).pulls


def landings(team_id: int, period: Period, selection: Selection) -> Landings:
    """Return what landed in the period's weeks, in two statements."""
    pulls: Any = PullRequest.objects.for_team(team_id).filter(
        selection.condition,
        state=PullRequestState.MERGED,
        merged_at__gte=period.since,
        merged_at__lt=period.until,
    )
    # Counted by the database: there are several times as many reviews as pull requests.
    reviews = (
        _counting(team_id)
        .filter(pull_request__in=pulls.values("pk"))
        .order_by()
        .values_list("pull_request_id")
    )
    # A review before the pull request was created has an impossible time.
    on_time = possible_condition("submitted_at") & Q(
        submitted_at__gte=F("pull_request__created_at")
    )
    counted = {
        pk: (first, n)
        for pk, first, n in fetch(
            reviews.annotate(
                first=RawMoment(Min("submitted_at", filter=on_time)), n=Count("pk")
            )
        )
    }
    rows = fetch(pulls.order_by("pk").values_list(*_COLUMNS))
    merged = [row for row in rows if row[_KIND] != ChangeKind.CHANGE]
    pushed = [row for row in rows if row[_KIND] == ChangeKind.CHANGE]
    reviewed = [counted.get(row[0], (None, 0)) for row in merged]
    return Landings(
        _landed(merged, reviewed, period) if merged else [],
        _direct(pushed, period) if pushed else [],
    )


def _direct(rows: Sequence[Any], period: Period) -> list[Direct]:
    weeks = week_index(
        moments([row[_MERGED_AT] for row in rows]), period.weeks, period.zone
    ).tolist()
    return [
        Direct(period.weeks[week], row[1], row[2])
        for week, row in zip(weeks, rows, strict=True)
    ]


def _landed(
    rows: Sequence[Any], reviews: Sequence[tuple[Any, int]], period: Period
) -> list[Landed]:
    """Compute the formulas of `definitions` for all rows, column by column.

    Converting the moments to datetimes would take longer than everything else.
    """
    (
        _,
        repository,
        author,
        by_bot,
        kind,
        created,
        merged,
        added,
        deleted,
        assisted,
        detail,
        known,
    ) = zip(*rows, strict=True)
    landed_at = moments(merged)
    opened = beginnings(possible(moments(created)), landed_at)
    week = week_index(landed_at, period.weeks, period.zone).tolist()
    hours = ((landed_at - opened) / _HOUR).tolist()
    wait = (
        (moments([first for first, _ in reviews]) - possible(moments(created))) / _HOUR
    ).tolist()
    whole = DetailState.COMPLETE.value
    return [
        Landed(
            week=period.weeks[week[n]],
            repository=repository[n],
            author=author[n],
            by_bot=bool(by_bot[n]),
            hours=hours[n]
            if kind[n] != ChangeKind.RELEASE and known[n] and not isnan(hours[n])
            else None,
            wait=None
            if by_bot[n] or kind[n] == ChangeKind.RELEASE or isnan(wait[n])
            else wait[n],
            lines=changed_lines(added[n], deleted[n]),
            verdict=verdict(
                None if assisted[n] is None else bool(assisted[n]), detail[n] == whole
            ),
            received=reviews[n][1],
            is_release=kind[n] == ChangeKind.RELEASE,
        )
        for n in range(len(rows))
    ]


def counted_reviews(team_id: int, pulls: list[int]) -> dict[int, list[datetime]]:
    """Return when each of these pull requests was reviewed by other people, by their
    keys.
    """
    found: dict[int, list[datetime]] = defaultdict(list)
    for pull, at in (
        _counting(team_id)
        .filter(pull_request__in=pulls)
        .values_list("pull_request_id", "submitted_at")
    ):
        found[pull].append(at)
    return found


def given_reviews(team_id: int, period: Period) -> dict[int, int]:
    """Count the reviews of other people's pull requests in the period's weeks, by
    reviewer. Those of bots are included.
    """
    given = _submitted(team_id).filter(
        submitted_at__gte=period.since, submitted_at__lt=period.until
    )
    return dict(given.values_list("reviewer_id").annotate(Count("pk")))


def _counting(team_id: int) -> Any:
    """Return the reviews that count: `definitions.counts_as_review` as a condition."""
    return _submitted(team_id).filter(reviewer__is_bot=False)


def _submitted(team_id: int) -> Any:
    """Return the same as `_counting`, with bots' reviews."""
    by_other = Q(pull_request__author=None) | ~Q(reviewer=F("pull_request__author"))
    by_other |= Q(reviewer__key=GHOST_KEY, state__in=BY_OTHERS)
    return (
        PRReview.objects.for_team(team_id)
        .filter(by_other, reviewer__isnull=False, submitted_at__isnull=False)
        .exclude(state=ReviewState.PENDING)
    )


_HOUR = np.timedelta64(1, "h")
_COLUMNS: tuple[Any, ...] = (
    "pk",
    "repository_id",
    "author_id",
    "author__is_bot",
    "kind",
    RawMoment(F("created_at")),
    RawMoment(F("merged_at")),
    "additions",
    "deletions",
    "ai_assisted",
    "detail_state",
    "opening_known",
)
_KIND, _MERGED_AT = _COLUMNS.index("kind"), 6
