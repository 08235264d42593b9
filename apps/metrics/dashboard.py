"""What the pages of figures are made of: the selection, the merged pull requests of its weeks, and how the data stands."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from apps.metrics.landed import landed
from apps.metrics.models import PullRequest
from apps.metrics.panels import Frame
from apps.metrics.pull_list import Row, rows
from apps.metrics.records import PullRequestState
from apps.metrics.remembered import remembered, stamp_of
from apps.metrics.selection import Choices, Selection, choices, period
from apps.pipelines.models import ACTIVE_RUN_STATES, Run, RunState
from apps.teams.models import Team

FIRST = 5


@dataclass(frozen=True, slots=True)
class Standing:
    """How whole the data is, by the team's runs: one under way, and what the newest set-up left out or why it stopped."""

    live: Run | None
    newest: Run | None

    @property
    def missing(self) -> list[dict[str, Any]]:
        """Things that are incomplete: `what` and `why`."""
        return self.newest.missing if self.newest and self.newest.state == RunState.PARTIAL else []

    @property
    def stopped(self) -> bool:
        return self.newest is not None and self.newest.state in (RunState.FAILED, RunState.CANCELLED)


def standing(team_id: int) -> Standing:
    """In one statement."""
    runs = Run.objects.filter(subject=f"team:{team_id}").filter(
        Q(state__in=ACTIVE_RUN_STATES) | Q(pipeline="onboarding")
    )[:10]
    found = list(runs)
    ended = [run for run in found if run.pipeline == "onboarding" and not run.is_live]
    return Standing(next((run for run in found if run.is_live), None), ended[0] if ended else None)


def frame(team_id: int, selection: Selection, now: datetime, *, compare: bool = True) -> Frame:
    """The merged pull requests of the weeks that are asked for, and of as many before. Five statements at most."""
    weeks = period(team_id, now, selection.weeks)
    before = weeks.before() if compare else None
    return Frame(
        weeks,
        landed(team_id, weeks, selection),
        None if before is None else landed(team_id, before, selection),
    )


def newest_merged(team_id: int, figures: Frame, selection: Selection) -> list[Row]:
    """The first rows of the list below the charts."""
    pulls: Any = PullRequest.objects.for_team(team_id).filter(
        selection.condition,
        state=PullRequestState.MERGED,
        merged_at__gte=figures.period.since,
        merged_at__lt=figures.period.until,
    )
    return rows(team_id, pulls.order_by("-merged_at", "-pk")[:FIRST])


def of_member(selection: Selection, member: int) -> Selection:
    """The same weeks, of one person."""
    return replace(selection, repository=None, author=member, people_only=False)


def known(team: Team) -> tuple[UUID | None, Choices]:
    """The state of the team's data, and what may be chosen in it."""
    stamp = stamp_of(team.pk)
    return stamp, remembered(stamp, (team.pk, "choices"), lambda: choices(team.pk))
