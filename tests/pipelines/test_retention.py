"""The events of ended runs are few, and nobody sees a difference."""

from datetime import timedelta

import pytest

from apps.pipelines import clock, engine, retention
from apps.pipelines.models import Run, RunState
from apps.pipelines.projection import project

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def ended_run(lab):
    """A run with a failure on its way, which ended two hours ago."""
    run = lab.start(
        items=3, fail={"two": "GitHub did not answer."}, partial={"four": "it was too large"}
    )
    lab.drain()
    Run.objects.filter(pk=run.pk).update(finished_at=clock.now() - timedelta(hours=2))
    run.refresh_from_db()
    return run


def test_a_compacted_run_shows_the_same(ended_run):
    before, count = project(ended_run.pk), ended_run.events.count()
    lines = list(ended_run.events.filter(kind="log").values_list("seq", "message"))
    deleted = retention.compact_ended()
    assert 0 < deleted == count - ended_run.events.count()
    assert project(ended_run.pk) == before
    assert list(ended_run.events.filter(kind="log").values_list("seq", "message")) == lines
    # Of each step its newest state, and those that are a line of the log as well.
    states = list(
        ended_run.events.filter(kind="step").order_by("seq").values_list("key", "message")
    )
    newest = {key: place for place, (key, _) in enumerate(states)}
    assert sorted(newest) == ["five", "four", "one", "three", "two"]
    assert all(message for place, (key, message) in enumerate(states) if newest[key] != place)


def test_a_viewer_who_was_away_catches_up_over_the_gap(ended_run):
    """What the newest events say, on top of what any earlier one had built."""
    known = project(ended_run.pk)
    half = list(ended_run.events.order_by("seq")[: ended_run.seq // 2])
    partway = type(known)(known.run_id, known.pipeline, known.subject).apply(half)
    retention.compact(ended_run.pk)
    late = partway.apply(ended_run.events.order_by("seq"))
    assert (late.seq, late.run, late.steps) == (known.seq, known.run, known.steps)


def test_it_is_done_once_and_not_too_early(ended_run, lab):
    assert retention.compact_ended() > 0
    assert retention.compact_ended() == 0
    young = lab.start("lab:2", items=1)
    lab.drain()
    live = lab.start("lab:3", items=1)
    seqs = [run.events.count() for run in (young, live)]
    assert retention.compact_ended() == 0
    assert retention.compact(live.pk) == 0
    assert [run.events.count() for run in (young, live)] == seqs


def test_a_retried_run_is_compacted_again(ended_run, lab):
    retention.compact_ended()
    engine.retry(ended_run)
    lab.drain()
    Run.objects.filter(pk=ended_run.pk).update(finished_at=clock.now() - timedelta(hours=2))
    before = project(ended_run.pk)
    assert before.run["state"] in (RunState.DONE, RunState.PARTIAL)
    assert retention.compact_ended() > 0
    assert project(ended_run.pk) == before
