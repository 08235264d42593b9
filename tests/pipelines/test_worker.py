"""Real worker processes, killed for real."""

import os
import signal
import sqlite3
import time
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from huey.contrib.djhuey import HUEY

from apps.pipelines import engine
from apps.pipelines.models import RunState, StepState, Worker
from apps.pipelines.worker.health import live_workers
from apps.pipelines.worker.sweeper import sweep
from tests.fixtures.workers import ended, eventually
from tests.pipelines.lab.models import Effect
from tests.pipelines.lab.tasks import LAB

pytestmark = pytest.mark.django_db(transaction=True)


def in_the_midst_of(run, key):
    return lambda: Effect.objects.filter(run=run.pk, step=key).exists()


@pytest.mark.parametrize("key", ["one", pytest.param("five", marks=pytest.mark.long)])
def test_a_worker_killed_in_a_step_loses_and_doubles_nothing(lab, workers, key):
    run = lab.start(items=4, pace=0.05)
    first = workers.start()
    eventually(in_the_midst_of(run, key))
    workers.kill(first)
    workers.start()
    eventually(ended(run))
    assert run.state == RunState.DONE
    assert lab.each_once(run, 4)
    assert run.steps.get(key=key).crashes <= 1
    percents = lab.percents(run)
    assert percents == sorted(percents)


def test_a_kill_at_each_place_where_huey_alone_loses_the_chain(lab, workers):
    """One worker after the other is killed in step three, each at another place; the
    last one is left alone.
    """
    run = lab.start(items=2)
    for place in ("dequeued", "claimed", "unit", "handoff"):
        victim = workers.start(LAB_KILL=f"lab_three:{place}")
        assert victim.wait(timeout=60) == -signal.SIGKILL, place
        assert not ended(run)()
    workers.start()
    eventually(ended(run))
    assert run.state == RunState.DONE
    assert lab.each_once(run, 2)
    assert run.steps.get(key="three").crashes == 2, "killed while it held the step, twice"


def kill_and_redeliver(lab, workers, **env):
    """A worker is killed in step three; its run is recovered; then the queue gives the
    old message out once more, before the new one, as a Redis that came back from an
    older snapshot does.
    """
    run = lab.start(items=4, pace=0.05)
    old = tap_message(run, "three")
    first = workers.start()
    eventually(in_the_midst_of(run, "three"))
    workers.kill(first)
    eventually(sweep)
    HUEY.flush()
    HUEY.enqueue(old)
    new = workers.start(**env)
    eventually(ended(run))
    workers.kill(new)
    return run


def tap_message(run, key):
    """The message of a step as the first epoch's pipeline carries it."""
    step = next(step for step in LAB.steps if step.key == key)
    later = [
        other.task.s(run=str(run.pk), epoch=1) for other in LAB.steps[LAB.steps.index(step) :]
    ]
    first, *rest = later
    for message in rest:
        first.then(message)
    return first


def epochs_that_ran(run, key):
    rows = run.events.filter(kind="step", key=key, data__has_key="message_epoch").order_by(
        "seq"
    )
    return [row.data["message_epoch"] for row in rows]


def test_a_message_of_an_old_epoch_dies_at_its_claim(lab, workers):
    run = kill_and_redeliver(lab, workers)
    assert run.state == RunState.DONE
    assert lab.each_once(run, 4)
    first, recovered = epochs_that_ran(run, "three")
    assert recovered > first


@pytest.mark.long
def test_without_the_epoch_in_the_claim_that_test_fails(lab, workers):
    # On a busy machine the sweeper may be quicker than the stale message.
    runs = (kill_and_redeliver(lab, workers, LAB_MUTATION="no-epochs") for _ in range(3))
    assert any(1 in epochs_that_ran(run, "three")[1:] for run in runs), (
        "no stale message ran the step"
    )


def test_sigterm_gives_the_step_back_and_spends_nothing(lab, workers):
    run = lab.start(items=40, pace=0.05)
    first = workers.start()
    eventually(in_the_midst_of(run, "one"))
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=60) == 0
    step = run.steps.get(key="one")
    assert (step.state, step.failures, step.crashes) == (StepState.READY, 0, 0)
    assert HUEY.pending_count("sync") == 1
    assert not live_workers()
    engine.cancel(run)


def test_a_worker_of_one_queue_leaves_the_others_alone(lab, workers):
    run = lab.start(items=1)
    workers.start("--queue", "sync", "--workers", "1")
    eventually(lambda: run.steps.get(key="two").state == StepState.READY)
    eventually(Worker.objects.exists)
    assert Worker.objects.get().queues == ["sync"]
    workers.start("--queue", "llm", "--queue", "compute")
    eventually(ended(run))
    assert run.state == RunState.DONE


