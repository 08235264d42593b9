"""Which errors of PostgreSQL count as an outage, by their SQLSTATE."""

import psycopg
import pytest
from django.db import DatabaseError

from project.outages import outage_of


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (psycopg.errors.ReadOnlySqlTransaction, "away"),
        (psycopg.errors.InsufficientPrivilege, "away"),
        (psycopg.errors.DataCorrupted, "away"),
        (psycopg.errors.InternalError_, "away"),
        (psycopg.errors.TooManyConnections, "away"),
        (psycopg.errors.DiskFull, "away"),
        (psycopg.errors.AdminShutdown, "away"),
        (psycopg.errors.InvalidCatalogName, "away"),
        (psycopg.errors.InvalidPassword, "away"),
        (psycopg.errors.SerializationFailure, "busy"),
        (psycopg.errors.LockNotAvailable, "busy"),
        (psycopg.errors.QueryCanceled, "busy"),
        (psycopg.errors.UndefinedTable, None),
        (psycopg.errors.UniqueViolation, None),
    ],
)
def test_error_is_an_outage_by_its_state(error, expected):
    wrapped = DatabaseError("No.")
    wrapped.__cause__ = error("No.")
    assert outage_of(wrapped) == expected
