"""A web process does not wait for PostgreSQL without end."""

import time

import psycopg
import pytest

from project.postgres import BoundedConnection, check


@pytest.fixture
def connection(postgres_url):
    with BoundedConnection.connect(postgres_url, autocommit=True) as bounded:
        yield bounded


def test_statement_without_an_answer_ends_its_connection(connection):
    connection.seconds = 0.3
    began = time.monotonic()
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT pg_sleep(20)")
    assert time.monotonic() - began < 5
    assert connection.closed


def test_refused_statement_leaves_its_connection_open(connection):
    with pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT 1 FROM no_such_table")
    connection.execute("SET statement_timeout = 100")
    with pytest.raises(psycopg.errors.QueryCanceled):
        connection.execute("SELECT pg_sleep(20)")
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_check_allows_less_time_than_a_statement(connection):
    check(connection)
    assert connection.seconds == BoundedConnection.seconds
    assert connection.execute("SELECT 1").fetchone() == (1,)
