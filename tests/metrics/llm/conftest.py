"""A team with unread pull requests, and the sandbox's language model."""

from datetime import timedelta

import httpx
import pytest
from django.utils import timezone

from apps.metrics.models import Analysis, Commit, LlmPace, PullRequest, Repository
from apps.metrics.tasks import run_llm_analysis_batch
from apps.pipelines.models import StepRun, StepState
from apps.teams.services import create_team
from apps.users.models import User
from tests.sandbox.server import start_sandbox

COUNT = 40


class Model:
    """The sandbox's language model."""

    def __init__(self, url):
        self.url, self.http = url, httpx.Client(base_url=url, timeout=30)

    def faults(self, *faults):
        rows = [{"match": {"operation": "chat"}} | fault for fault in faults]
        self.http.post("/_sandbox/faults", json=rows).raise_for_status()

    def bill(self):
        return self.http.get("/_sandbox/llm").json()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llm")
    (folder / "a__b.jsonl").write_text("")
    with start_sandbox(data=folder) as url:
        yield url


@pytest.fixture
def model(server, settings):
    model = Model(server)
    model.http.post("/_sandbox/reset").raise_for_status()
    settings.LLM_BASE_URL, settings.LLM_BASE_URL_GIVEN = f"{server}/v1", True
    settings.LLM_REQUESTS_A_MINUTE = 100_000
    yield model
    model.http.close()


@pytest.fixture
def owner(db):
    return User.objects.create_user("lead@acme.example")


@pytest.fixture
def team(owner):
    return create_team("Acme", owner)


@pytest.fixture
def pulls(team):
    """Forty pull requests with a commit each, the newest last."""
    repository = Repository.objects.across_teams().create(
        team=team, source="github", full_name="acme/api"
    )
    now = timezone.now()
    rows = PullRequest.objects.bulk_create(
        PullRequest(
            team=team,
            repository=repository,
            external_id=f"PR_{n}",
            number=n,
            title=f"fix: Part {n}",
            body=f"Carries the total of page {n} over to the next one.",
            state="merged",
            additions=n,
            deletions=2,
            changed_files=1,
            created_at=now - timedelta(days=COUNT - n),
            updated_at=now - timedelta(hours=1),
            merged_at=now - timedelta(hours=1),
            detail_state="complete",
            head_ref="topic",
        )
        for n in range(1, COUNT + 1)
    )
    Commit.objects.bulk_create(
        Commit(
            team=team,
            pull_request=pull,
            oid=f"{n:040}",
            message="Work",
            authored_at=now,
            committed_at=now,
        )
        for n, pull in enumerate(rows)
    )
    return PullRequest.objects.for_team(team)


def read(worker, team, seconds=30.0, **params):
    return worker.drain(
        worker.start(run_llm_analysis_batch, team_id=team.pk, **params), seconds
    )


def states(team):
    found = list(Analysis.objects.for_team(team).values_list("state", flat=True))
    return {state: found.count(state) for state in found}


def pass_time():
    """Let all pauses be over."""
    LlmPace.objects.update(blocked_until=timezone.now())
    StepRun.objects.filter(state=StepState.PARKED).update(parked_until=timezone.now())
