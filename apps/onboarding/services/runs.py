"""Start an onboarding, and count what it has read."""

from collections.abc import Sequence
from datetime import date
from typing import TypedDict

from django.conf import settings
from django.db import transaction
from django.urls import reverse
from django.utils import timezone

from apps.integrations.models import SyncStatus, TrackedRepository
from apps.integrations.sync import window
from apps.mail.models import OutboxMessage
from apps.metrics.models import Commit, PRReview, PullRequest
from apps.metrics.records import ChangeKind
from apps.metrics.run_events import RepositoryEvent
from apps.onboarding import pipeline_names
from apps.onboarding.signals import repositories_chosen
from apps.onboarding.state.kinds import Kind
from apps.pipelines import engine, events
from apps.pipelines.exceptions import NotAllowed
from apps.pipelines.models import Run, StepRun
from apps.pipelines.outcomes import Missing
from apps.teams import run_subjects
from apps.teams.models import Team
from apps.teams.run_subjects import subject_of
from apps.users.models import User

# The step that sends the completion email; its cursor has the key `told` afterwards.
NOTIFY_STEP = "notify"


class Totals(TypedDict):
    """What a run has read.

    `ai_assisted` counts pull requests with an explicit marker, so it is a lower bound.
    """

    repositories: int
    pull_requests: int
    reviews: int
    commits: int
    ai_assisted: int


def totals_of(team_id: int, repo_ids: Sequence[int] | None) -> Totals:
    """Count what could be read of the tracked repositories of these ids, or of all of
    the team's if there are none given.
    """
    tracked = TrackedRepository.objects.for_team(team_id)
    if repo_ids is not None:
        tracked = tracked.filter(pk__in=repo_ids)
    repositories = list(tracked.values_list("repository_id", flat=True))
    pulls = (
        PullRequest.objects.for_team(team_id)
        .filter(repository_id__in=repositories)
        .exclude(kind=ChangeKind.CHANGE)
    )
    of_these = {"pull_request__repository_id__in": repositories}
    return Totals(
        repositories=tracked.filter(
            sync_status__in=[SyncStatus.COMPLETE, SyncStatus.PARTIAL]
        ).count(),
        pull_requests=pulls.count(),
        reviews=PRReview.objects.for_team(team_id).filter(**of_these).count(),
        commits=Commit.objects.for_team(team_id).filter(**of_these).count(),
        ai_assisted=pulls.filter(ai_assisted=True).count(),
    )


def gaps_of(team_id: int) -> list[Missing]:
    """Return what the team's repositories lack after their last sync."""
    lacking = TrackedRepository.objects.for_team(team_id).filter(
        sync_status__in=[SyncStatus.PARTIAL, SyncStatus.ERROR]
    )
    return [
        Missing(
            what=row.repository.full_name,
            why=row.last_sync_error,
            cause=row.cause,
            remedy=row.remedy,
        )
        for row in lacking.select_related("repository").order_by("pk")
    ]


def start_onboarding(
    team: Team,
    user: User | None,
    tracked: Sequence[TrackedRepository],
    months: int,
    since: date | None = None,
) -> tuple[Run, bool]:
    """Start the team's onboarding over these repositories, or join the one that is
    under way.

    The first day of what the team reads becomes `since`, or the day `months` before
    today, unless it was an earlier one already.
    """
    with transaction.atomic():
        wanted = since or window.day_of(window.start(timezone.now(), months))
        # Otherwise two starts at once could widen the window from the same first day.
        Team.objects.select_for_update().get(pk=team.pk)
        first_day = window.widened(team.pk, wanted)
        repositories_chosen.send(sender=Team, team=team, user=user, count=len(tracked))
        run, created = engine.start(
            pipeline_names.ONBOARDING,
            subject=subject_of(team.pk),
            params={
                "team_id": team.pk,
                "repo_ids": [row.pk for row in tracked],
                "months": months,
                "since": first_day.isoformat(),
            },
            started_by=user,
            kind=Kind.ONBOARDING,
        )
        if created:
            Team.objects.filter(pk=team.pk).update(history_start=first_day)
            # So that the page has a row for each from its first moment, whatever the
            # last sync left in theirs.
            waiting = [
                RepositoryEvent(id=row.pk).entry(row.repository.full_name) for row in tracked
            ]
            events.append(run.pk, waiting)
    return run, created


def keep_completion_email(run: Run, step: StepRun, selection: Sequence[str] | None) -> None:
    """Prepare a retry that begins with the AI step: all repositories were read, so the
    email is not sent again.

    Raises NotAllowed if parts of the step are selected.
    """
    if selection:
        raise NotAllowed(
            f"Only whole steps can be retried here; {step.title!r} has no parts to choose from."
        )
    was_sent = OutboxMessage.objects.filter(
        dedupe_key__startswith=f"run:{run.pk}:", dedupe_key__endswith=":complete"
    )
    if was_sent.exists():
        # The cursor makes the step believe that it has sent the email in this attempt.
        StepRun.objects.filter(run=run, key=NOTIFY_STEP).update(cursor={"told": True})


def team_of(run: Run) -> Team:
    return run_subjects.team_of(run.subject)


def run_url(run: Run, team: Team) -> str:
    """Return the absolute address of a run's page."""
    return settings.SITE_URL + run_path(run, team)


def run_path(run: Run, team: Team) -> str:
    """Return the path of a run's page."""
    return reverse("onboarding:run_detail", args=[team.slug, run.pk])
