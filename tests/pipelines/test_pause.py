"""Pausing and resuming, retrying and canceling twice at once, in every state that a
run can be in.
"""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from huey.contrib.djhuey import HUEY

from apps.pipelines import clock, engine
from apps.pipelines.exceptions import NotAllowed
from apps.pipelines.models import Run, RunState, StepRun, StepState
from apps.pipelines.projection import project
from apps.pipelines.worker.sweeper import sweep
from tests.fixtures.workers import ended, eventually
from tests.pipelines.lab.models import Effect
from tests.pipelines.lab.tasks import unit_done

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(act, run, times=4):
    """Do it several times at the same moment, each in a thread with a connection of its
    own; what each of them said.
    """
    barrier, said = threading.Barrier(times), []

    def click():
        mine = Run.objects.get(pk=run.pk)
        barrier.wait()
        try:
            said.append(act(mine).state)
        except NotAllowed as reason:
            said.append(str(reason))
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return said


def in_unit(run, act, at=1):
    """Let `act(run)` happen in the midst of the unit of that item, as if clicked just
    then.
    """

    def receiver(sender, item, **kwargs):
        if item == at:
            act(run)

    unit_done.connect(receiver, weak=False)
    return lambda: unit_done.disconnect(receiver)


def words(run):
    return [
        event.message
        for event in run.events.filter(kind="run").order_by("seq")
        if event.message
    ]


def test_a_paused_run_rests_and_goes_on_where_it_was(lab):
    run = lab.start(items=2)
    HUEY.execute(lab.next_message())
    engine.pause(run)
    while message := lab.next_message():
        HUEY.execute(message)
    StepRun.objects.filter(run=run).update(dispatched_at=clock.now() - timedelta(hours=1))
    assert sweep() == 0, "nobody sends what rests"
    run.refresh_from_db()
    assert (run.state, run.is_live, lab.effects(run)) == (
        RunState.PAUSED,
        True,
        [("one", 0), ("one", 1)],
    )
    engine.resume(run)
    lab.drain()
    run.refresh_from_db()
    assert (run.state, run.generation) == (RunState.DONE, 1)
    assert lab.each_once(run, 2)
    assert words(run) == ["Lab started.", "Paused.", "Resumed.", "Done."]


def test_a_paused_run_still_is_the_only_one_of_its_kind(lab):
    run = engine.pause(lab.start(items=1))
    assert engine.start("lab", subject="lab:1", params={})[0].pk == run.pk
    with pytest.raises(NotAllowed, match="paused"):
        engine.retry(run)


def test_a_pause_while_a_step_runs_keeps_the_unit_and_frees_the_worker(lab, workers):
    run = lab.start(items=200, pace=0.05)
    workers.start("--workers", "1", "--queue", "sync")
    eventually(lambda: Effect.objects.filter(run=run.pk).count() > 3)
    engine.pause(run)
    eventually(lambda: run.steps.get(key="one").state == StepState.READY)
    step = run.steps.get(key="one")
    assert (step.owner, step.failures, step.crashes) == ("", 0, 0)
    done = Effect.objects.filter(run=run.pk).count()
    assert done == step.cursor["next"] == step.done < 200
    other = lab.start("lab:2", items=1)
    eventually(lambda: other.steps.get(key="one").state == StepState.DONE)
    assert Effect.objects.filter(run=run.pk).count() == done
    engine.resume(run)
    eventually(lambda: Effect.objects.filter(run=run.pk).count() > done)
    assert run.steps.get(key="one").failures == 0
    engine.cancel(run)


def test_a_step_that_ends_while_paused_hands_on_at_the_resume(lab):
    run = lab.start(items=2)
    undo = in_unit(run, engine.pause)
    try:
        HUEY.execute(lab.next_message())
    finally:
        undo()
    assert HUEY.pending_count() == 0
    assert [step.state for step in run.steps.all()[:2]] == ["done", "ready"]
    engine.resume(run)
    lab.drain()
    run.refresh_from_db()
    assert run.state == RunState.DONE
    assert lab.each_once(run, 2)


