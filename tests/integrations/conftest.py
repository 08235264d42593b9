import json
import os
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from django.utils import timezone
from huey.contrib.djhuey import HUEY

from apps.integrations.connections.credentials import store_token
from apps.integrations.connections.tracking import track_repositories
from apps.pipelines import engine
from apps.pipelines.models import StepRun
from apps.pipelines.worker.sweeper import sweep
from apps.teams.models import Team
from tests.sandbox.conftest import record
from tests.sandbox.server import ROOT, start_sandbox

SAMPLE = Path(os.environ.get("SAMPLE_DIR", ROOT.parent / "shared" / "sample"))


class Sandbox:
    """A running sandbox and its control calls."""

    def __init__(self, url):
        self.url = url
        # A connection that was idle for long may be closed by the server just as the next request is sent.
        limits = httpx.Limits(keepalive_expiry=1)
        self.http = httpx.Client(base_url=url, timeout=30, limits=limits)

    def reset(self):
        self.http.post("/_sandbox/reset").raise_for_status()

    def faults(self, *faults):
        response = self.http.post("/_sandbox/faults", json=list(faults))
        assert response.status_code == 200, response.text

    def put(self, *records):
        self.http.post("/_sandbox/pull_requests", json=list(records)).raise_for_status()

    def rename(self, old, new):
        self.http.post("/_sandbox/rename", json={"from": old, "to": new}).raise_for_status()

    def change(self, what, /, **body):
        """Delete, create, or rename something; see apps/sandbox/changes.py."""
        response = self.http.post(f"/_sandbox/{what}", json=body)
        assert response.status_code == 200, response.text

    def requests(self):
        """How many requests came, by operation."""
        return self.http.get("/_sandbox/requests").json()["operations"]


@contextmanager
def serving(**options):
    with start_sandbox(**options) as url:
        sandbox = Sandbox(url)
        yield sandbox
        sandbox.http.close()


@pytest.fixture(scope="session")
def acme_server():
    with serving() as sandbox:
        yield sandbox


@pytest.fixture
def acme(acme_server, settings):
    """The generated organisation, in its first state."""
    acme_server.reset()
    settings.GITHUB_API_URL = acme_server.url
    return acme_server


def small_records():
    """`octo/hello` with 30 pull requests, `octo/world` with 3: one commit each, every third with a review."""
    for repository, count in (("octo/hello", 30), ("octo/world", 3)):
        for number in range(1, count + 1):
            review = {"author": {"login": "bob"}, "state": "APPROVED", "submittedAt": "2026-03-30T10:00:00Z"}
            reviews = [review] if number % 3 == 0 else []
            yield record(number, repository=repository, reviews=reviews)


def small_folder(tmp_path_factory):
    """Return a new folder with the files of `small_records`."""
    folder = tmp_path_factory.mktemp("octo")
    for name in ("octo/hello", "octo/world"):
        lines = [json.dumps(entry) for entry in small_records() if entry["repository"] == name]
        (folder / f"{name.replace('/', '__')}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="session")
def octo_server(tmp_path_factory):
    with serving(data=small_folder(tmp_path_factory)) as sandbox:
        yield sandbox


@pytest.fixture
def octo(octo_server, settings):
    """Two small repositories, in their first state."""
    octo_server.reset()
    settings.GITHUB_API_URL = octo_server.url
    return octo_server


@pytest.fixture
def team(db):
    team = Team.objects.create(name="Octo", slug="octo")
    store_token(team, "a token of any shape")
    return team


@pytest.fixture
def follow(team):
    """Makes the team follow repositories of GitHub; returns the tracked rows."""
    return lambda *names: track_repositories(team, "github", names)


@pytest.fixture
def worker(transactional_db):
    """Runs queued steps in this process, as a worker would, from an empty queue."""
    HUEY.flush()
    yield Worker()
    HUEY.flush()


class Worker:
    def start(self, task, *args, **kwargs):
        """Start a durable run whose back-offs take no time."""
        run = task(*args, **kwargs)
        StepRun.objects.filter(run=run).update(backoff_seconds=0.01)
        return run

    def drain(self, run, seconds=20.0):
        """Work until nothing is left to do or the run is parked for longer than the test has; returns the run."""
        until = time.monotonic() + seconds
        while any(self.due(step) for step in engine.live_steps()) and time.monotonic() < until:
            message = HUEY.dequeue()
            if message is None:
                sweep()
                time.sleep(0.01)
            else:
                HUEY.execute(message)
        run.refresh_from_db()
        return run

    def due(self, step):
        return step.parked_until is None or step.parked_until < timezone.now() + timedelta(seconds=5)
