"""Decide which teams' nightly refresh is due. A night that was missed, because no
worker ran, is caught up at once.

A team's refresh is due at NIGHTLY_HOUR UTC and some minutes, which differ by team, so
that the requests to GitHub and the work are spread over the hour. It stays due until
something has refreshed the team.
"""

from datetime import datetime, timedelta

from django.db.models import QuerySet

from apps.integrations.models import Connection, TrackedRepository
from apps.onboarding.state.kinds import Kind, kind_of
from apps.pipelines.models import Run, RunState
from apps.teams.models import OnboardingStatus, Team
from apps.teams.run_subjects import subject_of

# It is night then everywhere in Europe and America.
NIGHTLY_HOUR = 3
# A prime, so that neighboring keys are not neighboring minutes.
_STRIDE = 37
# Causes of a failed night that pass by themselves, and how long after one it goes on.
PASSING = ("unreachable",)
RETRY_AFTER = timedelta(minutes=30)


def ready_teams() -> QuerySet[Team]:
    """Return the teams that are connected and have figures: set up once, or a
    repository that was read.

    A later setup that failed or was canceled changes nothing about that.
    """
    read = (
        TrackedRepository.objects.across_teams().exclude(last_synced_at=None).values("team_id")
    )
    is_set_up = Team.objects.filter(
        onboarding_pipeline_status__in=[OnboardingStatus.DONE, OnboardingStatus.PARTIAL]
    )
    has_read = Team.objects.filter(pk__in=read)
    return (is_set_up | has_read).filter(
        pk__in=Connection.objects.across_teams().values("team_id")
    )


def last_due(team_id: int, now: datetime) -> datetime:
    """Return when the team's newest night was to begin."""
    # The stride and 60 have no common factor, so all minutes are used.
    minute = team_id * _STRIDE % 60
    tonight = now.replace(hour=NIGHTLY_HOUR, minute=minute, second=0, microsecond=0)
    return tonight if tonight <= now else tonight - timedelta(days=1)


def due(now: datetime) -> list[tuple[int, datetime]]:
    """Return the teams that nothing has refreshed since their night was to begin, each
    with that moment.

    What a webhook causes reads only some repositories, so it doesn't count.
    """
    teams = sorted(ready_teams().values_list("pk", flat=True))
    newest = _newest_reads(now - timedelta(days=1))
    found = []
    for team_id in teams:
        at = last_due(team_id, now)
        begun = newest.get(subject_of(team_id))
        if begun is None or begun < at:
            found.append((team_id, at))
    return found


def paused_runs(pipeline: str, since: datetime) -> list[Run]:
    """Return the refreshes that have been paused since a moment, or for longer.

    None of their teams has a night.
    """
    runs = Run.objects.filter(pipeline=pipeline, state=RunState.PAUSED)
    return [run for run in runs if paused_at(run) <= since]


def to_retry(pipeline: str, now: datetime) -> list[Run]:
    """Return the nights that failed a while ago for a cause that passes, and that
    nothing has made up for since.
    """
    since = now - timedelta(days=1)
    failed = Run.objects.filter(
        pipeline=pipeline,
        kind=Kind.NIGHTLY,
        state=RunState.FAILED,
        cause__in=PASSING,
        created_at__gte=since,
        finished_at__lte=now - RETRY_AFTER,
    )
    runs = list(failed)
    # A newer run has made up for a failed night, or is about to.
    newest = _newest_reads(since) if runs else {}
    return [run for run in runs if newest.get(run.subject) == run.created_at]


def paused_at(run: Run) -> datetime:
    """Return when a paused run was paused; runs of earlier versions know only when they
    began.
    """
    return run.acted_at or run.created_at


def _newest_reads(since: datetime) -> dict[str, datetime]:
    """Return when the newest whole read of each subject began, or is still going on, of
    those begun since.
    """
    newest: dict[str, datetime] = {}
    rows = Run.objects.filter(created_at__gte=since).order_by("created_at")
    for subject, pipeline, kind, created_at in rows.values_list(
        "subject", "pipeline", "kind", "created_at"
    ):
        if kind_of(pipeline, kind) in (Kind.ONBOARDING, Kind.NIGHTLY, Kind.REFRESH):
            newest[subject] = created_at
    return newest
