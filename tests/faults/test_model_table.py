"""The language model's rows of the fault table: a setup, a night, and the pages, with a
real worker.

All of it by hand, in about half an hour: `SAMPLE=all python -m pytest -m long -n 0 -s
tests/faults/test_model_table.py`. `make test-long` tries a sample by SEED.
"""

import httpx
import pytest
from django.utils import timezone

from apps.integrations.connections.tracking import track_repositories
from apps.mail.models import OutboxMessage
from apps.metrics.models import (
    Analysis,
    LlmDialect,
    LlmPace,
    LlmReservation,
    PullRequest,
    WeeklyMetrics,
)
from apps.onboarding.services import refreshing
from apps.onboarding.services.runs import start_onboarding
from apps.pipelines import engine
from apps.pipelines.models import ACTIVE_RUN_STATES, PASSED, Run
from apps.pipelines.worker.health import live_workers
from tests.faults.model_rows import ROWS
from tests.faults.scene import OURS, Scene, assert_fit_for_people, look
from tests.faults.table import assert_rows_differ, sample
from tests.fixtures.workers import ended, eventually

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 4


class ModelScene(Scene):
    """A team, a worker, and a model's server with one fault."""

    def __init__(self, row, log, tried, team, neighbor, sandbox):
        super().__init__(row, log, tried)
        self.team, self.neighbor, self.sandbox = team, neighbor, sandbox

    def requests(self):
        return self.neighbor.count()

    def begin(self):
        """Let the fault begin; what was learned of the server and read from it is
        forgotten.
        """
        for run in Run.objects.filter(pipeline="ai_reading", state__in=ACTIVE_RUN_STATES):
            engine.cancel(run)
        Analysis.objects.for_team(self.team).delete()
        for model in (LlmPace, LlmDialect, LlmReservation):
            model.objects.all().delete()
        self.sandbox.faults(
            *([{"match": {"operation": "chat"}} | self.row.fault] if self.row.fault else [])
        )
        if self.row.content is None:
            self.neighbor.forwards()
        else:
            self.neighbor.answers(self.row.content, **self.row.how)
        self.mark()

    def check(self, run):
        """Compare a run's end with the row: the main job is done, and only the model's
        part may be missing.
        """
        assert run.state == self.row.ends, run.missing
        assert {one["cause"] for one in run.missing} == (
            {self.row.outcome} if self.row.outcome else set()
        )
        assert all(len(one["why"]) <= 500 for one in run.missing)
        assert all(state in PASSED for state in run.steps.values_list("state", flat=True))
        pulls = PullRequest.objects.for_team(self.team)
        assert pulls.count() == 33
        assert WeeklyMetrics.objects.for_team(self.team).exists()
        assert not LlmReservation.objects.filter(expires_at__lt=timezone.now()).exists()
        rows = Analysis.objects.for_team(self.team)
        if self.row.outcome == "ai_content_filter":
            assert (rows.filter(state="done").count(), rows.filter(state="failed").count()) == (
                32,
                1,
            )
        else:
            # Nothing is lost for good because of the server.
            assert not rows.filter(state="failed").exists()


@pytest.mark.long
@pytest.mark.parametrize("row", sample("model", ROWS), ids=lambda row: row.name)
def test_fault_ends_as_its_row_states(
    row, team, owner, workers, neighbor, octo_server, client, tried
):
    octo_server.reset()
    env = {
        "GITHUB_API_URL": octo_server.url,
        "LLM_BASE_URL": f"{neighbor.url}/v1",
        "LLM_PATIENCE": str(PATIENCE),
    }
    workers.start(LLM_REQUESTS_A_MINUTE="100000", GROQ_API_KEY="gsk_of-the-fault-table", **env)
    eventually(lambda: len(live_workers()) == 1)
    scene = ModelScene(row, workers.log, tried, team, neighbor, octo_server)
    tracked = track_repositories(team, "github", ["octo/hello", "octo/world"])

    def set_up():
        run, _ = start_onboarding(team, owner, tracked, 12)
        eventually(ended(run), 60)
        return run

    scene.begin()
    run = scene.measured("onboarding", set_up)
    scene.check(run)
    assert run.steps.filter(key="notify", state="done").exists()
    completion = OutboxMessage.objects.filter(dedupe_key__endswith=":complete")
    assert [message.recipient for message in completion] == [owner.email]
    assert not OURS.search(completion.get().text)

    def refresh():
        night, _ = refreshing.refresh(team.pk)
        eventually(ended(night), 60)
        return night

    scene.begin()
    scene.check(scene.measured("night", refresh))
    assert completion.count() == 1

    # What reads on in the background would be counted.
    workers.end()
    neighbor.forwards()
    scene.mark()
    assert_fit_for_people(scene.measured("page", lambda: look(client, team, owner, run)))


def test_rows_differ_in_bytes():
    assert_rows_differ(ROWS, floor=66)


def test_neighbor_passes_requests_on(neighbor):
    assert httpx.get(f"{neighbor.url}/_sandbox/llm").json()["answered"] >= 0
