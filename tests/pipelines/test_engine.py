"""The state machine, moved by hand: each message is a real one, taken from the real
queue.
"""

import uuid
from datetime import timedelta
from itertools import pairwise

import pytest
from django.contrib.auth import get_user_model
from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q
from django.test.utils import CaptureQueriesContext
from huey.contrib.djhuey import HUEY

from apps.pipelines import clock, definitions, engine, incidents
from apps.pipelines.exceptions import NotAllowed, Superseded, UnknownPipeline
from apps.pipelines.models import Event, Incident, Run, RunState, StepRun, StepState
from apps.pipelines.runner import claim
from apps.pipelines.signals import (
    pipeline_completed,
    pipeline_failed,
    pipeline_started,
    step_completed,
)
from apps.pipelines.worker.sweeper import sweep
from tests.pipelines.lab.models import Effect
from tests.pipelines.lab.tasks import LAB, unit_done

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def heard():
    """What the signals said, in order."""
    calls = []

    def listen(signal, name):
        def receiver(sender, run, **kwargs):
            calls.append((name, kwargs.get("state") or kwargs.get("error")))

        signal.connect(receiver)
        return signal, receiver

    connected = [
        listen(pipeline_started, "started"),
        listen(step_completed, "step"),
        listen(pipeline_completed, "completed"),
        listen(pipeline_failed, "failed"),
    ]
    yield calls
    for signal, receiver in connected:
        signal.disconnect(receiver)


def states(run):
    return [step.state for step in run.steps.order_by("idx")]


def test_a_run_goes_through_all_steps_and_says_so(lab, heard):
    run = lab.start(items=3)
    lab.drain()
    run.refresh_from_db()
    assert (run.state, run.percent) == (RunState.DONE, 100)
    assert lab.each_once(run, 3)
    assert heard == [("started", None), *[("step", "done")] * 5, ("completed", "done")]
    assert [event.seq for event in run.events.order_by("seq")] == list(range(1, run.seq + 1))


def test_the_normal_path_hands_on_by_hueys_pipeline_alone(lab):
    """One message enters the queue by us; all others are Huey's `.then()`, none the
    sweeper's: the epoch stays.
    """
    run = lab.start(items=1)
    handed = 0
    while message := lab.next_message():
        HUEY.execute(message)
        handed += 1
    run.refresh_from_db()
    assert (handed, run.epoch, run.state) == (5, 1, RunState.DONE)


def test_a_second_start_joins_the_live_run(lab):
    first, created = engine.start("lab", subject="lab:1", params={"items": 1})
    second, again = engine.start("lab", subject="lab:1", params={"items": 9})
    assert (created, again, first.pk) == (True, False, second.pk)
    assert HUEY.pending_count() == 1
    lab.drain()
    third, created = engine.start("lab", subject="lab:1", params={"items": 1})
    assert created
    assert third.pk != first.pk


def test_a_once_key_starts_one_run_for_good(lab):
    first, _ = engine.start("lab", subject="lab:1", params={"items": 1}, once_key="night:1")
    lab.drain()
    second, created = engine.start(
        "lab", subject="lab:1", params={"items": 1}, once_key="night:1"
    )
    assert (second.pk, created) == (first.pk, False)


