"""A run of the lab, moved on by this process message by message, or by real worker processes."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connection
from huey.contrib.djhuey import HUEY

from apps.pipelines import engine
from apps.pipelines.models import Worker
from apps.pipelines.worker.sweeper import sweep
from tests.pipelines.lab.models import Effect
from tests.pipelines.lab.tasks import LAB
from tests.servers import database_url

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def queue(transactional_db):
    """The message queue, empty before and after."""
    HUEY.flush()
    yield HUEY
    HUEY.flush()


@pytest.fixture
def lab(queue):
    return Lab()


class Lab:
    """Drives runs of the lab in this process: each message that is due is taken and executed, as a worker would."""

    definition = LAB

    def start(self, subject="lab:1", **params):
        return engine.start("lab", subject=subject, params=params)[0]

    def next_message(self):
        return HUEY.dequeue()

    def drain(self, seconds=60.0):
        """Execute messages, sweeping when there are none, until no live step is left or time is up."""
        until = time.monotonic() + seconds
        while engine.live_steps() and time.monotonic() < until:
            message = self.next_message()
            if message is None:
                sweep()
                time.sleep(0.02)
            else:
                HUEY.execute(message)

    def effects(self, run):
        return sorted(Effect.objects.filter(run=run.pk).values_list("step", "item"))

    def each_once(self, run, items):
        return self.effects(run) == sorted((step.key, item) for step in LAB.steps for item in range(items))

    def percents(self, run):
        rows = run.events.filter(kind="run").order_by("seq").values_list("data", flat=True)
        return [(row["generation"], row["percent"]) for row in rows]


@pytest.fixture
def workers(queue):
    """Start real worker processes on this test's database and queue; whatever is left is ended with the test."""
    crew = Crew()
    yield crew
    crew.end()


class Crew:
    def __init__(self):
        self.processes = []
        self.log = Path(os.environ.get("WORKERS_LOG") or Path(os.environ["STATE_DIR"]) / "workers.log")

    def start(self, *args, **env):
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", "manage.py", "run_worker", *args],
                cwd=ROOT,
                env={**os.environ, "DATABASE_URL": database_url(connection), **env},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def kill(self, process):
        """SIGKILL of the worker and, with process workers, of their children: left alone, these take messages for
        another second, which may be the next test's."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        # Its number is free now, and may be another group's when the test ends.
        self.processes.remove(process)

    def end(self):
        for process in list(self.processes):
            self.kill(process)
        Worker.objects.all().delete()


def eventually(condition, seconds=60.0, every=0.02):
    """Wait until the condition holds; returns its value, or fails.

    The limit only ends what hangs. It is far from what anything takes on an idle machine, because a new process needs
    two seconds of a CPU before it is of use, and on a busy machine it shares that CPU with a dozen others.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := condition():
            return value
        time.sleep(every)
    pytest.fail(f"Waited {seconds:.0f} s in vain.")


def ended(run):
    def look():
        run.refresh_from_db()
        return not run.is_live

    return look
