"""Receivers that fail are called again by the sweepers of real worker processes."""

import signal
from datetime import timedelta

import pytest
from django.db.models import F
from django.dispatch import Signal

from apps.mail.models import OutboxMessage
from apps.pipelines import arguments, clock, engine, redelivery
from apps.pipelines.models import (
    FailedReceiver,
    Incident,
    ReceiverState,
    Run,
    RunState,
    StepRun,
)
from apps.pipelines.signals import deliver, is_current, pipeline_completed
from apps.pipelines.worker.sweeper import sweep
from apps.users.models import User
from project.monitoring import failed_receivers
from tests.fixtures.workers import ended, eventually
from tests.pipelines.lab import tasks as lab_tasks

pytestmark = pytest.mark.django_db(transaction=True)
QUICK = {"PIPELINES_RECEIVER_BACKOFF": "0.2", "PIPELINES_RECEIVER_BACKOFF_CAP": "0.5"}


def row_in(state):
    return lambda: FailedReceiver.objects.filter(state=state).first()


def figures():
    [family] = failed_receivers()
    return {sample.labels["state"]: sample.value for sample in family.samples}


def test_receiver_that_fails_twice_sends_its_email_once(lab, workers, tmp_path):
    run = lab.start(items=1)
    # The first delivery makes two calls, the first retry one.
    workers.start(LAB_RECEIVER=f"{tmp_path}:3:0", **QUICK)
    eventually(ended(run))
    assert run.state == RunState.DONE
    row = eventually(row_in(ReceiverState.DONE))
    assert (row.attempts, row.told_at) == (3, None)
    assert OutboxMessage.objects.get().text == "It has ended as done in generation 1."
    assert len((tmp_path / "calls").read_text()) == 4
    lines = (
        run.events.filter(message__contains=row.reference)
        .values_list("kind", "level")
        .order_by("seq")
    )
    assert list(lines) == [("receiver_failed", "error"), ("log", "info")]
    assert figures() == {"retrying": 0, "failing": 0, "given_up": 0, "done": 1}


def test_receiver_that_keeps_failing_tells_operators_once_and_is_given_up(
    lab, workers, tmp_path, admin_client
):
    run = lab.start(items=1)
    patience = {"PIPELINES_RECEIVER_TOLD_AFTER": "2", "PIPELINES_RECEIVER_PATIENCE": "3"}
    workers.log = tmp_path / "log"
    workers.start(LAB_RECEIVER=f"{tmp_path}:1000:0", **QUICK, **patience)
    eventually(
        lambda: (
            FailedReceiver.objects.exclude(told_at=None)
            .filter(state=ReceiverState.WAITING)
            .exists()
        )
    )
    assert figures()["failing"] == 1
    row = eventually(row_in(ReceiverState.GIVEN_UP))
    eventually(ended(run))
    assert run.state == RunState.DONE
    assert row.attempts > 3
    assert not OutboxMessage.objects.exists()
    assert workers.log.read_text().count("keeps failing, reference") == 1
    assert run.events.filter(kind="receiver_failed").count() == 2
    assert figures() == {"retrying": 0, "failing": 0, "given_up": 1, "done": 0}
    page = admin_client.get("/admin/pipelines/failedreceiver/").content.decode()
    assert row.receiver in page
    assert "as it was told to" in page


def test_kill_during_the_retry_loses_and_doubles_nothing(lab, workers, tmp_path):
    run = lab.start(items=1)
    # The third call is the first retry.
    victim = workers.start(LAB_RECEIVER=f"{tmp_path}:2:3", PIPELINES_UNIT_LIMIT="0", **QUICK)
    assert victim.wait(timeout=60) == -signal.SIGKILL
    assert not OutboxMessage.objects.exists()
    assert FailedReceiver.objects.get().attempts == 2
    workers.start(LAB_RECEIVER=f"{tmp_path}:2:3", **QUICK)
    row = eventually(row_in(ReceiverState.DONE))
    assert row.attempts == 3
    assert OutboxMessage.objects.count() == 1
    run.refresh_from_db()
    assert run.state == RunState.DONE


class Broken:
    """Fails as long as it is told to, and keeps what it was called with."""

    def __init__(self):
        self.fails = True
        self.calls = []

    __module__ = "tests.pipelines"
    __qualname__ = "Broken"

    def __call__(self, sender, **named):
        self.calls.append((sender, named))
        if self.fails:
            raise LookupError("no such thing")


@pytest.fixture
def broken():
    receiver = Broken()
    pipeline_completed.connect(receiver)
    yield receiver
    pipeline_completed.disconnect(receiver)


def due():
    FailedReceiver.objects.update(next_attempt_at=clock.now() - timedelta(seconds=1))