def test_worker_that_starts_again_on_sighup_counts_as_working(lab, workers):
    worker = workers.start("--queue", "sync", "--queue", "llm", "--queue", "compute")
    eventually(Worker.objects.exists)
    before = Worker.objects.get()
    worker.send_signal(signal.SIGHUP)
    eventually(lambda: Worker.objects.get().seen_at > before.seen_at + timedelta(seconds=3))
    eventually(lambda: Worker.objects.get().stopped_at is None)
    run = lab.start(items=1)
    eventually(ended(run))
    assert run.state == RunState.DONE


def test_a_worker_process_that_dies_is_replaced_and_its_step_goes_on(lab, workers):
    run = lab.start(items=4, pace=0.05)
    workers.start("--worker-type", "process", "--workers", "3")
    eventually(in_the_midst_of(run, "two"))
    owner = run.steps.get(key="two").owner
    kill_owner(owner)
    eventually(ended(run))
    assert run.state == RunState.DONE
    assert lab.each_once(run, 4)
    assert run.steps.get(key="two").crashes == 1


def kill_owner(owner):
    os.kill(int(owner.split("|")[1]), signal.SIGKILL)


def test_a_frozen_worker_that_wakes_up_commits_nothing_more(lab, workers):
    """Stopped past its lease, taken over, woken: the woken attempt is fenced off."""
    run = lab.start(items=12, pace=0.3)
    workers.start(PIPELINES_LEASE="1.5")
    eventually(in_the_midst_of(run, "one"))
    # The worker itself; the process that was started is its supervisor.
    frozen = int(run.steps.get(key="one").owner.split("|")[1])
    interrupted = freeze_within_a_step(frozen, run)
    workers.start(PIPELINES_LEASE="1.5")
    eventually(lambda: run.steps.get(key=interrupted).attempt > 1)
    os.kill(frozen, signal.SIGCONT)
    eventually(ended(run))
    assert run.state == RunState.DONE
    assert lab.each_once(run, 12)


def freeze_within_a_step(pid, run):
    """Freeze a worker while it has a step of the run; returns the step's key.

    A busy machine may need so long that the step that was running has ended.
    """
    while True:
        freeze(pid)
        running = run.steps.filter(state=StepState.RUNNING).first()
        if running:
            return running.key
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.05)


def freeze(pid):
    """Stop a worker between its transactions: one that is stopped within holds locks,
    on SQLite those of all rows or all messages, and nobody can go on.
    """
    while True:
        os.kill(pid, signal.SIGSTOP)
        if nobody_is_in_a_transaction():
            return
        os.kill(pid, signal.SIGCONT)
        time.sleep(0.05)


def nobody_is_in_a_transaction():
    if connection.vendor == "sqlite":
        return can_write(connection.settings_dict["NAME"]) and can_write(
            HUEY.storage.shared.filename
        )
    busy = """SELECT count(*) FROM pg_stat_activity
              WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"""
    with connection.cursor() as cursor:
        cursor.execute(busy)
        return cursor.fetchone() == (0,)


def can_write(path):
    database = sqlite3.connect(path, timeout=0.05, isolation_level=None)
    try:
        database.execute("BEGIN IMMEDIATE")
        database.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return False
    finally:
        database.close()
    return True


def test_a_flushed_queue_is_made_good(lab, workers):
    run = lab.start(items=2)
    HUEY.flush()
    workers.start()
    eventually(ended(run))
    assert run.state == RunState.DONE
    assert run.epoch == 2


def test_worker_holds_the_lock_that_keeps_sqlites_journal(workers):
    """Without it, another process that closes the database removes the journal that the
    worker writes to.
    """
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL has no such lock")
    process = workers.start()
    eventually(lambda: Worker.objects.exists())
    journal = os.stat(f"{connection.settings_dict['NAME']}-shm").st_ino  # noqa: PTH116 - it may be an address
    assert process.pid in {os.getpgid(pid) for pid in holders_of(journal, first_byte="128")}


def holders_of(inode, first_byte):
    """Return the ids of the processes with a lock of a file that begins at this byte."""
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    held = [line for line in lines if line[1] == "POSIX"]
    return [
        int(pid)
        for *_, pid, file, start, _ in held
        if file.endswith(f":{inode}") and start == first_byte
    ]


def test_worker_logs_its_start_and_its_stop_with_its_queues(lab, workers, tmp_path):
    workers.log = tmp_path / "log"
    worker = workers.start("--queue", "llm")
    eventually(live_workers)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=60) == 0
    lines = [
        line
        for line in workers.log.read_text().splitlines()
        if "apps.pipelines.worker.consumer" in line
    ]
    assert [("started" in line, "stopped" in line, "queues llm" in line) for line in lines] == [
        (True, False, True),
        (False, True, True),
    ]
