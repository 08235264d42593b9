"""The language model's rows of the fault table: a setup, a night, and the pages, with a real worker.

All of it by hand, in about half an hour: `SAMPLE=all python -m pytest -m long -n 0 -s tests/faults/test_model_table.py`.
`make test-long` tries a sample by SEED.
"""

import re
import time

import httpx
import pytest
from django.urls import reverse
from django.utils import timezone

from apps.integrations.credentials import store_token
from apps.integrations.services import track_repositories
from apps.mail.models import OutboxMessage
from apps.metrics.models import Analysis, LlmDialect, LlmPace, LlmReservation, PullRequest, WeeklyMetrics
from apps.onboarding import tasks
from apps.onboarding.services.runs import start_onboarding
from apps.pipelines import engine
from apps.pipelines.health import live_workers
from apps.pipelines.models import ACTIVE_RUN_STATES, PASSED, Run
from apps.teams.services import create_team
from apps.users.models import User
from tests.faults.model_rows import ROWS
from tests.faults.neighbor import start_neighbor
from tests.faults.table import sample
from tests.integrations.conftest import octo_server  # noqa: F401 - a fixture
from tests.pipelines.conftest import ended, eventually, queue, workers  # noqa: F401 - fixtures

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 4
# What no page and no email may hold.
OURS = re.compile(r"Traceback|Error:|GROQ_API_KEY|LLM_BASE_URL|check_model|httpx|gsk_")


@pytest.fixture(scope="module")
def neighbor(octo_server):  # noqa: F811
    with start_neighbor(octo_server.url) as neighbor:
        yield neighbor


@pytest.fixture
def owner(db):
    return User.objects.create_user("lead@octo.example")


@pytest.fixture
def team(owner):
    team = create_team("Octo", owner)
    store_token(team, "a token of any shape")
    return team


class Scene:
    """A team, a worker, and a model's server with one fault."""

    def __init__(self, row, team, worker_log, neighbor, sandbox):
        self.row, self.team, self.log, self.neighbor, self.sandbox = row, team, worker_log, neighbor, sandbox

    def begin(self):
        """Let the fault begin; what was learned of the server and read from it is forgotten."""
        for run in Run.objects.filter(pipeline="ai_reading", state__in=ACTIVE_RUN_STATES):
            engine.cancel(run)
        Analysis.objects.for_team(self.team).delete()
        for model in (LlmPace, LlmDialect, LlmReservation):
            model.objects.all().delete()
        self.sandbox.faults(*([{"match": {"operation": "chat"}} | self.row.fault] if self.row.fault else []))
        if self.row.content is None:
            self.neighbor.forwards()
        else:
            self.neighbor.answers(self.row.content, **self.row.how)
        self.lines = self.log.read_text(errors="replace").count("\n")

    def measured(self, most, work):
        """Do the work, and compare what it took with the most that it may take. Returns what the work returns."""
        began = time.monotonic()
        result = work()
        seconds = time.monotonic() - began
        requests = self.neighbor.count()
        lines = self.log.read_text(errors="replace").count("\n") - self.lines
        print(f"{self.row.name}: {seconds:.1f} s, {requests} requests, {lines} lines")
        assert seconds <= most.seconds
        assert requests <= most.requests
        assert lines <= most.lines, self.log.read_text(errors="replace")[-4000:]
        return result

    def check(self, run):
        """Compare a run's end with the row: the main job is done, and only the model's part may be missing."""
        assert run.state == ("partial" if self.row.outcome else "done"), run.missing
        assert {one["cause"] for one in run.missing} == ({self.row.outcome} if self.row.outcome else set())
        assert all(len(one["why"]) <= 500 for one in run.missing)
        assert all(state in PASSED for state in run.steps.values_list("state", flat=True))
        pulls = PullRequest.objects.for_team(self.team)
        assert pulls.count() == 33
        assert WeeklyMetrics.objects.for_team(self.team).exists()
        assert not LlmReservation.objects.filter(expires_at__lt=timezone.now()).exists()
        rows = Analysis.objects.for_team(self.team)
        if self.row.outcome == "ai_content_filter":
            assert (rows.filter(state="done").count(), rows.filter(state="failed").count()) == (32, 1)
        else:
            # Nothing is lost for good because of the server.
            assert not rows.filter(state="failed").exists()


@pytest.mark.long
@pytest.mark.parametrize("row", sample(ROWS), ids=lambda row: row.name)
def test_fault_ends_as_its_row_states(row, team, owner, workers, neighbor, octo_server, client):  # noqa: F811
    octo_server.reset()
    workers.log.write_text("")
    env = {"GITHUB_API_URL": octo_server.url, "LLM_BASE_URL": f"{neighbor.url}/v1", "LLM_PATIENCE": str(PATIENCE)}
    workers.start(LLM_REQUESTS_A_MINUTE="100000", GROQ_API_KEY="gsk_of-the-fault-table", **env)
    eventually(lambda: len(live_workers()) == 1)
    scene = Scene(row, team, workers.log, neighbor, octo_server)
    tracked = track_repositories(team, "github", ["octo/hello", "octo/world"])

    def set_up():
        run, _ = start_onboarding(team, owner, tracked, 12)
        eventually(ended(run), 60)
        return run

    scene.begin()
    run = scene.measured(row.onboarding, set_up)
    scene.check(run)
    assert run.steps.filter(key="notify", state="done").exists()
    completion = OutboxMessage.objects.filter(dedupe_key__endswith=":complete")
    assert [message.recipient for message in completion] == [owner.email]
    assert not OURS.search(completion.get().text)

    def refresh():
        night, _ = tasks.refresh(team.pk)
        eventually(ended(night), 60)
        return night

    scene.begin()
    scene.check(scene.measured(row.night, refresh))
    assert completion.count() == 1

    def look():
        client.force_login(owner)
        names = ("metrics:ai_reading", "metrics:dashboard", "metrics:pull_requests")
        addresses = [reverse(name, args=[team.slug]) for name in names]
        addresses.append(reverse("onboarding:run_detail", args=[team.slug, run.pk]))
        return [client.get(address) for address in addresses]

    # What reads on in the background would be counted.
    workers.end()
    neighbor.forwards()
    scene.lines = workers.log.read_text(errors="replace").count("\n")
    for page in scene.measured(row.page, look):
        text = page.content.decode()
        assert page.status_code == 200
        assert not OURS.search(text)
        assert len(text) < 400_000


def test_rows_differ_in_bytes():
    told = [(row.content, tuple(sorted(row.how.items())), str(row.fault)) for row in ROWS]
    assert len(set(told)) == len(ROWS) >= 45
    assert len({row.name for row in ROWS}) == len(ROWS)


def test_neighbor_passes_requests_on(neighbor):
    assert httpx.get(f"{neighbor.url}/_sandbox/llm").json()["answered"] >= 0
