"""Whether anybody works, as pages and probes are told."""

import logging
import signal
from datetime import timedelta

import pytest
from huey.contrib.djhuey import HUEY

from apps.pipelines import clock
from apps.pipelines.models import StepRun, Worker
from apps.pipelines.worker import health, process_id
from apps.pipelines.worker.sweeper import NotSwept, sweep
from tests.fixtures.workers import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def seen(
    seconds_ago, queues=("sync", "llm", "compute", "email"), owner="elsewhere/x|1|1", **fields
):
    at = clock.now() - timedelta(seconds=seconds_ago)
    return Worker.objects.create(
        owner=owner, queues=list(queues), started_at=at, seen_at=at, **fields
    )


def test_nobody_was_ever_seen(db):
    assert health.queues_without_workers() == {
        "sync": None,
        "llm": None,
        "compute": None,
        "email": None,
    }
    assert health.sweeper_age() is None


def test_queues_that_are_served_are_not_named(db):
    seen(1)
    assert health.queues_without_workers() == {}


def test_a_silent_worker_counts_by_when_it_was_seen(db):
    seen(60, ["llm", "sync"])
    seen(40, ["llm"], owner="elsewhere/x|2|2")
    seen(2, ["sync"], owner="elsewhere/x|3|3")
    missing = health.queues_without_workers()
    assert missing["llm"] == pytest.approx(40, abs=2)
    assert missing == {"llm": missing["llm"], "compute": None, "email": None}


def test_a_worker_that_stopped_or_died_is_not_waited_for(db):
    seen(1, stopped_at=clock.now())
    place = process_id.me().split("|")[0]
    seen(1, owner=f"{place}|4194304|1")
    assert set(health.queues_without_workers()) == {"sync", "llm", "compute", "email"}


def test_the_sweeper_says_when_it_last_saw_all_steps(lab, workers):
    worker = workers.start()
    eventually(lambda: not health.queues_without_workers())
    eventually(lambda: health.sweeper_age() is not None)
    assert health.sweeper_age() < 10
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(timeout=20) == 0
    missing = health.queues_without_workers()
    assert set(missing) == {"sync", "llm", "compute", "email"}
    assert all(seconds is not None and seconds < 30 for seconds in missing.values())


def test_a_sweep_that_missed_a_step_is_no_success(lab, caplog):
    """The others are looked at all the same."""
    caplog.set_level(logging.CRITICAL)
    broken, sound = lab.start(items=1), lab.start("lab:2", items=1)
    StepRun.objects.filter(run=broken, idx=0).update(
        dispatched_at=clock.now() - timedelta(seconds=5), queue="gone"
    )
    StepRun.objects.filter(run=sound, idx=0).update(
        dispatched_at=clock.now() - timedelta(seconds=5)
    )
    HUEY.flush()
    with pytest.raises(NotSwept, match="1 step"):
        sweep()
    assert sound.steps.get(idx=0).epoch == 2