def test_the_database_refuses_a_second_live_run(lab):
    run = lab.start(items=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        Run.objects.create(
            pipeline="lab",
            subject="x",
            dedupe_key=run.dedupe_key,
            created_at=clock.now(),
            generation_started_at=clock.now(),
        )


def test_a_start_that_rolls_back_leaves_nothing(lab):
    with transaction.atomic():
        lab.start(items=1)
        transaction.set_rollback(True)
    assert not Run.objects.exists()
    assert HUEY.pending_count() == 0


def test_an_unknown_pipeline_is_named(db):
    with pytest.raises(UnknownPipeline, match="no pipeline named 'nightly-tea'"):
        engine.start("nightly-tea", subject="x", params={})


def test_a_duplicate_message_changes_nothing(lab):
    run = lab.start(items=2)
    message = lab.next_message()
    HUEY.enqueue(message)
    HUEY.enqueue(message)
    lab.drain()
    while message := lab.next_message():
        HUEY.execute(message)
    run.refresh_from_db()
    assert run.state == RunState.DONE
    assert lab.each_once(run, 2)
    assert set(run.steps.values_list("attempt", flat=True)) == {1}


def test_a_stale_message_costs_one_update_of_no_row(lab):
    run = lab.start(items=2)
    message = lab.next_message()
    assert engine.dispatch_tail(run.pk, 0, when=Q(state=StepState.READY))
    run.refresh_from_db()
    assert run.epoch == 2
    with CaptureQueriesContext(connection) as queries:
        assert claim(message.name, message.kwargs["run"], message.kwargs["epoch"]) is None
    # Now and then PostgreSQL is asked for its time.
    did = [query["sql"] for query in queries if "clock_timestamp" not in query["sql"]]
    # Begin, update, commit; on PostgreSQL one statement of several parts, of which the
    # others wait for the first.
    assert len(did) == (3 if connection.vendor == "sqlite" else 1)
    assert not Effect.objects.exists()


def test_a_failure_waits_its_back_off_and_goes_on_at_the_cursor(lab):
    run = lab.start(items=3, fail={"two": "GitHub did not answer."})
    lab.drain()
    run.refresh_from_db()
    step = run.steps.get(key="two")
    assert (run.state, step.failures, step.attempt) == (RunState.DONE, 1, 2)
    assert lab.each_once(run, 3)
    parked = run.events.filter(kind="step", key="two", data__state="parked").get()
    message = parked.data["message"]
    assert message.startswith("GitHub did not answer. ")
    assert message.endswith("(1 of 3).")
    first = Effect.objects.get(run=run.pk, step="two", item=0)
    assert first.attempt == 1


def test_a_failure_that_stays_ends_the_run_with_its_words(lab, heard):
    run = lab.start(items=3, fail={"two": "GitHub did not answer."}, always=True)
    StepRun.objects.filter(run=run).update(backoff_seconds=0.01)
    lab.drain()
    run.refresh_from_db()
    assert (run.state, run.error) == (RunState.FAILED, "GitHub did not answer.")
    assert states(run) == ["done", "failed", "waiting", "waiting", "waiting"]
    assert run.percent < 100
    assert run.steps.get(key="two").failures == 4
    assert heard[-1] == ("failed", "GitHub did not answer.")
    assert HUEY.pending_count() == 0


def test_a_permanent_failure_is_not_tried_again(lab):
    run = lab.start(items=3, permanent={"three": "The token is wrong."})
    lab.drain()
    run.refresh_from_db()
    assert (run.state, run.error, run.steps.get(key="three").attempt) == (
        RunState.FAILED,
        "The token is wrong.",
        1,
    )


def test_of_an_unexpected_exception_members_see_a_reference(lab, caplog):
    run = lab.start(items="three")
    StepRun.objects.filter(run=run).update(max_failures=0)
    lab.drain()
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert "TypeError" not in str([run.error, *run.events.values_list("message", "data")])
    incident = Incident.objects.get()
    assert incident.reference in run.error
    assert "TypeError" in incident.details
    assert incident.run == run
    assert incident.reference in caplog.text


def test_an_incident_is_found_by_its_reference_in_the_admin(lab, client):
    run = lab.start(items="three")
    StepRun.objects.filter(run=run).update(max_failures=0)
    lab.drain()
    incident = Incident.objects.get()
    client.force_login(get_user_model().objects.create_superuser("root@example.com"))
    found = client.get(f"/admin/pipelines/incident/?q={incident.reference}")
    assert incident.reference in found.text
    assert str(run.pk) in client.get(f"/admin/pipelines/run/?q={incident.reference}").text
    assert "TypeError" in client.get(f"/admin/pipelines/incident/{incident.pk}/change/").text


def test_a_secret_in_an_exception_is_masked_in_its_incident(db):
    try:
        raise ValueError("redis://:hunter2hunter2@redis:6379/0")
    except ValueError as error:
        words = incidents.record(error, "Somewhere")
    assert "redis" not in words
    assert "hunter2" not in Incident.objects.get().details


def test_a_parked_step_spends_no_retry_and_no_worker(lab):
    run = lab.start(items=3, park={"three": 0.3})
    while message := lab.next_message():
        HUEY.execute(message)
    step = run.steps.get(key="three")
    assert (step.state, step.owner, step.failures) == (StepState.PARKED, "", 0)
    assert step.parked_until > step.attempt_started_at
    lab.drain()
    run.refresh_from_db()
    assert run.state == RunState.DONE
    assert lab.each_once(run, 3)
    step.refresh_from_db()
    assert (step.failures, step.crashes) == (0, 0)


def test_partial_and_skipped_steps_let_the_run_go_on(lab):
    run = lab.start(items=1, partial={"one": "it was too large"}, skip={"two": "no key"})
    lab.drain()
    run.refresh_from_db()
    assert states(run) == ["partial", "skipped", "done", "done", "done"]
    assert (run.state, run.percent) == (RunState.PARTIAL, 99)
    assert run.missing == [{"what": "a part", "why": "it was too large"}]


def test_a_retry_goes_on_at_the_cursor_and_repeats_no_finished_unit(lab, tmp_path):
    mended = tmp_path / "mended"
    run = lab.start(items=3, permanent={"three": "The disk is full."}, mended=str(mended))
    lab.drain()
    before = dict(Effect.objects.filter(run=run.pk).values_list("step", "attempt"))
    mended.touch()
    engine.retry(run)
    lab.drain()
    run.refresh_from_db()
    assert (run.state, run.generation) == (RunState.DONE, 2)
    assert lab.each_once(run, 3)
    assert before["three"] == 1
    assert list(
        Effect.objects.filter(run=run.pk, step="three")
        .order_by("item")
        .values_list("attempt", flat=True)
    ) == [
        1,
        2,
        2,
    ]
    assert set(run.steps.filter(idx__lt=2).values_list("attempt", flat=True)) == {1}


def test_a_retry_of_a_partial_run_starts_at_the_partial_step(lab):
    run = lab.start(items=1, partial={"one": "it was too large"})
    lab.drain()
    run.refresh_from_db()
    run = engine.retry(run, selection=["a part"])
    assert states(run) == ["ready", "waiting", "waiting", "waiting", "waiting"]
    assert run.steps.get(key="one").cursor["selection"] == ["a part"]
    assert run.percent < 100


@pytest.mark.parametrize(
    ("state", "words"),
    [(RunState.RUNNING, "still in progress"), (RunState.DONE, "nothing to retry")],
)
def test_a_retry_that_makes_no_sense_is_refused(lab, state, words):
    run = lab.start(items=1)
    Run.objects.filter(pk=run.pk).update(state=state)
    with pytest.raises(NotAllowed, match=words):
        engine.retry(run)


def test_a_retry_beside_another_live_run_is_refused(lab):
    run = lab.start(items=2, permanent={"one": "No."})
    lab.drain()
    lab.start(items=2)
    with pytest.raises(NotAllowed, match="in progress"):
        engine.retry(run)
    run.refresh_from_db()
    assert (run.state, run.generation) == (RunState.FAILED, 1)


def test_a_cancelled_run_takes_nothing_more(lab):
    run = lab.start(items=2)
    HUEY.execute(lab.next_message())
    engine.cancel(run)
    lab.drain()
    while message := lab.next_message():
        HUEY.execute(message)
    run.refresh_from_db()
    assert states(run) == ["done", *["cancelled"] * 4]
    assert (run.state, Effect.objects.count()) == (RunState.CANCELLED, 2)


def test_a_cancelled_run_can_be_taken_up_again(lab):
    run = lab.start(items=2)
    HUEY.execute(lab.next_message())
    engine.cancel(run)
    engine.retry(run)
    lab.drain()
    run.refresh_from_db()
    assert run.state == RunState.DONE
    assert lab.each_once(run, 2)


def test_an_attempt_that_lost_its_step_can_commit_nothing(lab):
    """Cancelled in the midst of a unit's computation: the unit's effects roll back with
    its guard.
    """
    run = lab.start(items=5)

    def cancel_in_the_midst(sender, item, **kwargs):
        if item == 1:
            StepRun.objects.filter(run=run, key="one").update(attempt=F("attempt") + 1)

    unit_done.connect(cancel_in_the_midst)
    try:
        HUEY.execute(lab.next_message())
    finally:
        unit_done.disconnect(cancel_in_the_midst)
    # The unit in which it happened committed with it; the next one found the step
    # taken.
    assert lab.effects(run) == [("one", 0), ("one", 1)]
    assert run.steps.get(key="one").state == StepState.RUNNING


def test_a_receiver_that_raises_is_rolled_back_and_recorded(lab):
    def broken(sender, run, **kwargs):
        Effect.objects.create(run=run.pk, step="receiver", item=0, attempt=0)
        raise LookupError("no such thing")

    others = []

    def sound(sender, run, **kwargs):
        others.append(run.state)

    pipeline_completed.connect(broken)
    pipeline_completed.connect(sound)
    try:
        run = lab.start(items=1)
        lab.drain()
    finally:
        pipeline_completed.disconnect(broken)
        pipeline_completed.disconnect(sound)
    run.refresh_from_db()
    assert (run.state, others) == (RunState.DONE, [RunState.DONE])
    assert not Effect.objects.filter(step="receiver").exists()
    assert run.events.get(kind="receiver_failed").message.endswith(
        f"Reference {Incident.objects.get().reference}."
    )
    assert "no such thing" in Incident.objects.get().details


def test_a_run_whose_last_commit_fails_is_not_called_whole(lab):
    def orphan(sender, run, **kwargs):
        StepRun.objects.create(
            run_id=uuid.uuid4(), idx=9
        )  # the missing run is noticed at the commit

    pipeline_completed.connect(orphan)
    try:
        run = lab.start()
        for _ in lab.definition.steps:
            HUEY.execute(lab.next_message())
    finally:
        pipeline_completed.disconnect(orphan)
    run.refresh_from_db()
    assert (run.state, run.steps.last().state) == ("running", "parked")
    assert run.percent == 99
    lab.drain()
    run.refresh_from_db()
    assert (run.state, run.percent) == ("done", 100)


def test_the_percentage_never_falls_and_is_100_only_when_done(lab):
    run = lab.start(items=4, fail={"two": "Again."}, skip={"four": "no key"})
    lab.drain()
    percents = lab.percents(run)
    assert percents == sorted(percents)
    assert percents[-1] == (1, 100)
    assert all(percent < 100 for _, percent in percents[:-1])


def test_progress_is_written_at_most_four_times_a_second(lab):
    run = lab.start(items=60, pace=0.005)
    HUEY.execute(lab.next_message())
    written = run.events.filter(
        kind="step", key="one", data__state="running", message=""
    ).order_by("seq")
    times = [event.at for event in written]
    assert times
    assert all(later - earlier > timedelta(seconds=0.2) for earlier, later in pairwise(times))
    assert run.steps.get(key="one").done == 60


def test_a_lost_message_is_sent_again(lab):
    run = lab.start(items=1)
    HUEY.flush()
    assert sweep() == 0, "too young to be lost"
    StepRun.objects.filter(run=run, idx=0).update(
        dispatched_at=clock.now() - timedelta(seconds=2)
    )
    assert sweep() == 1
    run.refresh_from_db()
    assert run.epoch == 2
    lab.drain()
    run.refresh_from_db()
    assert run.state == RunState.DONE


def test_a_waiting_message_is_not_taken_for_lost(lab):
    run = lab.start(items=1)
    StepRun.objects.filter(run=run, idx=0).update(
        dispatched_at=clock.now() - timedelta(seconds=5)
    )
    assert sweep() == 0
    StepRun.objects.filter(run=run, idx=0).update(
        dispatched_at=clock.now() - timedelta(seconds=25)
    )
    assert sweep() == 1


def take(run, owner, lease, **changes):
    now = clock.now()
    StepRun.objects.filter(run=run, idx=0).update(
        state=StepState.RUNNING,
        attempt=1,
        owner=owner,
        lease_until=now + timedelta(seconds=lease),
        **changes,
    )


def test_a_step_whose_lease_is_over_is_sent_again_and_counts_a_crash(lab):
    run = lab.start(items=1)
    HUEY.flush()
    take(run, "elsewhere/x|1|1", lease=5)
    assert sweep() == 0, "its owner may live"
    take(run, "elsewhere/x|1|1", lease=-1)
    assert sweep() == 1
    assert sweep() == 0, "one recovery, not two"
    step = run.steps.get(idx=0)
    assert (step.state, step.crashes, step.failures, step.epoch) == (StepState.READY, 1, 0, 2)


def test_a_step_that_kills_its_worker_every_time_is_given_up(lab):
    run = lab.start(items=1)
    take(run, "elsewhere/x|1|1", lease=-1, crashes=5)
    sweep()
    run.refresh_from_db()
    assert run.state == RunState.FAILED
    assert "6 times" in run.error


def test_a_step_past_its_deadline_is_taken_away_and_counts_a_failure(lab):
    run = lab.start(items=1)
    HUEY.flush()
    take(run, "elsewhere/x|1|1", lease=60, deadline_at=clock.now() - timedelta(seconds=6))
    assert sweep() == 1
    step = run.steps.get(idx=0)
    assert (step.state, step.failures) == (StepState.PARKED, 1)
    assert "took longer than" in step.error
    lab.drain()
    run.refresh_from_db()
    assert run.state == RunState.DONE


def test_a_step_alone_is_a_run_of_its_own(lab):
    task = LAB.steps[1].task
    run = task(items=2)
    assert [step.key for step in run.steps.all()] == ["two"]
    assert task(items=2).pk == run.pk, "joined"
    lab.drain()
    run.refresh_from_db()
    assert (run.state, run.pipeline) == (RunState.DONE, "only:lab_two")
    assert Effect.objects.filter(run=run.pk).count() == 2


def test_call_local_runs_inline_and_raises(lab):
    task = LAB.steps[1].task
    run = task.call_local(2)
    assert (run.state, Effect.objects.filter(run=run.pk).count()) == (RunState.DONE, 2)
    with pytest.raises(Exception, match="Broken"):
        task.call_local(items=3, fail={"two": "Broken"})
    assert Run.objects.latest("created_at").state == RunState.FAILED
    assert HUEY.pending_count() == 0


def test_a_message_without_a_run_starts_one(lab):
    HUEY.enqueue(LAB.steps[1].task.s(items=2))
    HUEY.execute(lab.next_message())
    lab.drain()
    assert Run.objects.get().state == RunState.DONE


def test_queues_come_from_the_definition():
    for pipeline in definitions._pipelines.values():
        for step in pipeline.steps:
            assert step.task.task_class.queue == step.queue
    with pytest.raises(ValueError, match="cannot also run on"):
        LAB.steps[0].task.route("llm")


def test_events_of_a_run_have_no_gaps_under_two_writers(lab):
    run = lab.start(items=2, fail={"one": "x"}, skip={"five": "y"})
    lab.drain()
    seqs = list(Event.objects.filter(run=run).order_by("seq").values_list("seq", flat=True))
    assert seqs == list(range(1, len(seqs) + 1))


def test_superseded_is_not_a_failure():
    assert not issubclass(Superseded, NotAllowed)
