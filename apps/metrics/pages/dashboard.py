"""Build what the pages of figures need: the selection, and the merged pull requests of
its weeks.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from apps.metrics.cache import remembered, stamp_of
from apps.metrics.figures.moments import impossible_condition
from apps.metrics.figures.periods import merged_in
from apps.metrics.figures.selection import Choices, Selection, choices, period
from apps.metrics.models import TIES, PullRequest
from apps.metrics.pages.panels import Frame
from apps.metrics.pages.pull_request_list import Row, rows
from apps.metrics.records import ChangeKind, PullRequestState
from apps.teams.models import Team

FIRST = 5


def count_impossible(team_id: int) -> int:
    """Return how many of a team's pull requests have impossible times.

    One statement.
    """
    pulls = PullRequest.objects.for_team(team_id).exclude(kind=ChangeKind.CHANGE)
    return int(pulls.filter(impossible_condition()).count())


def frame(team_id: int, selection: Selection, now: datetime, *, compare: bool = True) -> Frame:
    """Return the figures of the weeks that are asked for, and of as many before. Four
    statements at most.
    """
    weeks = period(team_id, now, selection.weeks)
    before = weeks.before() if compare else None
    earlier = None if before is None else merged_in(team_id, before, selection)
    return Frame(merged_in(team_id, weeks, selection), earlier)


def newest_merged(team_id: int, figures: Frame, selection: Selection) -> list[Row]:
    """Return the first rows of the list below the charts."""
    pulls: Any = PullRequest.objects.for_team(team_id).filter(
        selection.condition,
        state=PullRequestState.MERGED,
        merged_at__gte=figures.period.since,
        merged_at__lt=figures.period.until,
    )
    return rows(
        # Direct commits have a list of their own.
        team_id,
        pulls.exclude(kind=ChangeKind.CHANGE).order_by("-merged_at", *TIES)[:FIRST],
    )


def of_member(selection: Selection, member: int) -> Selection:
    """Return a selection of the same weeks, for one person."""
    return replace(selection, repository=None, author=member, people_only=False)


def known(team: Team) -> tuple[UUID | None, Choices]:
    """Return the stamp of the team's data, and the choices in it."""
    stamp = stamp_of(team.pk)
    return stamp, remembered(stamp, (team.pk, "choices"), lambda: choices(team.pk))
