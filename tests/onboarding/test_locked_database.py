"""A lock that another program holds is told as that, not as missing workers."""

import contextlib
import sqlite3
from datetime import timedelta
from functools import partial

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from apps.onboarding import state
from apps.pipelines.models import Worker
from apps.pipelines.worker import health
from project import probes

IS_SQLITE = "sqlite" in settings.DATABASES["default"]["ENGINE"]
pytestmark = [pytest.mark.django_db(transaction=True)]


@contextlib.contextmanager
def sqlite_lock():
    with contextlib.closing(
        sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)
    ) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield


@contextlib.contextmanager
def postgres_lock(statement):
    """Hold what a statement locks, in a session of another program."""
    address = {
        name: value
        for name, value in connection.get_connection_params().items()
        if name in ADDRESS
    }
    with psycopg.connect(**address) as holder:
        holder.execute(statement)
        yield
        holder.rollback()


ADDRESS = {"host", "port", "user", "password", "dbname"}
POSTGRES_LOCKS = {
    "table": "LOCK TABLE pipelines_worker IN SHARE MODE",
    "rows": "SELECT id FROM pipelines_worker FOR UPDATE",
}


@pytest.fixture(params=["file"] if IS_SQLITE else POSTGRES_LOCKS)
def lock(request):
    """Return a context in which another program holds a lock."""
    return sqlite_lock if IS_SQLITE else partial(postgres_lock, POSTGRES_LOCKS[request.param])


@pytest.fixture
def old_worker():
    """A worker that has not written that it lives for a minute."""
    then = timezone.now() - timedelta(seconds=60)
    return Worker.objects.create(
        owner="elsewhere/x|1|1", queues=["sync"], started_at=then, seen_at=then
    )


def cause_of(run, team):
    health._locked = None
    return state.of_run(run, team.name).state.cause


def test_run_states_the_lock_while_it_is_held(team, begin, client, person, lock, old_worker):
    run = begin("acme/api")
    client.force_login(person("mara"))
    page = f"/t/{team.slug}/onboarding/runs/{run.pk}/workers/"
    assert cause_of(run, team) == "no_worker"
    with lock():
        assert cause_of(run, team) == "database_locked"
        assert 'data-cause="database_locked"' in client.get(page).content.decode()
    assert cause_of(run, team) == "no_worker"
    assert 'data-cause="no_worker"' in client.get(page).content.decode()


def test_probe_states_the_lock_and_no_missing_worker(client, lock, old_worker):
    def problems():
        health._locked = None
        for check in (probes.DATABASE, probes.WRITES, probes.QUEUE, probes.WORK):
            check.forget()
        return client.get("/healthz").json()["problems"]

    assert any("worker" in problem for problem in problems() if problem != probes.LOCKED)
    with lock():
        assert probes.LOCKED in problems()
        assert not any("No worker" in problem for problem in problems())


@pytest.mark.skipif(IS_SQLITE, reason="SQLite has one lock")
def test_probe_states_a_lock_that_keeps_the_workers_from_being_read(client, old_worker):
    health._locked = None
    probes.WORK.forget()
    with postgres_lock("LOCK TABLE pipelines_worker IN ACCESS EXCLUSIVE MODE"):
        assert probes.LOCKED in client.get("/healthz").json()["problems"]
