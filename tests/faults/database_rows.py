"""The databases' rows of the fault table: what is done to a real PostgreSQL and to a
SQLite file, and bytes of a stand-in.

Pages answer 503 with a time to come back while a database is away, work goes on when it
is back, and nothing is lost.
"""

import contextlib
import os
import resource
import signal
import sqlite3
import threading
import time
from pathlib import Path

import psycopg

from tests.faults.postgres_wire import error
from tests.faults.table import Most, Row

# Seconds: a setup without a fault takes 6 here; what failed is tried again after a
# while.
SETUP, PAGES = 75, 60
# What pages do meanwhile: all as usual, only reading as usual, or nothing.
NOTHING, BUSY, AWAY = "", "busy", "away"
# Only those pages fail that send the chosen statement.
SOME = "some"
# Statements that rows choose: any with a quoted name, that by which a step is claimed,
# and that for pull requests.
ANY = b'"'
CLAIM, PULLS = b'UPDATE "pipelines_steprun"', b'INSERT INTO "metrics_pullrequest"'


def row(name, outcome, lines=300, *, onboarding=None, night=None, page=None, **fault):
    """Return a row. Requests are connections to PostgreSQL.

    A row without limits of its own has those of all; each limit is (seconds, requests,
    lines).
    """
    onboarding = Most(*onboarding or (SETUP, 800, lines))
    night = Most(*night) if night else onboarding
    return Row(
        name, outcome, onboarding, night, Most(*page or (PAGES, 600, lines)), "done", **fault
    )


def log_in(name, state):
    """Return a row in which each log-in is refused: pages wait for the pool, and give
    up.
    """
    limits = {"onboarding": (45, 90, 60), "night": (45, 70, 30), "page": (45, 150, 80)}
    return row(name, AWAY, how={"log_in": state}, **limits)


def every(name, outcome, state, by="error"):
    """Return a row in which each statement with a name in it is refused: pages answer
    at once.
    """
    limits = {"onboarding": (45, 80, 50), "night": (45, 60, 30), "page": (25, 40, 50)}
    return row(name, outcome, how={"words": ANY, "state": state, "by": by}, **limits)


def chosen(name, words, state, by="error", seconds=45):
    """Return a row in which statements with these words are refused, in the midst of
    transactions.
    """
    limits = {"onboarding": (seconds, 90, 40), "night": (seconds, 70, 30), "page": (25, 50, 50)}
    return row(name, SOME, how={"words": words, "state": state, "by": by}, **limits)


# PostgreSQL, the real one.


def configured(server, **settings):
    with server.connected() as connection:
        for name, value in settings.items():
            connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        connection.execute("SELECT pg_reload_conf()")
    time.sleep(0.3)


def as_before(server):
    """Undo `configured`, also if this session can't write."""
    with server.connected(
        "-c default_transaction_read_only=off -c statement_timeout=0"
    ) as connection:
        connection.execute("ALTER SYSTEM RESET ALL")
        connection.execute("SELECT pg_reload_conf()")


def is_read_only(server):
    configured(server, default_transaction_read_only="on")


def ends_statements(server):
    configured(server, statement_timeout="1ms")


def connections_are_taken(server):
    server.held = []
    with contextlib.suppress(psycopg.OperationalError):
        while True:
            server.held.append(
                psycopg.connect(server.address, connect_timeout=5, application_name="holder")
            )
    # Those that the site had open make room for more.
    for _ in range(3):
        server.end_sessions(server.held[0])
        with contextlib.suppress(psycopg.OperationalError):
            while True:
                server.held.append(
                    psycopg.connect(
                        server.address, connect_timeout=5, application_name="holder"
                    )
                )


def connections_are_free(server):
    for connection in server.held:
        connection.close()


def sessions_end(server):
    with server.connected() as connection:
        server.end_sessions(connection)


def sessions_end_again_and_again(server):
    server.goes_on = True

    def end():
        while server.goes_on:
            with contextlib.suppress(psycopg.Error):
                sessions_end(server)
            time.sleep(0.3)

    server.thread = threading.Thread(target=end)
    server.thread.start()


def sessions_stay(server):
    server.goes_on = False
    server.thread.join()


def is_stopped(server):
    server.stop(signal.SIGINT)


def crashes_for_good(server):
    server.stop(signal.SIGQUIT)


def starts(server):
    server.start()


def restarts(server):
    server.restart(1)


def one_backend_is_killed(server):
    """Kill a backend: PostgreSQL ends all sessions, and recovers."""
    with server.connected() as connection:
        pid = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL LIMIT 1"
        ).fetchone()
        os.kill(pid[0] if pid else connection.info.backend_pid, signal.SIGKILL)
    time.sleep(0.5)


def is_there_again(server):
    server.wait()


def freezes(server):
    server.stopped = server.family()
    for pid in server.stopped:
        os.kill(pid, signal.SIGSTOP)


