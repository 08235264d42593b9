"""The hand-made statements give and take what the ORM would."""

from datetime import datetime, timedelta

import psycopg
import pytest
from django.db import connection, transaction
from django.forms.models import model_to_dict
from huey.contrib.djhuey import HUEY

from apps.analytics.models import AnalyticsEvent
from apps.pipelines import clock, events
from apps.pipelines.models import Run, StepRun, StepState
from apps.pipelines.runner import claim
from apps.pipelines.sql import batch, statements
from apps.pipelines.sql.statements import Change, Sql

pytestmark = pytest.mark.django_db

EVERYTHING = {
    "state": StepState.PARKED,
    "epoch": 3,
    "attempt": 2,
    "owner": "o'wner %s",
    "cursor": {"after": ["é", None, 1.5]},
    "missing": [{"what": "a", "why": "b"}],
    "done": 7,
    "total": None,
    "error": "100 % “wrong”",
    "active_seconds": 1.25,
}


def as_the_orm_reads(model, pk):
    return vars(model.objects.get(pk=pk)) | {"_state": None}


@pytest.fixture
def step(lab):
    return lab.start(items=2).steps.get(idx=1)


def test_what_is_written_is_what_the_orm_reads_and_so_is_what_comes_back(step):
    now = clock.now()
    new = EVERYTHING | {"parked_until": now}
    names = statements.all_names(StepRun)
    [row] = batch.change(Change(StepRun, new, {"id": step.pk, "epoch": 1}, names))
    back = statements.instance(StepRun, row)
    assert vars(back) | {"_state": None} == as_the_orm_reads(StepRun, step.pk)
    read = model_to_dict(StepRun.objects.get(pk=step.pk))
    assert {name: read[name] for name in EVERYTHING} == EVERYTHING
    assert StepRun.objects.get(pk=step.pk).parked_until == now
    assert statements.update(StepRun, {"epoch": 9}, id=step.pk, epoch=1) == 0
    [row] = batch.change(
        Change(
            Run, {"seq": Sql("seq + 2")}, {"id": str(step.run_id)}, statements.all_names(Run)
        )
    )
    run = statements.instance(Run, row)
    assert vars(run) | {"_state": None} == as_the_orm_reads(Run, step.run_id)


def test_rows_are_changed_together_or_not_at_all(step):
    def change(epoch):
        mine = Change(
            StepRun,
            {"attempt": Sql("attempt + 1")},
            {"id": step.pk, "epoch": epoch},
            ["attempt"],
        )
        none = Change(
            StepRun, {"attempt": 9}, {"run_id": step.run_id, "idx": 99}, ["attempt", "cursor"]
        )
        run = Change(Run, {"seq": Sql("seq + 1")}, {"id": step.run_id}, ["seq", "params"])
        return batch.change(mine, none, run)

    before = Run.objects.get(pk=step.run_id)
    with transaction.atomic():
        assert change(epoch=1) == [[1], None, [before.seq + 1, before.params]]
        assert change(epoch=2) == [None, None, None]
    assert Run.objects.get(pk=step.run_id).seq == before.seq + 1


def test_rows_that_were_inserted_are_what_the_orm_would_have_made(step):
    copy = Run.objects.get(pk=step.run_id)
    copy.pk, copy.dedupe_key = None, "another"
    copy.id = Run().id
    statements.insert_models([copy])
    assert as_the_orm_reads(Run, copy.pk) == vars(copy) | {"_state": None}
    rows = statements.select_values(
        StepRun, ("idx", "run_id", "cursor"), run_id=step.run_id, order="idx"
    )
    assert [tuple(row) for row in rows] == list(
        StepRun.objects.filter(run=step.run_id)
        .order_by("idx")
        .values_list("idx", "run_id", "cursor")
    )


def test_a_conflict_is_an_error_unless_it_is_to_be_ignored():
    names = ("name", "once_key", "at", "data")
    row = ("step", "once", clock.now(), {"a": 1})
    for _ in range(2):
        statements.insert(AnalyticsEvent, names, [row], ignore_conflicts=True)
    assert AnalyticsEvent.objects.get(once_key="once").data == {"a": 1}


