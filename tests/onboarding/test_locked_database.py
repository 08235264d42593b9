"""A lock that another program holds on SQLite is told as that, not as missing workers."""

import sqlite3
from contextlib import closing

import pytest
from django.conf import settings
from django.db import connection

from apps.onboarding import state
from apps.pipelines import health

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif("sqlite" not in settings.DATABASES["default"]["ENGINE"], reason="rows are in PostgreSQL"),
]


def cause_of(run, team):
    health._locked = None
    return state.of_run(run, team.name).state.cause


def test_run_states_the_lock_while_it_is_held(team, begin, client, person):
    run = begin("acme/api")
    client.force_login(person("mara"))
    page = f"/t/{team.slug}/onboarding/runs/{run.pk}/workers/"
    assert cause_of(run, team) == "no_worker"
    with closing(sqlite3.connect(connection.settings_dict["NAME"], isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        assert cause_of(run, team) == "database_locked"
        assert 'data-cause="database_locked"' in client.get(page).content.decode()
    assert cause_of(run, team) == "no_worker"
    assert 'data-cause="no_worker"' in client.get(page).content.decode()
