"""Run the last step of an onboarding, and start what refreshes a team later: the
nightly schedule, a webhook, or a person.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from huey import crontab
from huey.contrib.djhuey import db_periodic_task

from apps.integrations.sync import attempts
from apps.integrations.webhooks import handling
from apps.onboarding import nights, pipeline_names
from apps.onboarding.services import digest, notifications, refreshing
from apps.onboarding.services.runs import gaps_of, team_of, totals_of
from apps.onboarding.signals import onboarding_completed
from apps.onboarding.state import failures, of_run
from apps.onboarding.state.kinds import PAUSED_AT_MOST, Kind
from apps.pipelines import engine
from apps.pipelines.context import StepContext
from apps.pipelines.exceptions import NotAllowed
from apps.pipelines.models import Run
from apps.pipelines.outcomes import Done
from apps.pipelines.tasks import Standalone, step_task
from apps.teams.run_subjects import subject_of

logger = logging.getLogger(__name__)

# No email is sent about a refresh that was paused for a shorter time.
PAUSE_EMAILED_AFTER = timedelta(hours=1)
# The actor that is recorded when a paused refresh resumes.
SCHEDULE = "the nightly schedule"


def _of_team(team_id: int) -> Standalone:
    return None, subject_of(team_id), None, {"team_id": team_id}


@step_task(name="send_onboarding_complete_email", standalone=_of_team)
def send_onboarding_complete_email(
    ctx: StepContext, *, team_id: int, repo_ids: list[int] | None = None
) -> Done:
    """Announce that the onboarding is complete, with its totals and what is missing.

    The receivers of the signal queue the emails.
    """
    totals = totals_of(team_id, repo_ids)
    # As a run of this step alone there are no earlier steps: the repositories
    # themselves know what they lack.
    missing = ctx.missing_so_far() if ctx.step.idx else gaps_of(team_id)
    if not ctx.cursor.get("told"):
        with ctx.unit(cursor={"told": True}, done=1, total=1, unit="messages"):
            ctx.send(
                onboarding_completed,
                team_id=team_id,
                run_id=ctx.run.pk,
                generation=ctx.generation,
                totals=totals,
                missing=missing,
            )
    return Done(result={"totals": totals})


@db_periodic_task(crontab(minute="*"), name="nightly_refresh", queue="compute")  # type: ignore[untyped-decorator]
def nightly_refresh() -> None:
    """Refresh each team whose night is due.

    Several workers may fire; each team's night has one run.
    """
    now = timezone.now()
    _end_long_pauses(now)
    _retry_failed_nights(now)
    for team_id, at in nights.due(now):
        _refresh(team_id, Kind.NIGHTLY, once_key=f"nightly:{team_id}:{at:%Y-%m-%d}")


def _end_long_pauses(now: datetime) -> None:
    """Email each team once whose refresh is paused, and resume a refresh that was
    paused for a day.

    A run resumes at its saved position, so what it has read is kept. The next nightly
    refresh begins when it has ended.
    """
    for run in nights.paused_runs(pipeline_names.NIGHTLY, now - PAUSE_EMAILED_AFTER):
        try:
            if nights.paused_at(run) <= now - PAUSED_AT_MOST:
                _go_on(run)
            else:
                _email_pause(run)
        except Exception:
            logger.exception("The paused refresh %s could not be handled.", run.pk)


def _retry_failed_nights(now: datetime) -> None:
    """Let nights go on that failed because GitHub was away: otherwise minutes without
    it would cost a day.
    """
    for run in nights.to_retry(pipeline_names.NIGHTLY, now):
        try:
            engine.retry(run, by=SCHEDULE)
        except NotAllowed as reason:
            logger.info("The night %s does not go on by itself: %s", run.pk, reason)
        except Exception:
            logger.exception("The night %s could not be retried.", run.pk)


def _go_on(run: Run) -> None:
    try:
        engine.resume(run, by=SCHEDULE)
    except NotAllowed:
        # This release has no such step any more. A new run reads the same.
        engine.cancel(run, by=SCHEDULE)


@transaction.atomic
def _email_pause(run: Run) -> None:
    team = team_of(run)
    reason = of_run(run, team.name).state.reason
    failure = failures.pause(run, team, reason, nights.paused_at(run))
    if failure is not None:
        notifications.send_refresh_fails_email(run, failure)


@db_periodic_task(crontab(minute="23", hour="*"), name="forget_old_deliveries", queue="compute")  # type: ignore[untyped-decorator]
def forget_old_deliveries() -> None:
    """Delete what is kept of webhooks that came long ago."""
    handling.forget_old()


@db_periodic_task(crontab(minute="*"), name="refresh_changed", queue="compute")  # type: ignore[untyped-decorator]
def refresh_changed() -> None:
    """Read what webhooks announced: a minute after, and no more often than every five,
    however much is announced.
    """
    now = timezone.now()
    for team_id, repo_ids in attempts.due(now, nights.ready_teams()).items():
        subject = subject_of(team_id)
        if not Run.objects.filter(
            subject=subject, created_at__gt=now - attempts.REFRESH_EVERY
        ).exists():
            _refresh(team_id, Kind.WEBHOOK, repo_ids=repo_ids)


@db_periodic_task(crontab(minute="10"), name="weekly_digest", queue="compute")  # type: ignore[untyped-decorator]
def weekly_digest() -> None:
    """Queue the digest of last week for each team whose Monday morning has come.

    Any number of workers may run it, in each hour of that day: a team gets one.
    """
    now = timezone.now()
    for team in digest.due(now):
        try:
            with transaction.atomic():
                digest.queue(team, now)
        except Exception:
            logger.exception("The weekly mail of team %s could not be queued.", team.pk)


def _refresh(team_id: int, kind: Kind, *, once_key: str | None = None, **params: Any) -> None:
    try:
        refreshing.refresh(team_id, kind=kind, once_key=once_key, **params)
    except Exception:
        # A failure of one team must not stop the refreshes of the others.
        logger.exception("The refresh of team %s could not be started.", team_id)
