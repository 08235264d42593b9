"""Real worker processes whose units hang: ended from outside, counted, skipped with
their reason.
"""

import os
import re
import signal
import time
from pathlib import Path

import pytest

from apps.pipelines import engine
from apps.pipelines.models import RunState, StepState
from apps.pipelines.worker import hangs
from tests.fixtures.workers import ended, eventually
from tests.pipelines.lab.models import Effect

pytestmark = pytest.mark.django_db(transaction=True)

SHORT = {"PIPELINES_UNIT_LIMIT": "3", "PIPELINES_SILENCE": "1.5", "PIPELINES_HANG_PAUSE": "0.5"}


@pytest.fixture(autouse=True)
def no_old_reports():
    yield
    for path in hangs.folder().glob("*"):
        path.unlink()


def start(subject="poison:1", **params):
    return engine.start("poisoned", subject=subject, params=params)[0]


def effects(run):
    return sorted(Effect.objects.filter(run=run.pk, step="read").values_list("item", flat=True))


@pytest.mark.parametrize("kind", ["thread", pytest.param("process", marks=pytest.mark.long)])
def test_a_text_that_holds_the_gil_is_found_skipped_and_named(lab, workers, kind):
    run = start(texts=4, poison=[1])
    workers.start("--worker-type", kind, **SHORT)
    eventually(ended(run), seconds=400)
    assert run.state == RunState.PARTIAL
    assert effects(run) == [0, 2, 3], "each of the others, once"
    [missing] = run.missing
    assert missing["what"] == "text 1"
    assert missing["why"]
    step = run.steps.get(key="read")
    assert (step.crashes, step.failures) == (0, 0)


@pytest.mark.long
def test_a_wait_without_end_is_found_too(lab, workers):
    run = start(texts=2, poison=[1], asleep=True)
    workers.start(**SHORT)
    eventually(ended(run), seconds=400)
    assert run.state == RunState.PARTIAL
    assert [missing["what"] for missing in run.missing] == ["text 1"]


@pytest.mark.long
def test_a_step_that_cannot_skip_fails_and_says_so(lab, workers):
    run = start(texts=2, poison=[1], stubborn=True)
    workers.start(**SHORT)
    eventually(ended(run), seconds=400)
    assert run.state == RunState.FAILED
    assert "3 times" in run.error
    assert sum(run.steps.get(key="read").hung["units"].values()) == 3


@pytest.mark.long
def test_other_runs_go_on_within_20_seconds_of_a_hang(lab, workers):
    """One worker for all: on SQLite the unit that hangs holds the lock of all rows,
    too.
    """
    hung = start(texts=1, poison=[0])
    workers.start(**SHORT)
    eventually(lambda: hung.steps.get(key="read").state == StepState.RUNNING)
    time.sleep(0.5)
    began = time.monotonic()
    # On SQLite this very write waits for the hung unit's lock.
    other = start("poison:2", texts=2)
    eventually(ended(other), seconds=240)
    took = time.monotonic() - began
    assert other.state == RunState.DONE
    assert took < 20
    eventually(ended(hung), seconds=240)
    assert hung.state == RunState.PARTIAL


@pytest.mark.long
def test_the_other_steps_of_an_ended_worker_spend_nothing(lab, workers):
    other = lab.start(items=10, pace=0.2)
    hung = start(texts=1, poison=[0], asleep=True)
    workers.start("--workers", "6", **SHORT)
    eventually(ended(hung), seconds=240)
    eventually(ended(other), seconds=240)
    assert (hung.state, other.state) == (RunState.PARTIAL, RunState.DONE)
    assert lab.each_once(other, 10)
    assert {(step.crashes, step.failures) for step in other.steps.all()} == {(0, 0)}


@pytest.mark.long
def test_a_second_worker_skips_what_hung_in_the_first(lab, workers):
    run = start(texts=1, poison=[0])
    first = workers.start(**SHORT)
    eventually(lambda: counted(run) >= 2, seconds=240)
    workers.kill(first)
    workers.start(**SHORT)
    eventually(ended(run), seconds=240)
    assert run.state == RunState.PARTIAL
    assert counted(run) == 2, "it did not hang again"


def counted(run):
    return sum(run.steps.get(key="read").hung.get("units", {}).values())


def test_sigterm_is_honored_during_a_hang(lab, workers):
    run = start(texts=1, poison=[0])
    worker = workers.start("--grace", "1", **SHORT)
    eventually(lambda: run.steps.get(key="read").state == StepState.RUNNING)
    time.sleep(0.5)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=8) == 0
    eventually(hang_is_over)
    engine.cancel(run)


def hang_is_over():
    hangs.handle_reports()
    return not list(hangs.folder().glob("*.json"))


def test_a_worker_whose_supervisor_was_killed_ends_at_once(lab, workers):
    run = lab.start(items=40, pace=0.1)
    worker = workers.start(**SHORT)
    eventually(lambda: Effect.objects.filter(run=run.pk).exists())
    pid = int(run.steps.get(key="one").owner.split("|")[1])
    assert pid != worker.pid
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    eventually(lambda: not Path(f"/proc/{pid}").exists(), seconds=5)
    engine.cancel(run)


def test_without_a_unit_limit_there_is_no_supervisor(lab, workers):
    run = lab.start(items=2, pace=0.3)
    worker = workers.start(PIPELINES_UNIT_LIMIT="0")
    eventually(lambda: run.steps.get(key="one").owner)
    assert int(run.steps.get(key="one").owner.split("|")[1]) == worker.pid
    eventually(ended(run))


def test_the_supervisor_is_small(lab, workers):
    run = lab.start(items=2, pace=0.3)
    worker = workers.start(**SHORT)
    eventually(lambda: run.steps.get(key="one").owner)
    status = Path(f"/proc/{worker.pid}/status").read_text()
    kilobytes = int(re.search(r"VmRSS:\s+(\d+)", status)[1])
    assert kilobytes < 20_000
    eventually(ended(run))
