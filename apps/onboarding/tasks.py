"""The last step of an onboarding, and the nightly refresh."""

import logging

from django.utils import timezone
from huey import crontab
from huey.contrib.djhuey import db_periodic_task

from apps.integrations.models import Connection
from apps.onboarding.services.runs import gaps_of, totals_of
from apps.onboarding.signals import onboarding_completed
from apps.pipelines import engine
from apps.pipelines.context import StepContext
from apps.pipelines.outcomes import Done
from apps.pipelines.tasks import Standalone, step_task
from apps.teams.models import OnboardingStatus, Team

logger = logging.getLogger(__name__)

ONBOARDING_PIPELINE = "onboarding"
NIGHTLY_PIPELINE = "nightly"
# By night everywhere in Europe and America; GitHub's limits are per hour, so the minute does not matter.
NIGHTLY_HOUR = "3"


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


@db_periodic_task(crontab(minute="0", hour=NIGHTLY_HOUR), name="nightly_refresh", queue="compute")  # type: ignore[untyped-decorator]
def nightly_refresh() -> None:
    """Refresh every team that is set up and connected. Several workers may fire; each team's night has one run."""
    today = timezone.now().date()
    ready = Team.objects.filter(
        onboarding_pipeline_status__in=[OnboardingStatus.DONE, OnboardingStatus.PARTIAL],
        pk__in=Connection.objects.across_teams().values("team_id"),
    )
    for team_id in ready.values_list("pk", flat=True):
        try:
            engine.start(
                NIGHTLY_PIPELINE,
                subject=f"team:{team_id}",
                params={"team_id": team_id},
                once_key=f"nightly:{team_id}:{today:%Y-%m-%d}",
            )
        except Exception:
            # The other teams' nights don't hang on this one's.
            logger.exception("The nightly refresh of team %s could not be started.", team_id)
