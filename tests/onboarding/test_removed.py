"""A repository whose row is deleted while a run reads it: the run goes on with the
others and names it.
"""

import pytest
from django.utils import timezone

from apps.integrations.models import ApiBudget, SyncStatus, TrackedRepository
from apps.mail.models import OutboxMessage
from apps.metrics.models import PullRequest, Repository
from apps.onboarding import state
from apps.pipelines import engine
from apps.pipelines.worker.sweeper import sweep
from tests.fixtures.workers import ended, eventually

pytestmark = pytest.mark.django_db(transaction=True)

NAME, OTHER = "acme/api", "acme/web"


def delete_tracking():
    """As the admin site and commands do it: what was read stays."""
    TrackedRepository.objects.across_teams().filter(repository__full_name=NAME).delete()


def delete_everything():
    """With all that was read of it."""
    Repository.objects.across_teams().filter(full_name=NAME).delete()


def status(name):
    return TrackedRepository.objects.across_teams().get(repository__full_name=name).sync_status


def is_named_as_removed(run):
    found = [(item["what"], item["cause"]) for item in run.missing]
    return run.state == "partial" and found == [(NAME, "removed")]


@pytest.mark.parametrize("delete", [delete_tracking, delete_everything])
def test_repository_that_is_deleted_between_units_is_named(
    team, begin, github, workers, delete
):
    github.slow(0.5)
    run = begin(NAME, OTHER)
    workers.start(GITHUB_API_URL=github.url)
    eventually(lambda: status(NAME) == SyncStatus.SYNCING)
    delete()
    eventually(ended(run))
    assert is_named_as_removed(run), (run.state, run.error, run.missing)
    assert status(OTHER) == SyncStatus.COMPLETE
    assert PullRequest.objects.for_team(team).filter(repository__full_name=OTHER).count() == 8
    assert OutboxMessage.objects.filter(dedupe_key__endswith=":complete").count() == 2
    shown = state.of_run(run, team.name)
    assert (shown.missing_repositories, [gap.what for gap in shown.gaps]) == (1, [(NAME,)])
    engine.retry(run)
    eventually(ended(run))
    assert run.state == "done", "what was removed is not missing in a retry"


@pytest.mark.parametrize("delete", [delete_tracking, delete_everything])
def test_repository_that_is_deleted_between_attempts_is_named(
    team, begin, github, work, delete
):
    github.faults({"rate_limit": "primary", "reset_in": 600, "after": 2})
    run = begin(NAME, OTHER)
    work(run)
    assert run.steps.first().state == "parked"
    delete()
    github.faults()
    ApiBudget.objects.all().delete()
    run.steps.filter(state="parked").update(parked_until=timezone.now())
    sweep()
    work(run)
    assert is_named_as_removed(run), (run.state, run.error, run.missing)


def test_repository_that_is_deleted_before_the_first_unit_is_named(team, begin, work):
    run = begin(NAME, OTHER)
    delete_tracking()
    assert is_named_as_removed(work(run)), (run.state, run.error, run.missing)


def test_run_whose_only_repository_is_deleted_fails_with_the_reason(team, begin, work):
    run = begin(NAME)
    delete_tracking()
    assert (work(run).state, run.cause) == ("failed", "removed")
