"""React to the signals of an onboarding: update the Team's columns, and queue emails.

The nightly run and the runs of one step cause neither, except a run of the notify step
alone, which queues its emails.
"""

from typing import Any
from uuid import UUID

from django.db.models import Q
from django.dispatch import receiver

from apps.mail import owners as mail_owners
from apps.mail.tasks import hint_due
from apps.onboarding import pipeline_names
from apps.onboarding.services import notifications
from apps.onboarding.services.runs import Totals, team_of
from apps.onboarding.signals import onboarding_completed
from apps.onboarding.state import failures
from apps.pipelines import signals
from apps.pipelines.models import Run, RunState
from apps.pipelines.outcomes import Missing
from apps.pipelines.worker import process_id as pipeline_owners
from apps.teams.emails import EmailKind
from apps.teams.models import OnboardingStatus, Team
from apps.teams.signals import team_founded
from apps.users.models import User


def _project(run: Run, status: OnboardingStatus) -> None:
    """Repeat the run in its team's row, unless the run went on since, or a newer one is
    there.
    """
    if run.pipeline != pipeline_names.ONBOARDING or not signals.is_current(run):
        return
    newer = Q(onboarding_pipeline_started_at__gt=run.created_at)
    Team.objects.filter(pk=team_of(run).pk).exclude(newer).update(
        onboarding_pipeline_status=status,
        onboarding_pipeline_error=run.error or None,
        onboarding_pipeline_started_at=run.created_at,
        onboarding_pipeline_completed_at=run.finished_at,
    )


@receiver(
    [signals.pipeline_started, signals.pipeline_retried], dispatch_uid="onboarding.running"
)
def on_running(run: Run, **kwargs: Any) -> None:
    _project(run, OnboardingStatus.RUNNING)


@receiver(signals.pipeline_completed, dispatch_uid="onboarding.completed")
def on_completed(run: Run, **kwargs: Any) -> None:
    _project(
        run,
        OnboardingStatus.PARTIAL if run.state == RunState.PARTIAL else OnboardingStatus.DONE,
    )


@receiver(signals.pipeline_filled, dispatch_uid="onboarding.filled")
def on_filled(run: Run, **kwargs: Any) -> None:
    _project(
        run,
        OnboardingStatus.PARTIAL if run.state == RunState.PARTIAL else OnboardingStatus.DONE,
    )


@receiver(signals.pipeline_cancelled, dispatch_uid="onboarding.cancelled")
def on_cancelled(run: Run, **kwargs: Any) -> None:
    _project(run, OnboardingStatus.CANCELLED)


@receiver(signals.pipeline_failed, dispatch_uid="onboarding.failed")
def on_failed(run: Run, **kwargs: Any) -> None:
    _project(run, OnboardingStatus.FAILED)


@receiver(signals.pipeline_failed, dispatch_uid="onboarding.failed_mail")
def mail_failure(run: Run, error: str, **kwargs: Any) -> None:
    if run.pipeline == pipeline_names.ONBOARDING and signals.is_current(run):
        notifications.send_onboarding_failed_email(run, error)


@receiver(signals.pipeline_failed, dispatch_uid="onboarding.refresh_fails")
def mail_refresh_fails(run: Run, **kwargs: Any) -> None:
    """Email the team once when its figures stop being refreshed."""
    if run.pipeline == pipeline_names.NIGHTLY:
        failure = failures.begin(run, team_of(run))
        if failure is not None:
            notifications.send_refresh_fails_email(run, failure)


@receiver(signals.pipeline_completed, dispatch_uid="onboarding.refresh_works")
def mail_refresh_works(run: Run, **kwargs: Any) -> None:
    """Email the team once when its figures are refreshed again."""
    if run.pipeline in (pipeline_names.NIGHTLY, pipeline_names.ONBOARDING):
        failure = failures.end(run, team_of(run))
        if failure is not None:
            notifications.send_refresh_works_email(run, failure)


@receiver(team_founded, dispatch_uid="onboarding.welcome_mail")
def mail_welcome(team: Team, owner: User, by_operator: bool = False, **kwargs: Any) -> None:
    notifications.send_welcome_email(owner, team, by_operator=by_operator)


@receiver(onboarding_completed, dispatch_uid="onboarding.complete_mail")
def mail_completion(
    team_id: int,
    run_id: UUID,
    totals: Totals,
    missing: list[Missing],
    generation: int | None = None,
    **kwargs: Any,
) -> None:
    """Queue one email for each recipient, in the step's transaction.

    `generation` is the run's at that time: if this is called again after a retry of the
    run, it is still its email.
    """
    run = Run.objects.get(pk=run_id)
    run.generation = generation or run.generation
    for recipient in notifications.recipients(run, EmailKind.FINISHED):
        notifications.send_sync_complete_email(run, recipient, totals, missing)


# The outbox is delivered by its own tasks; a worker that ticks makes sure that none of
# their messages was lost, and that what a killed worker was about to hand over does not
# wait for its lease.
mail_owners.use(identity=pipeline_owners.me, proof_of_death=pipeline_owners.is_dead)
signals.worker_tick.connect(hint_due, dispatch_uid="onboarding.outbox")
