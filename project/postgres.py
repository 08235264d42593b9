"""Bounds on how long a web process waits for PostgreSQL.

A server that hangs, because its machine is frozen or its disk does not answer, keeps
its connections open and sends nothing. Neither libpq nor psycopg end such a wait.

    bound_waits()    called by `project.asgi` before the first connection

After it, each request checks its connection for up to CHECK_SECONDS, a statement gets
STATEMENT_SECONDS, and a lock of a row LOCK_SECONDS. Then Django raises
OperationalError, and `project.outages` answers with status 503. Workers and commands
are not bounded: a migration may take an hour.
"""

from typing import Any

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections
from psycopg.pq import TransactionStatus

# How long a request that borrows a connection waits for its first answer.
CHECK_SECONDS = 2.0
# Shorter than `project.server.limits.ANSWER_SECONDS`, after which the visitor gets no
# page in any case.
STATEMENT_SECONDS = 20.0
# The same time as a page waits for SQLite's lock.
LOCK_SECONDS = 4


class BoundedConnection(psycopg.Connection[Any]):
    """A connection that is closed when the server does not answer within `seconds`."""

    seconds = STATEMENT_SECONDS

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Return the server's answer, and check for signals every `interval` seconds.

        Raises OperationalError after `timeout` seconds, or `self.seconds` if that is
        None.
        """
        if timeout is not None:
            return super().wait(gen, interval, timeout)
        try:
            return super().wait(gen, interval, self.seconds)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # A late answer must not be read as that of the next statement.
                self.pgconn.finish()
            raise


def check(connection: BoundedConnection) -> None:
    """Raise OperationalError if the server does not answer soon. The pool calls this."""
    connection.seconds = CHECK_SECONDS
    try:
        connection.execute("")
    finally:
        connection.seconds = STATEMENT_SECONDS


def bound_waits() -> None:
    """Set time limits for all later connections of this process.

    Does nothing with SQLite.
    """
    database = connections.settings[DEFAULT_DB_ALIAS]
    pool = database["OPTIONS"].get("pool")
    if not pool:
        return
    pool["connection_class"] = BoundedConnection
    pool["check"] = check
    database["OPTIONS"]["options"] += f" -c lock_timeout={LOCK_SECONDS}s"
