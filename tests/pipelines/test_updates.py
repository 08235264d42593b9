"""Deployments with live runs: they finish on what they started with, or say why not."""

from datetime import timedelta

import pytest
from huey.contrib.djhuey import HUEY

from apps.pipelines import clock, engine
from apps.pipelines.exceptions import NotAllowed
from apps.pipelines.models import Run, RunState, StepRun
from apps.pipelines.worker.sweeper import sweep
from tests.pipelines.lab.tasks import UPDATED

pytestmark = pytest.mark.django_db(transaction=True)


def begun_before(lab, version, **changes):
    """A run of five steps that began with another version of a definition which now has
    two; its message is lost.
    """
    run = lab.start(items=1)
    HUEY.flush()
    Run.objects.filter(pk=run.pk).update(pipeline=UPDATED.name, definition_version=version)
    StepRun.objects.filter(run=run, key="three").update(**changes)
    StepRun.objects.filter(run=run, idx=0).update(
        dispatched_at=clock.now() - timedelta(seconds=5)
    )
    run.refresh_from_db()
    return run


def test_a_run_ends_with_the_steps_that_it_began_with(lab):
    run = begun_before(lab, version=2, queue="compute")
    lab.drain()
    run.refresh_from_db()
    assert (run.state, run.steps.count()) == (RunState.DONE, 5)
    assert lab.each_once(run, 1)


def test_a_run_whose_task_is_gone_says_so(lab):
    run = begun_before(lab, version=2, task="lab_gone")
    assert sweep() == 1
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert "version 2" in run.error
    assert "version 3 removed the task 'lab_gone'" in run.error
    with pytest.raises(NotAllowed, match="lab_gone"):
        engine.retry(run)


def test_a_paused_run_whose_task_is_gone_is_not_resumed(lab):
    run = engine.pause(begun_before(lab, version=2, task="lab_gone"))
    with pytest.raises(NotAllowed, match="lab_gone"):
        engine.resume(run)
    assert engine.cancel(run).state == RunState.CANCELLED


@pytest.mark.parametrize("version", [3, 4])
def test_a_worker_with_older_code_leaves_a_run_to_newer_ones(lab, version):
    """In the midst of a deployment: the run's task is not here yet."""
    run = begun_before(lab, version=version, task="lab_new")
    assert sweep() == 0
    run.refresh_from_db()
    assert (run.state, HUEY.pending_count()) == (RunState.RUNNING, 0)
