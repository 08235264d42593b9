"""SIGKILL of the worker in each of the product's steps, at each place where something
could be lost or doubled.
"""

import signal

import pytest
from django.db import connection

from apps.analytics.models import AnalyticsEvent
from apps.integrations.models import SyncLog, TrackedRepository
from apps.metrics.models import Commit, PRReview, PullRequest, WeeklyMetrics
from apps.onboarding.pipeline import ONBOARDING
from apps.onboarding.services.runs import totals_of
from apps.pipelines.models import RunState
from apps.teams.models import OnboardingStatus, Team
from tests.acceptance.conftest import REPOSITORIES
from tests.fixtures.workers import ended, eventually

pytestmark = pytest.mark.django_db(transaction=True)

PULLS = sum(REPOSITORIES.values())
DONE = "X-Firstlight-Email: complete"
PLACES = ["dequeued", "claimed", "unit", "handoff"]


def environment(github, mailbox):
    return {"GITHUB_API_URL": github, "EMAIL_URL": f"smtp://127.0.0.1:{mailbox.port}"}


# One step in `make test`; the others do the same with other rows.
ALWAYS = ("sync",)
STEPS = [
    pytest.param(step, id=step.key, marks=[] if step.key in ALWAYS else pytest.mark.long)
    for step in ONBOARDING.steps
]


@pytest.mark.parametrize("step", STEPS)
def test_killed_workers_cost_nothing(github, mailbox, onboarding, workers, step):
    """One after the other is killed in the same step, each at another place; the last
    one is left alone.
    """
    run = onboarding()
    env = environment(github, mailbox)
    for place in PLACES:
        victim = workers.start(LAB_KILL=f"{step.task.name}:{place}", **env)
        assert victim.wait(timeout=120) == -signal.SIGKILL, place
        # Killed after the last step's commit, the run is done already; what is left is
        # the mail.
        assert ended(run)() == (step.key == "notify" and place == "handoff")
    workers.start(**env)
    eventually(ended(run), seconds=120)
    check(run, mailbox)


def check(run, mailbox):
    """Done, with each effect once and one mail each."""
    assert run.state == RunState.DONE, run.error
    rows_are_right(run)
    eventually(lambda: len(mailbox.subjects(DONE)) >= 2, seconds=30)
    assert sorted(mailbox.subjects(DONE)) == ["mara@acme.example", "teo@acme.example"]
    names = list(AnalyticsEvent.objects.filter(run=run.pk).values_list("name", flat=True))
    assert sorted(names) == sorted(["started", *["step"] * 5, "completed"])
    logged = list(SyncLog.objects.across_teams().values_list("signal", flat=True))
    assert sorted(logged) == sorted(
        [
            "onboarding_sync_started",
            *["repository_sync_completed"] * len(REPOSITORIES),
            "onboarding_sync_completed",
        ]
    )
    percents = [
        event.data["percent"] for event in run.events.filter(kind="run").order_by("seq")
    ]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert [event.seq for event in run.events.order_by("seq")] == list(range(1, run.seq + 1))
    connection.close()


def rows_are_right(run):
    team = Team.objects.get()
    assert team.onboarding_pipeline_status == OnboardingStatus.DONE
    assert totals_of(team.pk, None) == {
        "repositories": 2,
        "pull_requests": PULLS,
        "reviews": PULLS,
        "commits": PULLS,
        "ai_assisted": sum(count // 3 for count in REPOSITORIES.values()),
    }
    assert PullRequest.objects.for_team(team).filter(detail_state="complete").count() == PULLS
    assert (
        Commit.objects.for_team(team).count()
        == PRReview.objects.for_team(team).count()
        == PULLS
    )
    merged = (
        WeeklyMetrics.objects.for_team(team)
        .filter(scope="team")
        .values_list("merged", flat=True)
    )
    assert sum(merged) == PULLS
    assert set(
        TrackedRepository.objects.for_team(team).values_list("sync_status", flat=True)
    ) == {"complete"}
    assert not run.events.filter(kind="receiver_failed").exists()