def test_retry_gets_the_arguments_of_the_first_call(lab, broken):
    run = lab.start(items=1, partial={"one": "Not readable."})
    lab.drain()
    engine.retry(Run.objects.get(pk=run.pk))
    broken.fails = False
    due()
    sweep()
    (first_sender, first), _second, (sender, named) = broken.calls
    assert sender is first_sender is Run
    assert (named["state"], named["sent_at"]) == (RunState.PARTIAL, first["sent_at"])
    seen = named["run"]
    assert (seen.pk, seen.generation, seen.state) == (run.pk, 1, RunState.PARTIAL)
    assert seen.finished_at == first["run"].finished_at
    assert seen.missing == [{"what": "a part", "why": "Not readable."}]
    assert not is_current(seen)
    assert is_current(Run.objects.get(pk=run.pk))


def test_back_off_grows_and_nothing_is_called_before(lab, broken):
    lab.start(items=1)
    lab.drain()
    row = FailedReceiver.objects.get()
    assert 4 < (row.next_attempt_at - row.failed_at).total_seconds() < 6
    calls = len(broken.calls)
    sweep()
    assert len(broken.calls) == calls
    due()
    sweep()
    row.refresh_from_db()
    assert (row.attempts, len(broken.calls)) == (2, calls + 1)
    assert 9 < (row.next_attempt_at - clock.now()).total_seconds() < 11


def test_receiver_of_another_release_waits_without_spending_an_attempt(lab, broken):
    lab.start(items=1)
    lab.drain()
    pipeline_completed.disconnect(broken)
    due()
    sweep()
    row = FailedReceiver.objects.get()
    assert (row.state, row.attempts) == (ReceiverState.WAITING, 1)
    assert row.next_attempt_at > clock.now() + timedelta(seconds=50)
    FailedReceiver.objects.update(patient_until=clock.now())
    due()
    sweep()
    row.refresh_from_db()
    assert row.state == ReceiverState.GIVEN_UP
    assert row.told_at is not None


def test_admin_action_tries_a_given_up_receiver_again(lab, broken, admin_client):
    lab.start(items=1)
    lab.drain()
    FailedReceiver.objects.update(patient_until=clock.now())
    due()
    sweep()
    row = FailedReceiver.objects.get(state=ReceiverState.GIVEN_UP)
    broken.fails = False
    chosen = {"action": "try_again", "_selected_action": [str(row.pk)]}
    admin_client.post("/admin/pipelines/failedreceiver/", chosen)
    sweep()
    row.refresh_from_db()
    assert row.state == ReceiverState.DONE


def test_receiver_whose_signal_is_in_no_module_is_given_up_at_once(lab):
    run = lab.start(items=1)
    nameless = Signal()
    receiver = Broken()
    nameless.connect(receiver)
    deliver(nameless, None, on_error=lambda failure: redelivery.record(run.pk, failure))
    row = FailedReceiver.objects.get()
    assert (row.state, row.signal) == (ReceiverState.GIVEN_UP, "")
    assert row.told_at is not None
    assert not redelivery.try_again(row)


def test_first_failure_mails_no_operator_but_is_an_incident(lab, broken, caplog):
    lab.start(items=1)
    lab.drain()
    assert Incident.objects.get().reference == FailedReceiver.objects.get().reference
    assert {record.levelname for record in caplog.records if "Incident" in record.message} == {
        "WARNING"
    }


def test_ended_rows_are_forgotten_after_90_days(lab, broken):
    lab.start(items=1)
    lab.drain()
    FailedReceiver.objects.update(
        state=ReceiverState.GIVEN_UP, ended_at=F("failed_at") - timedelta(days=91)
    )
    assert redelivery.forget_old() == 1


def test_arguments_survive_storing(lab):
    run = lab.start(items=1)
    run.refresh_from_db()
    step = run.steps.get(key="one")
    user = User.objects.create_user("ada@example.com")
    given = {
        "sender": StepRun,
        "named": {
            "run": run,
            "step": step,
            "user": user,
            "ids": (1, 2),
            "at": run.created_at,
            "key": run.pk,
            "n": None,
        },
    }
    stored = arguments.encode(given)
    user.delete()
    with pytest.raises(User.DoesNotExist):
        arguments.decode(stored)
    del stored["named"]["user"]
    back = arguments.decode(stored)
    assert back["sender"] is StepRun
    assert back["named"]["ids"] == [1, 2]
    assert (back["named"]["at"], back["named"]["key"]) == (run.created_at, run.pk)
    for name, row in (("run", run), ("step", step)):
        found = back["named"][name]
        for field in row._meta.concrete_fields:
            assert getattr(found, field.attname) == getattr(row, field.attname), field.name


@pytest.mark.parametrize("value", [object(), {1: "one"}, {"!": "run"}, b"bytes"])
def test_argument_of_an_unknown_kind_is_refused(value):
    with pytest.raises(TypeError):
        arguments.encode(value)


def test_signals_of_a_step_are_found_again():
    assert (
        redelivery._signal_at(redelivery._address_of(lab_tasks.unit_done))
        is lab_tasks.unit_done
    )
