"""A disk that is full: told at once, and everything goes on when there is room."""

import errno
import json
import os
import signal
import subprocess
import sys
import time

import psycopg
import pytest
from huey.contrib.djhuey import HUEY

from apps.pipelines import engine
from apps.pipelines.exceptions import Retryable
from apps.pipelines.models import StepState
from apps.pipelines.worker import disk
from tests.fixtures.workers import ROOT, eventually


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        psycopg.errors.DiskFull("could not extend file"),
    ],
)
def test_errors_of_a_full_disk_are_recognized_where_they_come_from(error):
    with pytest.raises(Retryable) as wrapped:
        wrap(error)
    assert disk.is_full(wrapped.value)
    assert not disk.is_full(OSError(errno.EACCES, "Permission denied"))


def wrap(error):
    try:
        raise error
    except Exception as cause:
        raise Retryable("something") from cause


def test_a_step_that_finds_the_disk_full_is_parked_and_spends_nothing(lab):
    run = lab.start(items=3, full={"one": True})
    HUEY.execute(lab.next_message())
    step = run.steps.get(key="one")
    assert (step.state, step.failures, step.crashes) == (StepState.PARKED, 0, 0)
    assert step.message == disk.FULL
    engine.cancel(run)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 8 MB for everything that an installation writes."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("a small file system can't be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


class Installation:
    """An installation in a folder of its own, asked through commands, as an operator
    would.
    """

    def __init__(self, folder):
        self.env = {**os.environ, "STATE_DIR": str(folder), "PIPELINES_LEASE": "3"}
        self.env.pop("DATABASE_URL", None)
        self.env.pop("REDIS_URL", None)

    def manage(self, *args):
        command = [sys.executable, "-W", "ignore", "manage.py", *args]
        return subprocess.run(command, cwd=ROOT, env=self.env, capture_output=True, text=True)

    def ask(self, code):
        answer = self.manage("shell", "--no-imports", "-c", code)
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout.splitlines()[-1])

    def worker(self):
        command = [sys.executable, "-W", "ignore", "manage.py", "run_worker"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.Popen(
            command, cwd=ROOT, env=self.env, start_new_session=True, **quiet
        )

    def ready(self):
        return self.ask(
            "import json; from django.test import Client\n"
            "r = Client().get('/readyz'); print(json.dumps([r.status_code, r.json()['problems']]))"
        )

    def run_state(self):
        return self.ask(
            "import json; from apps.pipelines.models import Run; from tests.pipelines.lab.models import Effect\n"
            "print(json.dumps([Run.objects.get().state, Effect.objects.count()]))"
        )


START = """
import json
from apps.pipelines import engine
run, _ = engine.start("lab", subject="lab:disk", params={"items": 40, "pace": 0.02})
print(json.dumps(str(run.pk)))
"""


def fill(folder):
    """Leave no room at all."""
    with (folder / "filler").open("wb") as filler:
        try:
            while True:
                filler.write(bytes(4096))
                filler.flush()
        except OSError:
            pass


@pytest.mark.long
def test_with_a_full_disk_the_probe_states_it_and_the_run_ends_whole_when_there_is_room(
    small_disk,
):
    own = Installation(small_disk)
    migrated = own.manage("migrate", "--run-syncdb", "--verbosity", "0")
    assert migrated.returncode == 0, migrated.stderr
    assert own.ready() == [200, []]
    own.ask(START)
    worker = own.worker()
    try:
        eventually(lambda: own.run_state()[1] > 2)
        fill(small_disk)
        status, problems = own.ready()
        assert status == 503
        assert problems == [disk.FULL]
        time.sleep(5)
        (small_disk / "filler").unlink()
        assert own.ready()[0] == 200
        eventually(lambda: own.run_state() == ["done", 5 * 40], seconds=120)
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
