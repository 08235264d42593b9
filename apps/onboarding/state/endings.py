"""Decide the state in which a setup is about to end, for the email of its last step."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from apps.integrations.models import TrackedRepository
from apps.onboarding.state import words
from apps.onboarding.state.gaps import are_optional, gaps_of, shared_remedy
from apps.onboarding.state.kinds import NOUNS, kind_of_run
from apps.pipelines.models import PASSED, Run
from apps.pipelines.remedy import Remedy
from apps.teams import states
from apps.teams.states import Figures, State, StateName


def ending(
    run: Run, team_name: str, totals: Mapping[str, Any], missing: Sequence[Mapping[str, Any]]
) -> states.RunState:
    """Return the state that the run has once its last step is done.

    Args:
        totals: what the team has of the run's repositories, as `services.runs.Totals`.
        missing: what earlier steps could not do, as `apps.pipelines.outcomes.Missing`.
    """
    kind = kind_of_run(run)
    gaps = gaps_of(missing)
    asked, lacking = _repositories(run, missing)
    state = _state(run, totals, gaps)
    return states.RunState(
        id=run.pk,
        kind=kind,
        noun=NOUNS[kind],
        state=state,
        title=words.title(
            kind, state, team_name, asked, lacking, only_optional=are_optional(gaps)
        ),
        percent=run.percent,
        eta="",
        gaps=gaps,
        resumes_at=run.percent if gaps else None,
        repositories=asked,
        missing_repositories=lacking,
        finished_at=run.finished_at,
    )


def _repositories(run: Run, missing: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Return how many repositories the run was asked for, and how many of them lack
    something.
    """
    params = run.params
    tracked = TrackedRepository.objects.for_team(params["team_id"])
    if params.get("repo_ids") is not None:
        tracked = tracked.filter(pk__in=params["repo_ids"])
    names = set(tracked.values_list("repository__full_name", flat=True))
    lacking = {item["what"] for item in missing} & names
    return len(names), len(lacking)


def _state(run: Run, totals: Mapping[str, Any], gaps: Sequence[states.Gap]) -> State:
    if gaps:
        cause, remedy = shared_remedy(gaps)
        figures = Figures.CURRENT if are_optional(gaps) else Figures.INCOMPLETE
        return _named(StateName.PARTIAL, cause=cause, remedy=remedy, figures=figures)
    synced = run.steps.filter(key="sync", state__in=PASSED)
    read = synced.values_list("done", flat=True).first()
    if read is None:
        # The last step ran alone, without a sync.
        read = totals["pull_requests"]
    if not read:
        return _named(StateName.EMPTY, cause="no_pull_requests", figures=Figures.ZERO)
    return _named(StateName.DONE)


def _named(
    name: StateName, *, cause: str = "", remedy: Remedy = Remedy.NONE, **rest: Any
) -> State:
    return replace(State(name, **rest), label=str(name.label), cause=cause, remedy=remedy)
