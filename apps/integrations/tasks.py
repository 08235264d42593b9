"""The steps of the sync and of the aggregation as tasks.

The pipelines define their order.
"""

from datetime import date, datetime, timedelta

from django.conf import settings
from django.utils import timezone

from apps.integrations.models import TrackedRepository
from apps.integrations.sync import window
from apps.integrations.sync.run import sync_repositories
from apps.metrics import run_events
from apps.metrics.figures.weekly import run_aggregation
from apps.metrics.insights.preview import weeks_event
from apps.pipelines.context import StepContext
from apps.pipelines.exceptions import Permanent
from apps.pipelines.outcomes import Outcome
from apps.pipelines.tasks import Standalone, step_task
from apps.teams.run_subjects import subject_of

SYNC_PIPELINE = "sync"
REPOSITORY_PIPELINE = "repository_initial"


def _of_team(
    team_id: int, repo_ids: list[int] | None = None, months: int | None = None
) -> Standalone:
    return (
        SYNC_PIPELINE,
        subject_of(team_id),
        None,
        {"team_id": team_id, "repo_ids": repo_ids, "months": months},
    )


@step_task(name="sync_historical_data_task", standalone=_of_team)
def sync_historical_data_task(
    ctx: StepContext,
    *,
    team_id: int,
    repo_ids: list[int] | None = None,
    months: int | None = None,
    since: str | None = None,
    verify: bool = False,
    nights: int = 0,
) -> Outcome:
    """Read the team's repositories (all, or those of `repo_ids`) from a first day on.

    Args:
        months: how many months before the start of the run the first day is.
        since: the first day, as 2025-11-29; used in place of `months`. Without either it is
            the team's.
        verify: compare everything that was read before with the source, too.
        nights: compare a share of it, so that this many runs compare all; 0 for none.
    """
    start = _start(team_id, ctx.run.created_at, months, since)
    return sync_repositories(
        ctx, team_id=team_id, repo_ids=repo_ids, since=start, verify=verify, nights=nights
    )


def _start(
    team_id: int, created_at: datetime, months: int | None, since: str | None
) -> datetime:
    if since is not None:
        return window.midnight(date.fromisoformat(since))
    if months is None and (chosen := window.first_day(team_id)) is not None:
        return window.midnight(chosen)
    back = settings.HISTORICAL_SYNC_CONFIG["HISTORY_MONTHS"] if months is None else months
    return window.midnight(window.day_of(window.start(created_at, back)))


def _team_of(repo_id: int) -> int:
    team_id = (
        TrackedRepository.objects.across_teams()
        .filter(pk=repo_id)
        .values_list("team_id", flat=True)
        .first()
    )
    if team_id is None:
        raise Permanent(f"No team tracks a repository with the id {repo_id}.")
    return team_id


def _of_repository(repo_id: int, days_back: int = 30) -> Standalone:
    team_id = _team_of(repo_id)
    params = {"team_id": team_id, "repo_id": repo_id, "days_back": days_back}
    return REPOSITORY_PIPELINE, subject_of(team_id), f"repository:{repo_id}", params


@step_task(name="sync_repository_initial_task", standalone=_of_repository)
def sync_repository_initial_task(
    ctx: StepContext, *, repo_id: int, days_back: int = 30
) -> Outcome:
    """Read one repository back over `days_back` days. The run's next step updates the
    figures.
    """
    team_id = _team_of(repo_id)
    if days_back < 1 or days_back > window.MOST_DAYS:
        raise Permanent(f"A sync goes back 1 to {window.MOST_DAYS} days, not {days_back}.")
    since = ctx.run.created_at - timedelta(days=days_back)
    return sync_repositories(ctx, team_id=team_id, repo_ids=[repo_id], since=since)


def _of_metrics(team_id: int) -> Standalone:
    return None, subject_of(team_id), None, {"team_id": team_id}


@step_task(name="aggregate_team_weekly_metrics_task", standalone=_of_metrics)
def aggregate_team_weekly_metrics_task(ctx: StepContext, *, team_id: int) -> Outcome:
    """Recompute the weekly table for every week that the team touched."""
    outcome = run_aggregation(ctx, team_id)
    now = timezone.now()
    with ctx.unit():
        run_events.emit(ctx, "team", weeks_event(team_id, now, preliminary=False))
    return outcome