def thaws(server):
    for pid in server.stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def log_ins_are_refused(server):
    hba = server.folder / "data/pg_hba.conf"
    server.hba = hba.read_text()
    hba.write_text("host all all 127.0.0.1/32 reject\n")
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)


def a_password_is_wanted(server):
    with server.connected() as connection:
        hba = server.folder / "data/pg_hba.conf"
        server.hba = hba.read_text()
        hba.write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        connection.execute("SELECT pg_reload_conf()")
        time.sleep(0.3)
        server.end_sessions(connection)


def log_ins_are_taken(server):
    (server.folder / "data/pg_hba.conf").write_text(server.hba)
    server.process.send_signal(signal.SIGHUP)
    time.sleep(0.5)


def database_takes_no_one(server):
    with server.connected("", "template1") as connection:
        connection.execute("ALTER DATABASE postgres ALLOW_CONNECTIONS false")
        server.end_sessions(connection)


def database_takes_all(server):
    with server.connected("", "template1") as connection:
        connection.execute("ALTER DATABASE postgres ALLOW_CONNECTIONS true")


def table_is_locked(server):
    server.holder = psycopg.connect(server.address)
    server.holder.execute("SET lock_timeout = '10s'")
    server.holder.execute("LOCK TABLE pipelines_run IN ACCESS EXCLUSIVE MODE")


def table_is_free(server):
    server.holder.rollback()
    server.holder.close()


def nothing_more(server):
    """Nothing has to be undone."""


POSTGRES = {
    "nothing": (nothing_more, nothing_more),
    "read only": (is_read_only, as_before),
    "statements": (ends_statements, as_before),
    "connections": (connections_are_taken, connections_are_free),
    "sessions": (sessions_end, nothing_more),
    "sessions again": (sessions_end_again_and_again, sessions_stay),
    "stopped": (is_stopped, starts),
    "crashed": (crashes_for_good, starts),
    "restarted": (restarts, nothing_more),
    "backend": (one_backend_is_killed, is_there_again),
    "frozen": (freezes, thaws),
    "refused": (log_ins_are_refused, log_ins_are_taken),
    "password": (a_password_is_wanted, log_ins_are_taken),
    "closed": (database_takes_no_one, database_takes_all),
    "locked": (table_is_locked, table_is_free),
}


POSTGRES_ROWS = [
    row("sound", NOTHING, fault="nothing"),
    row("read_only", BUSY, fault="read only"),
    row("statements_end_at_once", BUSY, fault="statements"),
    row("connections_taken", AWAY, fault="connections"),
    row("sessions_ended_once", NOTHING, fault="sessions"),
    row("sessions_ended_again_and_again", BUSY, fault="sessions again"),
    row("stopped", AWAY, fault="stopped"),
    row("crashed", AWAY, fault="crashed"),
    row("restarted", BUSY, fault="restarted"),
    row("backend_killed", BUSY, fault="backend"),
    row("frozen", AWAY, fault="frozen"),
    row("log_ins_refused", BUSY, fault="refused"),
    row("password_wanted", AWAY, fault="password"),
    row("database_closed", AWAY, fault="closed"),
    row("table_locked", BUSY, fault="locked"),
    # A stand-in.
    row("refuses", AWAY, how={"refuse": True}),
    row("silence", AWAY, how={"silence": True}),
    row("resets", AWAY, content=b"", how={"then": "reset"}),
    row("ends_without_a_word", AWAY, content=b"", how={"then": "close"}),
    row(
        "speaks_http", AWAY, content=b"HTTP/1.1 400 Bad Request\r\n\r\n", how={"then": "close"}
    ),
    # Log-ins that are refused.
    log_in("too_many_clients", "53300"),
    log_in("wrong_password", "28P01"),
    log_in("starting_up", "57P03"),
    log_in("no_such_database", "3D000"),
    log_in("log_in_without_memory", "53200"),
    log_in("log_in_without_right", "42501"),
    row("error_before_encryption", AWAY, content=error("53300"), how={"then": "close"}),
    # All statements are refused, the pool's own as well, so that it gives out no
    # connection.
    row("disk_full", AWAY, how={"all": "53100"}),
    row("data_damaged", AWAY, how={"all": "XX001"}),
    row("internal_error", AWAY, how={"all": "XX000"}),
    row("deadlock", BUSY, how={"all": "40P01"}),
    row("statement_canceled", BUSY, how={"all": "57014"}),
    # All statements with a name in them: each is another exception of psycopg.
    every("memory_full", AWAY, "53200"),
    every("input_or_output_fails", AWAY, "58030"),
    every("index_damaged", AWAY, "XX002"),
    every("right_missing", AWAY, "42501"),
    every("database_dropped", AWAY, "3D000"),
    every("ended_by_an_admin", AWAY, "57P01", "fatal"),
    every("starting_up_behind_a_pooler", AWAY, "57P03"),
    every("not_serializable", BUSY, "40001"),
    every("lock_not_available", BUSY, "55P03"),
    # Chosen statements, in the midst of transactions of a real server.
    chosen("claims_not_serializable", CLAIM, "40001"),
    chosen("claims_without_the_lock", CLAIM, "55P03"),
    chosen("claims_end_the_connection", CLAIM, "57P01", "fatal"),
    chosen("claims_lose_the_answer", CLAIM, "57P01", "lost answer", seconds=75),
    chosen("commits_not_serializable", b"COMMIT", "40001", seconds=75),
    chosen("commits_end_the_connection", b"COMMIT", "57P01", "fatal", seconds=75),
    chosen("commits_lose_the_answer", b"COMMIT", "57P01", "lost answer"),
    chosen("pull_requests_without_space", PULLS, "53100"),
    chosen("pull_requests_without_memory", PULLS, "53200"),
    chosen("pull_requests_meet_a_damaged_index", PULLS, "XX002"),
    chosen("pull_requests_without_right", PULLS, "42501"),
    chosen("pull_requests_fail_on_the_disk", PULLS, "58030"),
    chosen("outbox_fails_on_the_disk", b'"mail_outboxmessage"', "58030"),
    chosen("outbox_without_right", b'"mail_outboxmessage"', "42501"),
    chosen("analytics_without_right", b'"analytics_analyticsevent"', "42501"),
    chosen("runs_without_right", b'"pipelines_run"', "42501"),
]


