"""The last step of an onboarding, and what refreshes a team later: the night, a webhook, a person."""

import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone
from huey import crontab
from huey.contrib.djhuey import db_periodic_task

from apps.integrations import webhooks
from apps.integrations.models import Connection, TrackedRepository
from apps.onboarding.services import digest
from apps.onboarding.services.runs import gaps_of, totals_of
from apps.onboarding.signals import onboarding_completed
from apps.pipelines import engine
from apps.pipelines.context import StepContext
from apps.pipelines.models import Run
from apps.pipelines.outcomes import Done
from apps.pipelines.tasks import Standalone, step_task
from apps.teams.models import OnboardingStatus, Team

logger = logging.getLogger(__name__)

ONBOARDING_PIPELINE = "onboarding"
NIGHTLY_PIPELINE = "nightly"
# By night everywhere in Europe and America; GitHub's limits are per hour, so the minute does not matter.
NIGHTLY_HOUR = "3"
# A change is seldom alone: so long after one the others have come, too. And so often is often enough.
QUIET, REFRESH_EVERY = timedelta(minutes=1), timedelta(minutes=5)


def _of_team(team_id: int) -> Standalone:
    return None, f"team:{team_id}", None, {"team_id": team_id}


@step_task(name="send_onboarding_complete_email", standalone=_of_team)
def send_onboarding_complete_email(ctx: StepContext, *, team_id: int, repo_ids: list[int] | None = None) -> Done:
    """Say that the onboarding is complete: what there is, and what is missing. The receivers queue the mails."""
    totals = totals_of(team_id, repo_ids)
    # As a run of this step alone there are no earlier steps: the repositories themselves know what they lack.
    missing = ctx.missing_so_far() if ctx.step.idx else gaps_of(team_id)
    if not ctx.cursor.get("told"):
        with ctx.unit(cursor={"told": True}, done=1, total=1, unit="messages"):
            ctx.send(onboarding_completed, team_id=team_id, run_id=ctx.run.pk, totals=totals, missing=missing)
    return Done(result={"totals": totals})


def _ready_teams() -> QuerySet[Team]:
    """Those that are set up and connected."""
    return Team.objects.filter(
        onboarding_pipeline_status__in=[OnboardingStatus.DONE, OnboardingStatus.PARTIAL],
        pk__in=Connection.objects.across_teams().values("team_id"),
    )


@db_periodic_task(crontab(minute="0", hour=NIGHTLY_HOUR), name="nightly_refresh", queue="compute")  # type: ignore[untyped-decorator]
def nightly_refresh() -> None:
    """Refresh every team that is set up and connected. Several workers may fire; each team's night has one run."""
    today = timezone.now().date()
    for team_id in _ready_teams().values_list("pk", flat=True):
        _refresh(team_id, once_key=f"nightly:{team_id}:{today:%Y-%m-%d}")
    webhooks.forget_old()


@db_periodic_task(crontab(minute="*"), name="refresh_changed", queue="compute")  # type: ignore[untyped-decorator]
def refresh_changed() -> None:
    """Read what webhooks told of: a minute after, and no more often than every five, however much is told."""
    now = timezone.now()
    told = TrackedRepository.objects.across_teams().filter(changed_at__lt=now - QUIET, team__in=_ready_teams())
    changed = told.filter(Q(last_synced_at__isnull=True) | Q(last_synced_at__lt=F("changed_at")))
    by_team: dict[int, list[int]] = {}
    for team_id, pk in changed.order_by("pk").values_list("team_id", "pk"):
        by_team.setdefault(team_id, []).append(pk)
    for team_id, repo_ids in by_team.items():
        subject = f"team:{team_id}"
        if not Run.objects.filter(subject=subject, created_at__gt=now - REFRESH_EVERY).exists():
            _refresh(team_id, repo_ids=repo_ids)


@db_periodic_task(crontab(minute="10"), name="weekly_digest", queue="compute")  # type: ignore[untyped-decorator]
def weekly_digest() -> None:
    """Queue last week's mail where Monday morning has come. Any number of workers may do it, each hour of that day."""
    now = timezone.now()
    for team in digest.due(now):
        try:
            with transaction.atomic():
                digest.queue(team, now)
        except Exception:
            logger.exception("The weekly mail of team %s could not be queued.", team.pk)


def _refresh(team_id: int, *, once_key: str | None = None, **params: Any) -> None:
    try:
        refresh(team_id, once_key=once_key, **params)
    except Exception:
        # The other teams' refreshes don't hang on this one's.
        logger.exception("The refresh of team %s could not be started.", team_id)


def refresh(team_id: int, *, started_by: Any = None, once_key: str | None = None, **params: Any) -> tuple[Run, bool]:
    """Start reading what has changed, or join the refresh under way. Params are the pipeline's."""
    return engine.start(
        NIGHTLY_PIPELINE,
        subject=f"team:{team_id}",
        params={"team_id": team_id, "limit": settings.HISTORICAL_SYNC_CONFIG["LLM_NIGHTLY_SIZE"], **params},
        started_by=started_by,
        once_key=once_key,
    )