def test_a_pause_that_is_over_before_the_step_ends_costs_nothing(lab):
    run = lab.start(items=2)
    undo = in_unit(run, lambda run: engine.resume(engine.pause(run)))
    try:
        while message := lab.next_message():
            HUEY.execute(message)
    finally:
        undo()
    run.refresh_from_db()
    assert (run.state, run.epoch) == (RunState.DONE, 1)
    assert lab.each_once(run, 2)


def test_the_last_step_may_end_while_paused(lab):
    task = lab.definition.steps[1].task
    run = task(items=2)
    undo = in_unit(run, engine.pause)
    try:
        HUEY.execute(lab.next_message())
    finally:
        undo()
    run.refresh_from_db()
    assert run.state == RunState.DONE


def test_a_parked_step_keeps_its_time_through_a_pause(lab):
    run = lab.start(items=2, park={"one": 0.2})
    HUEY.execute(lab.next_message())
    engine.pause(run)
    StepRun.objects.filter(run=run, idx=0).update(
        parked_until=clock.now() - timedelta(seconds=1)
    )
    assert sweep() == 0
    engine.resume(run)
    assert run.steps.get(idx=0).state == StepState.PARKED
    lab.drain()
    run.refresh_from_db()
    assert run.state == RunState.DONE


def test_a_worker_that_dies_while_its_run_is_paused_leaves_nothing_behind(lab):
    run = lab.start(items=2)
    HUEY.flush()
    now = clock.now()
    StepRun.objects.filter(run=run, idx=0).update(
        state=StepState.RUNNING,
        attempt=1,
        owner="elsewhere/x|1|1",
        lease_until=now - timedelta(seconds=1),
    )
    engine.pause(run)
    assert sweep() == 1
    assert (run.steps.get(idx=0).state, HUEY.pending_count()) == (StepState.READY, 0)
    engine.resume(run)
    lab.drain()
    run.refresh_from_db()
    assert run.state == RunState.DONE
    assert lab.each_once(run, 2)


def test_pause_and_resume_clicked_twice_at_once_happen_once(lab):
    run = lab.start(items=2)
    assert at_once(engine.pause, run) == ["paused"] * 4
    assert at_once(engine.resume, run) == ["running"] * 4
    assert HUEY.pending_count() == 2, "the first message, which is stale, and one more"
    lab.drain()
    while message := lab.next_message():
        HUEY.execute(message)
    run.refresh_from_db()
    assert words(run) == ["Lab started.", "Paused.", "Resumed.", "Done."]
    assert lab.each_once(run, 2)


def test_cancel_and_retry_clicked_twice_at_once_happen_once(lab):
    run = lab.start(items=2)
    assert at_once(engine.cancel, run) == ["cancelled"] * 4
    HUEY.flush()
    run.refresh_from_db()
    stale = run
    said = at_once(lambda mine: engine.retry(stale if mine.is_live else mine), run)
    assert said == ["running"] * 4
    run.refresh_from_db()
    assert (run.generation, HUEY.pending_count()) == (2, 1)
    lab.drain()
    run.refresh_from_db()
    assert words(run) == ["Lab started.", "Canceled.", "Retry from “One”.", "Done."]
    assert lab.each_once(run, 2)


@pytest.mark.parametrize("act", [engine.pause, engine.resume, engine.cancel])
def test_an_ended_run_is_left_alone(lab, act):
    run = lab.start(items=1)
    lab.drain()
    with pytest.raises(NotAllowed, match="ended already"):
        act(run)


def test_the_page_sees_a_paused_run_as_live(lab):
    run = engine.pause(lab.start(items=1))
    projection = project(run.pk)
    assert (projection.run["state"], projection.run["eta_seconds"], projection.is_live) == (
        "paused",
        None,
        True,
    )


def test_a_paused_run_can_be_cancelled(lab, workers):
    run = engine.pause(lab.start(items=1))
    engine.cancel(run)
    workers.start()
    assert eventually(ended(run))
    assert run.state == RunState.CANCELLED
    assert not Effect.objects.exists()
