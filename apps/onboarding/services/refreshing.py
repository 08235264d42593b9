"""Refresh a team now: return which run to follow, and whether it does what was
requested.

    run, is_ours = find_or_start(team, repo_ids=None, verify=True)
    # is_ours is False if the run reads less than that: wait for its end, then call again
"""

from collections.abc import Sequence
from typing import Any

from django.conf import settings

from apps.integrations.models import TrackedRepository
from apps.integrations.sources.reading import NIGHTS
from apps.onboarding import pipeline_names
from apps.onboarding.state.kinds import Kind
from apps.pipelines import engine
from apps.pipelines.models import ACTIVE_RUN_STATES, PASSED, Run
from apps.teams.models import Team
from apps.teams.run_subjects import subject_of

PIPELINES = (pipeline_names.NIGHTLY, pipeline_names.ONBOARDING)


def find_or_start(
    team: Team, repo_ids: Sequence[int] | None, *, verify: bool
) -> tuple[Run, bool]:
    """Return the run to follow, and whether it does at least what is asked for.

    Joins a run under way that does so, and starts one if none is under way. Otherwise
    the run that is returned reads less, and has to end before another one can start.

    Args:
        repo_ids: the repositories to read; None for all that the team tracks.
        verify: whether everything that was read before is compared with the source.
    """
    wanted = set(_tracked_ids(team) if repo_ids is None else repo_ids)
    live = Run.objects.filter(
        subject=subject_of(team.pk), pipeline__in=PIPELINES, state__in=ACTIVE_RUN_STATES
    ).order_by("created_at")
    under_way = list(live)
    for run in under_way:
        if does_at_least(run, wanted, verify=verify):
            return run, True
    if under_way:
        return under_way[0], False
    params: dict[str, Any] = {}
    if repo_ids is not None:
        params["repo_ids"] = sorted(wanted)
    if verify:
        params["verify"] = True
    # Another process may have started a run since, which `refresh` then joins.
    run, created = refresh(team.pk, **params)
    return run, created or does_at_least(run, wanted, verify=verify)


def refresh(
    team_id: int,
    *,
    kind: Kind = Kind.REFRESH,
    started_by: Any = None,
    once_key: str | None = None,
    **params: Any,
) -> tuple[Run, bool]:
    """Start reading what has changed, or join the refresh under way. Params are the
    pipeline's.

    All but what a webhook causes also compare a share of what was read before.
    """
    if kind != Kind.WEBHOOK:
        params = {"nights": NIGHTS, **params}
    return engine.start(
        pipeline_names.NIGHTLY,
        subject=subject_of(team_id),
        params={
            "team_id": team_id,
            "limit": settings.HISTORICAL_SYNC_CONFIG["LLM_NIGHTLY_SIZE"],
            **params,
        },
        started_by=started_by,
        once_key=once_key,
        kind=kind,
    )


def does_at_least(run: Run, wanted: set[int], *, verify: bool) -> bool:
    """Return whether a live run is still going to read these repositories, as
    thoroughly as asked.
    """
    if verify and not run.params.get("verify"):
        return False
    reads = run.params.get("repo_ids")
    if reads is not None and not wanted <= set(reads):
        return False
    # What changes after the sync is for the next run.
    return not run.steps.filter(key="sync", state__in=PASSED).exists()


def corrected_by(run: Run) -> int:
    """Return how many pull requests the run's comparison with the source added,
    changed, or removed.
    """
    step = run.steps.filter(key="sync").first()
    return int(step.result.get("corrected", 0)) if step else 0


def _tracked_ids(team: Team) -> list[int]:
    return list(TrackedRepository.objects.for_team(team).values_list("pk", flat=True))
