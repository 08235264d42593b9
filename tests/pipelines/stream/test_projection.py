"""The projection of a run's log: what `project` reads at once is what `apply` builds
event by event.
"""

import random

import pytest
from huey.contrib.djhuey import HUEY

from apps.pipelines import engine, events
from apps.pipelines.models import Event, Run, StepRun
from apps.pipelines.projection import LOG_LINES, Projection, project


def at(run, seq):
    """What `project` gave when the run was at that number: later events are out of its
    sight.
    """
    Run.objects.filter(pk=run.pk).update(seq=seq)
    return project(run.pk)


def assert_equal_at_each_number(run):
    log = list(run.events.order_by("seq"))
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    step_by_step = Projection(run.pk, run.pipeline, run.subject)
    for event in log:
        step_by_step = step_by_step.apply([event])
        assert at(run, event.seq) == step_by_step
    rng = random.Random(len(log))
    cuts = sorted(rng.sample(range(len(log) + 1), min(5, len(log))))
    in_batches = Projection(run.pk, run.pipeline, run.subject)
    for start, end in zip([0, *cuts], [*cuts, len(log)], strict=True):
        in_batches = in_batches.apply(log[max(0, start - 2) : end])  # batches may overlap
    assert in_batches == step_by_step
    return step_by_step


def assert_is_what_the_rows_say(projection, run):
    run.refresh_from_db()
    assert projection.run == events.run_entry(run).data
    steps = StepRun.objects.filter(run=run).order_by("idx")
    shown = [
        {key: value for key, value in step.items() if key != "message_epoch"}
        for step in projection.steps
    ]
    assert shown == [{"key": step.key, **events.step_entry(step).data} for step in steps]


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"fail": {"two": "No answer."}},
        {
            "park": {"one": 0.1},
            "partial": {"three": "It is away."},
            "skip": {"four": "No key."},
        },
        {"permanent": {"three": "Refused."}},
        {"fail": {"one": "No answer."}, "always": True},
    ],
    ids=["plain", "backoff", "park-partial-skip", "failed", "out-of-tries"],
)
def test_reading_and_applying_agree_at_each_number(lab, params):
    run = lab.start(**{"items": 2} | params)
    lab.drain()
    run.refresh_from_db()
    assert not run.is_live
    assert_is_what_the_rows_say(assert_equal_at_each_number(run), run)


def test_they_agree_over_a_retry_and_a_cancel(lab, tmp_path):
    mended = tmp_path / "mended"
    run = lab.start(items=2, permanent={"two": "Refused."}, mended=str(mended))
    lab.drain()
    assert_is_what_the_rows_say(project(run.pk), run)
    mended.touch()
    engine.retry(run)
    assert_is_what_the_rows_say(project(run.pk), run)
    message = lab.next_message()
    HUEY.execute(message)
    engine.cancel(run)
    projection = assert_equal_at_each_number(run)
    assert projection.run["state"] == "cancelled"
    assert not projection.is_live
    assert_is_what_the_rows_say(projection, run)


def test_a_new_run_shows_all_of_its_steps(lab):
    run = lab.start()
    projection = project(run.pk)
    assert [(step["key"], step["state"]) for step in projection.steps] == [
        ("one", "ready"),
        ("two", "waiting"),
        ("three", "waiting"),
        ("four", "waiting"),
        ("five", "waiting"),
    ]
    assert_is_what_the_rows_say(projection, run)


def test_the_next_step_is_shown_ready_with_the_end_of_the_one_before(lab):
    run = lab.start(items=1)
    HUEY.execute(lab.next_message())
    assert [step["state"] for step in project(run.pk).steps][:3] == ["done", "ready", "waiting"]


def test_items_are_sorted_and_leave_with_empty_data(lab):
    run = lab.start()
    said = [
        ("part", "b", {"n": 1}),
        ("part", "a", {"n": 2}),
        ("hint", "x", {"n": 3}),
        ("part", "b", {"n": 4}),
    ]
    events.append(run.pk, [events.Entry(kind, key, data=data) for kind, key, data in said])
    before = project(run.pk)
    assert {kind: list(items.items()) for kind, items in before.items.items()} == {
        "hint": [("x", {"n": 3})],
        "part": [("a", {"n": 2}), ("b", {"n": 4})],
    }
    events.append(run.pk, [events.Entry("part", "b")])
    after = project(run.pk)
    assert after.items == {"hint": {"x": {"n": 3}}, "part": {"a": {"n": 2}}}
    assert after.changed_since(before.seq) == {("part", "b")}
    assert after == before.apply(Event.objects.filter(run=run).order_by("seq"))


def test_the_log_holds_the_newest_lines_and_counts_all(lab):
    run = lab.start()
    lines = [events.Entry("log", "one", f"Line {number}.") for number in range(LOG_LINES + 20)]
    events.append(run.pk, lines)
    projection = assert_equal_at_each_number(run)
    assert len(projection.log) == LOG_LINES
    assert projection.log_total == len(lines) + 1  # and the run's start
    assert projection.log[-1].message == f"Line {LOG_LINES + 19}."
    assert projection.changed_since(projection.seq - 1) == {("log", "")}


def test_a_run_of_many_events_is_read_by_few_queries(lab, django_assert_num_queries):
    run = lab.start()
    for number in range(50):
        states = [events.Entry("part", f"p{key}", data={"n": number}) for key in range(10)]
        events.append(run.pk, [*states, events.Entry("log", "one", "Said.")])
    with django_assert_num_queries(3):
        projection = project(run.pk)
    assert projection.items["part"]["p9"] == {"n": 49}
