"""Long steps and workers that are wanted elsewhere: turns, and attempts that hang."""

from datetime import timedelta

import pytest
from huey.contrib.djhuey import HUEY

from apps.pipelines import clock
from apps.pipelines.models import RunState, StepRun, StepState
from apps.pipelines.worker import heartbeat
from tests.fixtures.workers import ended, eventually
from tests.pipelines.lab.models import Effect

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_long_step_lets_another_run_have_its_turn(lab, workers):
    """One worker, a step of ten seconds, and a short run that comes after it."""
    long = lab.start(items=200, pace=0.05)
    short = lab.start("lab:2", items=1)
    workers.start("--queue", "sync", "--workers", "1", PIPELINES_TURN="1")
    eventually(lambda: short.steps.get(key="one").state == StepState.DONE)
    step = long.steps.get(key="one")
    assert step.cursor.get("next", 0) < 200, "the long one is not done"
    assert (step.failures, step.crashes) == (0, 0)
    eventually(lambda: long.steps.get(key="one").state == StepState.DONE)
    assert list(
        Effect.objects.filter(run=long.pk, step="one")
        .order_by("item")
        .values_list("item", flat=True)
    ) == list(range(200))
    said = long.events.filter(
        kind="step", key="one", data__message__icontains="another run uses the workers"
    )
    assert said.exists()


@pytest.fixture
def attempt(lab):
    """A step that is held, for longer than a turn."""
    run = lab.start(items=1)
    HUEY.flush()
    StepRun.objects.filter(run=run, idx=0).update(state=StepState.RUNNING, attempt=1)
    held = heartbeat.Hold(run.steps.get(idx=0).pk, 1)
    held.since -= 3600
    return held


def waits(run, seconds):
    StepRun.objects.filter(run=run, idx=0).update(
        dispatched_at=clock.now() - timedelta(seconds=seconds)
    )


def test_nobody_gives_way_to_nobody(lab, attempt):
    heartbeat.look(attempt)
    assert attempt.yield_requested is None


def test_a_run_that_just_came_may_find_a_free_worker(lab, attempt):
    lab.start("lab:2", items=1)
    heartbeat.look(attempt)
    assert attempt.yield_requested is None


def test_a_waiting_run_gets_the_worker(lab, attempt):
    waits(lab.start("lab:2", items=1), 2)
    heartbeat.look(attempt)
    assert attempt.yield_requested == heartbeat.TURN_OVER


def test_without_its_message_a_run_would_gain_nothing(lab, attempt):
    waits(lab.start("lab:2", items=1), 2)
    HUEY.flush()
    heartbeat.look(attempt)
    assert attempt.yield_requested is None


def test_a_step_in_the_callers_own_process_keeps_it(lab, attempt):
    waits(lab.start("lab:2", items=1), 2)
    attempt.shares = False
    heartbeat.look(attempt)
    assert attempt.yield_requested is None


def test_a_hung_worker_process_is_replaced_at_the_deadline(lab, workers, tmp_path):
    """The body sleeps in a call and hears nothing.

    One worker process for its queue: only a new one can go on.
    """
    run = lab.start(items=2, hang={"three": 3600}, mended=str(tmp_path / "mended"))
    StepRun.objects.filter(run=run, key="three").update(deadline_seconds=1.0)
    worker = workers.start(
        "--worker-type", "process", "--workers", "3", PIPELINES_HUNG_AFTER="1"
    )
    eventually(lambda: run.steps.get(key="three").failures == 1)
    (tmp_path / "mended").touch()
    eventually(ended(run))
    assert run.state == RunState.DONE
    assert lab.each_once(run, 2)
    step = run.steps.get(key="three")
    assert (step.failures, step.crashes) == (1, 0), (
        "a failure of its own, not a vanished worker"
    )
    assert run.events.filter(
        kind="log", key="three", message__contains="took longer than 1 s"
    ).exists()
    assert worker.poll() is None
