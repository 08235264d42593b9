"""Answer 503 while the database is away or busy, with a page that needs no database.

`away` covers a PostgreSQL that refuses, hangs, or shuts down, and a SQLite file that
can't be read or written. `busy` covers a lock that another process holds for too long:
the request has changed nothing and may be sent again.
"""

import sqlite3
from collections.abc import Callable
from typing import Literal

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError, connections
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

type Outage = Literal["away", "busy"]

RETRY_AFTER = {"away": 5, "busy": 2}  # seconds
TEXTS: dict[Outage, str] = {
    "away": "The database can't be reached. Try again in a moment.",
    "busy": "The database is busy. Nothing was changed. Try again in a moment.",
}
_BUSY_SQLITE = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_AWAY_SQLITE = {
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_CORRUPT,
}
# Classes and codes of PostgreSQL's SQLSTATE. The first group is connections, logins and
# databases that a pooler does not find, resources, shutdown, damage, a server that
# takes no writes (a replica after a failover), and revoked rights. The second group is
# locks and time limits.
_AWAY_STATES = ("08", "28", "3D", "53", "57P", "58", "XX", "25006", "42501")
_BUSY_STATES = ("40", "55P03", "57014", "25P03", "25P04")


class DatabaseOutageMiddleware:
    """Answers with status 503 if a view raises an outage. `project.errors` does so for
    a middleware.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        outage = outage_of(error)
        return respond(request, outage) if outage else None


def respond(request: HttpRequest, outage: Outage) -> HttpResponse:
    """Return the answer with status 503: a page, or a sentence for htmx and for
    programs.
    """
    # The next request of this thread must not get a broken connection.
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
    headers = {"Retry-After": str(RETRY_AFTER[outage]), "Cache-Control": "no-store"}
    text = TEXTS[outage]
    if request.path.startswith("/api/"):
        return HttpResponse(
            f'{{"error": "{text}"}}\n',
            status=503,
            headers=headers,
            content_type="application/json",
        )
    if "HX-Request" in request.headers:
        # The page's script shows the sentence as a note and keeps the form as it is.
        return HttpResponse(
            text, status=503, headers=headers, content_type="text/plain; charset=utf-8"
        )
    return HttpResponse(
        render_to_string("503.html", {"text": text}), status=503, headers=headers
    )


def outage_of(error: BaseException | None) -> Outage | None:
    """Return "away" or "busy" if the exception, or one that it was raised from, is an
    outage; None for another error.
    """
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, DatabaseError | InterfaceError):
            return _outage_of_database(error)
        error = error.__cause__ or error.__context__
        seen += 1
    return None


def _outage_of_database(error: DatabaseError | InterfaceError) -> Outage | None:
    cause = error.__cause__
    if isinstance(cause, sqlite3.Error):
        # The lower byte is the kind of the error; the rest has the details.
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if code in _BUSY_SQLITE:
            return "busy"
        return "away" if code in _AWAY_SQLITE else None
    if isinstance(cause, psycopg.Error) and cause.sqlstate:
        if cause.sqlstate.startswith(_BUSY_STATES):
            return "busy"
        return "away" if cause.sqlstate.startswith(_AWAY_STATES) else None
    return "away" if isinstance(error, OperationalError | InterfaceError) else None
