"""Decide the state of a team from its newest runs, its repositories, and its
connections.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db.models import Q
from django.urls import reverse

from apps.metrics.models import PullRequest
from apps.onboarding import pipeline_names
from apps.onboarding.state import credentials, failures, repositories, runs
from apps.onboarding.state.gaps import OPTIONAL, gaps_of
from apps.pipelines.models import ACTIVE_RUN_STATES, Run, RunState
from apps.teams import states
from apps.teams.models import Team
from apps.teams.run_subjects import subject_of
from apps.teams.states import Figures, Gap, RepositoryState, State, StateName, TeamState

# Runs that read sources. Other runs, such as recounts, do not make the figures newer.
READING = (pipeline_names.ONBOARDING, pipeline_names.NIGHTLY)
# Newest runs that are looked at.
LOOKED_AT = 10


def of_team(team_id: int) -> TeamState:
    """Return the state of a team as it is now."""
    found = _runs(team_id)
    live = next((run for run in found if run.is_live), None)
    ended = [run for run in found if not run.is_live and run.pipeline in READING]
    newest = max(ended, key=_ended_at, default=None)
    name, changed, failure = "", None, None
    if found:
        name = Team.objects.values_list("name", flat=True).get(pk=team_id)
        changed = credentials.changed_at(team_id)
        failure = failures.open_of(team_id)

    def state_of(run: Run | None) -> states.RunState | None:
        if run is None:
            return None
        replaced = (
            changed is not None and run.finished_at is not None and changed > run.finished_at
        )
        return runs.of_run(run, name, token_replaced=replaced)

    failing = failure.run if failure is not None else None
    if failing is not None and newest is not None and newest.state == RunState.FAILED:
        # The last of several failed runs knows the present cause.
        failing = newest
    newest_state = state_of(newest)
    rows = repositories.of_team(team_id, live=live is not None)
    read = [row.read_at for row in rows]
    known = [moment for moment in read if moment is not None]
    live_state = state_of(live)
    failing_state = newest_state if failing == newest else state_of(failing)
    gaps = _gaps(rows, newest)
    sources = credentials.of_team(team_id, newest, changed)
    state = _state(team_id, live_state, newest_state, failing_state, gaps, bool(known))
    if state is None:
        state = _not_started(connected=bool(sources))
    return TeamState(
        team_id=team_id,
        state=state,
        live=live_state,
        newest=newest_state,
        failing=failing_state,
        resumable=_resumable(live, newest_state),
        gaps=gaps,
        repositories=rows,
        credentials=sources,
        # A repository that was never read means that the figures are not complete yet.
        updated_at=min(known) if known and None not in read else None,
        newest_read_at=max(known, default=None),
    )


def _runs(team_id: int) -> list[Run]:
    """Return the team's newest runs, and its newest setup however old it is."""
    of_team = Run.objects.filter(subject=subject_of(team_id))
    reading = of_team.filter(Q(pipeline__in=READING) | Q(state__in=ACTIVE_RUN_STATES))
    return list(reading.order_by("-created_at")[:LOOKED_AT])


def _ended_at(run: Run) -> datetime:
    return run.finished_at or run.created_at


def _gaps(rows: Sequence[RepositoryState], newest: Run | None) -> list[Gap]:
    """Return what the figures lack now: of each repository its newest read, of the rest
    what the newest run lacked.
    """
    missing: list[dict[str, Any]] = [
        {
            "what": row.name,
            "why": row.state.reason,
            "cause": row.state.cause,
            "remedy": row.state.remedy,
        }
        for row in rows
        if row.state.name in (StateName.PARTIAL, StateName.FAILED)
    ]
    if newest is not None and newest.state == RunState.PARTIAL:
        names = {row.name for row in rows}
        of_figures = [item for item in newest.missing if item.get("cause") not in OPTIONAL]
        missing += [item for item in of_figures if item["what"] not in names]
    return gaps_of(missing)


def _state(
    team_id: int,
    live: states.RunState | None,
    newest: states.RunState | None,
    failing: states.RunState | None,
    gaps: Sequence[Gap],
    was_read: bool,
) -> State | None:
    """Return the team's state: that of the run that determines the figures.

    None if there was no run.
    """
    if failing is not None and live is None:
        return replace(failing.state, figures=Figures.OLD if was_read else Figures.NONE)
    if live is not None and (newest is None or not was_read):
        return replace(live.state, figures=Figures.MOVING)
    if newest is None:
        return None
    if (
        live is not None
        and live.state.name == StateName.PAUSED
        and live.state.figures == Figures.OLD
    ):
        return live.state
    state = newest.state
    if state.name in (StateName.FAILED, StateName.CANCELLED):
        figures = Figures.OLD if was_read else Figures.NONE
    elif state.name == StateName.EMPTY or not PullRequest.objects.for_team(team_id).exists():
        figures = Figures.ZERO
    else:
        figures = Figures.INCOMPLETE if gaps else Figures.CURRENT
    if live is not None and live.state.figures == Figures.MOVING:
        figures = Figures.MOVING
    return replace(state, figures=figures)


def _not_started(*, connected: bool) -> State:
    return State(
        StateName.NOT_STARTED,
        label=str(StateName.NOT_STARTED.label),
        cause="nothing_chosen" if connected else "not_connected",
        figures=Figures.NONE,
    )


def _resumable(live: Run | None, newest: states.RunState | None) -> states.RunState | None:
    """Return the newest run if it failed because of the token: a new one leads back to
    it.
    """
    if live is not None or newest is None or newest.state.name != StateName.FAILED:
        return None
    return newest if newest.state.cause in credentials.OF_TOKEN else None


def home_of(team: Team) -> str:
    """Return the address of what a member of the team wants now.

    That is the dashboard once there are figures, the run while the first one reads or
    after it stopped, and before it the page on which the team left off.
    """
    state = of_team(team.pk)
    if PullRequest.objects.for_team(team).exists() or state.figures == Figures.ZERO:
        return reverse("metrics:dashboard", args=[team.slug])
    run = state.live or state.newest
    if run is not None:
        return reverse("onboarding:run_detail", args=[team.slug, run.id])
    page = "connect" if state.state.cause == "not_connected" else "choose"
    return reverse(f"onboarding:{page}", args=[team.slug])
