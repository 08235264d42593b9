"""Count work in progress: how many pull requests were open at given moments, and what
they waited for. It is computed on request, not stored.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.db.models import F, Q

from apps.metrics.figures.columns import RawMoment, moments
from apps.metrics.figures.definitions import OpenState, counts_as_review, open_state
from apps.metrics.models import GHOST_KEY, PRReview, PullRequest
from apps.metrics.records import ChangeKind, ReviewState


def in_progress(
    team_id: int, at: Sequence[datetime], condition: Q | None = None
) -> list[Counter[OpenState]]:
    """Count the open pull requests at each of these moments (ascending) by state, bots'
    included. Two statements.

    A pull request is open at a moment if it was created by then and not closed or
    merged by then. `condition` narrows the pull requests down.
    """
    counts: list[Counter[OpenState]] = [Counter() for _ in at]
    if not at:
        return counts
    pulls = _open_between(team_id, at[0], at[-1], condition)
    rows = list(
        pulls.values_list(
            "pk", "author_id", "is_draft", RawMoment(F("created_at")), RawMoment(F("closed_at"))
        )
    )
    if not rows:
        return counts
    keys, authors, drafts, created, closed = zip(*rows, strict=True)
    # The half-open span of the moments at which each is open.
    instants = (
        np.array([moment.timestamp() * 1e6 for moment in at])
        .astype(np.int64)
        .view("datetime64[us]")
    )
    ends = moments(closed)
    first = np.searchsorted(instants, moments(created), side="left")
    last = np.where(np.isnat(ends), len(at), np.searchsorted(instants, ends, side="left"))
    spanning = np.flatnonzero(first < last).tolist()
    reviews = _reviews(team_id, {keys[place]: authors[place] for place in spanning}, pulls)
    for place in spanning:
        given = reviews.get(keys[place], [])
        for number in range(int(first[place]), int(last[place])):
            until = at[number]
            counts[number][
                open_state(drafts[place], [one for one in given if one[0] <= until])
            ] += 1
    return counts


def _open_between(team_id: int, first: datetime, last: datetime, condition: Q | None) -> Any:
    still_open = Q(closed_at=None) | Q(closed_at__gt=first)
    pulls = PullRequest.objects.for_team(team_id).filter(still_open, created_at__lte=last)
    pulls = pulls.exclude(kind=ChangeKind.CHANGE)
    return pulls if condition is None else pulls.filter(condition)


def _reviews(
    team_id: int, authors: dict[int, int | None], pulls: Any
) -> dict[int, list[tuple[datetime, str, int]]]:
    found: dict[int, list[tuple[datetime, str, int]]] = defaultdict(list)
    rows = (
        PRReview.objects.for_team(team_id)
        .filter(pull_request__in=pulls.values("pk"))
        .exclude(state=ReviewState.PENDING)
        .values_list(
            "pull_request_id",
            "reviewer_id",
            "reviewer__is_bot",
            "reviewer__key",
            "state",
            "submitted_at",
        )
    )
    for pull, reviewer, is_bot, key, state, at in rows.iterator(chunk_size=5000):
        if at is None or pull not in authors:
            continue
        is_ghost = key == GHOST_KEY
        if counts_as_review(
            authors[pull], reviewer, bool(is_bot), at, is_ghost=is_ghost, state=state
        ):
            found[pull].append((at, state, reviewer))
    return found