def test_more_rows_than_one_statement_takes_are_inserted(step):
    row = ("step", clock.now(), {})
    keys = [f"key {number}" for number in range(statements.AT_ONCE + 1)]
    statements.insert(
        AnalyticsEvent, ("once_key", "name", "at", "data"), [(key, *row) for key in keys]
    )
    assert AnalyticsEvent.objects.filter(once_key__in=keys).count() == len(keys)


def test_the_database_adds_a_columns_seconds(step):
    now = clock.now()
    StepRun.objects.filter(pk=step.pk).update(deadline_seconds=90.5)
    statements.update(
        StepRun, {"deadline_at": statements.seconds_after(now, "deadline_seconds")}, id=step.pk
    )
    step.refresh_from_db()
    assert abs(step.deadline_at - now - timedelta(seconds=90.5)) <= timedelta(milliseconds=1)


def test_the_databases_time_is_followed_between_the_times_it_is_asked():
    heard = [clock.now() for _ in range(50)]
    assert heard == sorted(heard)


def parsed(data):
    """Moments as such: PostgreSQL leaves out the zeros at their end."""
    return {
        name: value and datetime.fromisoformat(value)
        if name.endswith(("_at", "_until"))
        else value
        for name, value in data.items()
        if name != "message_epoch"
    }


def newest(run, kind, key=""):
    event = run.events.filter(kind=kind, key=key).latest("seq")
    return event.message, parsed(event.data)


def test_events_made_with_a_change_say_what_the_rows_hold_then(lab):
    """On PostgreSQL the statement that changes the rows puts them together, elsewhere
    we do.
    """
    run = lab.start(items=2)
    StepRun.objects.filter(run=run, idx=0).update(
        attempt=1, active_seconds=1.23456, missing=[{"what": "ä", "why": "b"}]
    )
    first, parts = claim(run.steps.get(idx=0).task, str(run.pk), 1)
    row = StepRun.objects.get(pk=first.pk)
    assert newest(run, "step", row.key) == (
        f"{row.title}: started (attempt 2).",
        parsed(events.step_entry(row).data),
    )
    assert run.events.filter(kind="step", key=row.key).latest("seq").data["message_epoch"] == 1
    assert [part[:2] for part in parts] == [
        (0, "running" if connection.vendor == "sqlite" else "ready"),
        *((idx, "waiting") for idx in range(1, 5)),
    ]
    StepRun.objects.filter(pk=row.pk).update(state=StepState.READY)
    HUEY.execute(lab.next_message())
    run.refresh_from_db()
    for step in run.steps.filter(idx__lt=2):
        assert newest(run, "step", step.key)[1] == parsed(events.step_entry(step).data)
    assert newest(run, "run") == ("", parsed(events.run_entry(run).data))
    assert [event.seq for event in run.events.order_by("seq")] == list(range(1, run.seq + 1))


@pytest.mark.skipif(
    "connection.vendor == 'sqlite'", reason="no server that could end a connection"
)
def test_a_claim_survives_a_connection_that_ended_since_the_last_message(lab):
    run = lab.start(items=2)
    task, backend = run.steps.get(idx=0).task, connection.connection.info.backend_pid
    with psycopg.connect(
        **connection.get_connection_params() | {"cursor_factory": None}
    ) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (backend,))
    assert claim(task, str(run.pk), 1)


@pytest.mark.parametrize(
    "value", [{"half": "\ud83d"}, {"big": 2**70 + 1}, {}, [], {"a": "\U0001f600"}]
)
def test_any_json_is_kept(step, value):
    if connection.vendor == "postgresql" and "half" in value:
        pytest.skip("PostgreSQL takes no half of a character")
    statements.update(StepRun, {"cursor": value}, id=step.pk)
    assert StepRun.objects.get(pk=step.pk).cursor == value
    [row] = statements.select_values(StepRun, ["cursor"], id=step.pk, order="id")
    assert row == [value]
