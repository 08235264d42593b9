"""Receivers that are called again after their run went on change nothing that is newer."""

import copy
from datetime import timedelta

import pytest

from apps.integrations.connections.tracking import track_repositories
from apps.integrations.sync import receivers as integrations
from apps.mail.models import OutboxMessage
from apps.onboarding import receivers
from apps.onboarding.services.runs import start_onboarding
from apps.pipelines.models import Run, RunState
from apps.teams.models import OnboardingStatus
from apps.teams.services import create_team
from apps.users.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def run():
    mara = User.objects.create_user("mara@acme.example")
    team = create_team("Acme", mara)
    return start_onboarding(
        team, mara, track_repositories(team, "github", ["acme/api"]), months=12
    )[0]


@pytest.fixture
def failed(run):
    """The run as a receiver saw it when it had failed; since then, it was retried."""
    seen = copy.copy(run)
    seen.state, seen.error = RunState.FAILED, "No such thing."
    Run.objects.filter(pk=run.pk).update(generation=2)
    return seen


def team_of(run):
    return receivers.team_of(run)


def test_late_failure_does_not_replace_the_state_of_a_retried_run(failed):
    receivers.on_failed(run=failed)
    assert team_of(failed).onboarding_pipeline_status == OnboardingStatus.RUNNING


def test_late_failure_of_an_older_run_does_not_replace_the_newer_one(run):
    older = copy.copy(run)
    older.created_at -= timedelta(days=1)
    receivers.on_failed(run=older)
    assert team_of(run).onboarding_pipeline_status == OnboardingStatus.RUNNING


def test_late_failure_email_is_not_sent_for_a_retried_run(failed):
    before = OutboxMessage.objects.count()
    receivers.mail_failure(run=failed, error="No such thing.")
    assert OutboxMessage.objects.count() == before


def test_late_completion_email_is_that_of_its_generation(failed):
    totals = {
        "repositories": 1,
        "pull_requests": 2,
        "reviews": 0,
        "commits": 2,
        "ai_assisted": 0,
    }
    for generation in (1, 2, 1):
        receivers.mail_completion(
            team_id=team_of(failed).pk,
            run_id=failed.pk,
            generation=generation,
            totals=totals,
            missing=[],
        )
    keys = OutboxMessage.objects.filter(dedupe_key__endswith=":complete").values_list(
        "dedupe_key", flat=True
    )
    assert sorted(keys) == [f"run:{failed.pk}:1:complete", f"run:{failed.pk}:2:complete"]


def test_late_date_of_a_repository_is_the_time_of_its_sync(run):
    [tracked] = integrations.TrackedRepository.objects.for_team(team_of(run))
    synced_at = run.created_at - timedelta(hours=1)
    arguments = {"team_id": tracked.team_id, "repo_id": tracked.pk}
    integrations.date_repository(**arguments, sent_at=synced_at)
    tracked.refresh_from_db()
    assert tracked.last_synced_at == synced_at
    integrations.date_repository(**arguments, sent_at=synced_at - timedelta(hours=1))
    tracked.refresh_from_db()
    assert tracked.last_synced_at == synced_at