# SQLite.


def is_held(file):
    file.holder = sqlite3.connect(file.path, isolation_level=None, timeout=30)
    file.holder.execute("BEGIN IMMEDIATE")


def is_released(file):
    file.holder.rollback()
    file.holder.close()


def is_read_for_long(file):
    file.holder = sqlite3.connect(file.path, isolation_level=None, timeout=30)
    file.holder.execute("BEGIN")
    file.holder.execute("SELECT count(*) FROM teams_team").fetchone()


def is_written_without_end(file):
    """Let another process have the lock most of the time."""
    file.goes_on = True

    def write():
        with contextlib.closing(
            sqlite3.connect(file.path, isolation_level=None, timeout=30)
        ) as connection:
            while file.goes_on:
                connection.execute("BEGIN IMMEDIATE")
                time.sleep(0.15)
                connection.execute("COMMIT")
                time.sleep(0.02)

    file.thread = threading.Thread(target=write)
    file.thread.start()


def is_written_no_more(file):
    file.goes_on = False
    file.thread.join()


def is_cleaned_up(file):
    with contextlib.closing(
        sqlite3.connect(file.path, isolation_level=None, timeout=30)
    ) as connection:
        connection.execute("VACUUM")
        connection.execute("ANALYZE")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def queue_is_held(file):
    file.holder = sqlite3.connect(
        file.path.with_name("queue.sqlite3"), isolation_level=None, timeout=30
    )
    file.holder.execute("BEGIN IMMEDIATE")


def queue_is_emptied(file):
    with contextlib.closing(
        sqlite3.connect(file.path.with_name("queue.sqlite3"), timeout=30)
    ) as connection:
        connection.execute("DELETE FROM task")
        connection.commit()


def worker_has_no_files(file):
    """Let the worker open nothing more: no file, no socket, no connection."""
    file.limits = {}
    for pid in file.worker_pids():
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            file.limits[pid] = resource.prlimit(pid, resource.RLIMIT_NOFILE)
            count = len(list(Path(f"/proc/{pid}/fd").iterdir()))
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (count, file.limits[pid][1]))


def worker_has_files(file):
    for pid, limits in file.limits.items():
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


def worker_freezes(file):
    file.stopped = file.worker_pids()
    for pid in file.stopped:
        os.kill(pid, signal.SIGSTOP)


def worker_thaws(file):
    for pid in file.stopped:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


SQLITE = {
    "nothing": (nothing_more, nothing_more),
    "held": (is_held, is_released),
    "read": (is_read_for_long, is_released),
    "written": (is_written_without_end, is_written_no_more),
    "cleaned": (is_cleaned_up, nothing_more),
    "queue held": (queue_is_held, is_released),
    "queue emptied": (queue_is_emptied, nothing_more),
    "no files": (worker_has_no_files, worker_has_files),
    "frozen": (worker_freezes, worker_thaws),
}

SQLITE_ROWS = [
    row("sqlite_sound", NOTHING, fault="nothing"),
    row("sqlite_held", BUSY, fault="held"),
    row("sqlite_read_for_long", NOTHING, fault="read"),
    row("sqlite_written_without_end", BUSY, fault="written"),
    row("sqlite_cleaned_up", NOTHING, fault="cleaned"),
    row("sqlite_queue_held", BUSY, fault="queue held"),
    row("sqlite_queue_emptied", NOTHING, fault="queue emptied"),
    row("sqlite_worker_without_files", NOTHING, fault="no files"),
    row("sqlite_worker_frozen", NOTHING, fault="frozen"),
]
