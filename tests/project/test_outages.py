"""Outages of PostgreSQL, Redis, and SQLite's lock, met by real web processes and
workers.
"""

import contextlib
import os
import signal
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import redis

from tests.chaos.servers import Postgres, Redis
from tests.project.installation import Installation

pytestmark = pytest.mark.long
# What a visitor may wait for the answer that the database is away or busy.
PAGE_SECONDS = 5.0
RESET = "email=owner%40acme.example"
OUTAGE_SECONDS = float(os.environ.get("SECONDS") or 15)


@contextlib.contextmanager
def installed(folder, workers=0, **env):
    installation = Installation(folder, **env)
    try:
        for number in range(1, workers + 1):
            installation.start_worker(number)
        installation.start_web()
        yield installation
    finally:
        installation.end()


@contextlib.contextmanager
def running(server):
    server.start()
    try:
        yield server
    finally:
        server.stop(signal.SIGKILL) if server.process.poll() is None else None


def forget_answers():
    """Wait until a probe's last answer is not given again."""
    time.sleep(1.1)


def assert_at_most_1_mb_a_minute(site, log, since):
    """`log` is the size of the logs at the moment `since`.

    An outage shorter than a minute counts as one.
    """
    seconds = max(60.0, time.monotonic() - since)
    assert (site.log_bytes() - log) * 60 / seconds < 1_000_000


def assert_probes_answer(site, seconds=2.0, **statuses):
    for path in ("/readyz", "/healthz"):
        status, took, _, body = site.ask(path)
        assert took < seconds, (path, took)
        if path[1:] in statuses:
            assert status == statuses[path[1:]], (path, body)


def test_postgresql_away_answers_503_and_returns(folder):
    (folder / "postgres").mkdir()
    with (
        running(Postgres(folder / "postgres")) as server,
        installed(folder, workers=3, DATABASE_URL=server.url) as site,
    ):
        site.wait(lambda: site.status("/healthz") == 200, 60)
        server.stop()
        log, down_at = site.log_bytes(), time.monotonic()
        forget_answers()
        assert_probes_answer(site, readyz=503, healthz=503)
        for path in (f"/t/{site.slug}/", "/home/", "/accounts/login/"):
            status, took, headers, body = site.ask(path)
            assert status in (200, 503), (path, status)
            assert took < 5
            if status == 503:
                assert headers["Retry-After"]
                assert "data-" not in body or "127.0.0.1" not in body
        status, took, _, body = site.ask(f"/t/{site.slug}/", **{"HX-Request": "true"})
        assert (status, took < 5, "<html" in body) == (503, True, False)
        while time.monotonic() - down_at < OUTAGE_SECONDS:
            assert_probes_answer(site, readyz=503)
            site.ask(f"/t/{site.slug}/")
        assert_at_most_1_mb_a_minute(site, log, down_at)
        server.start()
        site.wait(
            lambda: site.status("/readyz") == 200 and site.status(f"/t/{site.slug}/") == 200, 5
        )
        site.wait(lambda: site.status("/healthz") == 200, 30)


def test_frozen_postgresql_leaves_probes_and_refusals_quick(folder):
    (folder / "postgres").mkdir()
    with (
        running(Postgres(folder / "postgres")) as server,
        installed(folder, DATABASE_URL=server.url) as site,
    ):
        pages, team = site.pages(), f"/t/{site.slug}/"
        for path in pages[:5]:
            site.ask(path)
        log, since = site.log_bytes(), time.monotonic()
        with frozen(server.process.pid):
            # The first pages meet the pool's open connections, the later ones an empty
            # pool. Probes would use them up.
            for path in pages[:5]:
                status, took, headers, _ = site.ask(path)
                assert (status, took < PAGE_SECONDS) == (503, True), (path, status, took)
                assert headers["Retry-After"]
            forget_answers()
            for _ in range(3):
                assert_probes_answer(site, readyz=503, healthz=503)
            with ThreadPoolExecutor(20) as executor:
                answers = list(executor.map(site.ask, pages * 2))
            for status, took, _, _ in answers:
                assert status in (200, 503)
                assert took < PAGE_SECONDS
            assert_probes_answer(site, readyz=503, healthz=503)
        assert_at_most_1_mb_a_minute(site, log, since)
        site.wait(lambda: site.status("/readyz") == 200 and site.status(team) == 200, 5)


def test_locked_postgresql_table_answers_busy(folder):
    (folder / "postgres").mkdir()
    with (
        running(Postgres(folder / "postgres")) as server,
        installed(folder, DATABASE_URL=server.url) as site,
    ):
        site.ask("/home/")
        address = f"postgresql://firstlight@127.0.0.1:{server.port}/postgres"
        with psycopg.connect(address) as holder:
            holder.execute("LOCK TABLE teams_team IN EXCLUSIVE MODE")
            status, took, _, _ = site.ask("/teams/new/", "POST", "name=Other")
            assert (status, took < PAGE_SECONDS) == (503, True), (status, took)
            assert site.status(f"/t/{site.slug}/") == 200
            assert_probes_answer(site, readyz=200)
        assert site.ask("/teams/new/", "POST", "name=Other")[0] in (302, 303)


@contextlib.contextmanager
def frozen(pid):
    """Stop a process and its children, so that their connections stay open and get no
    answer.
    """
    pids = [pid, *children_of(pid)]
    for each in pids:
        os.kill(each, signal.SIGSTOP)
    try:
        yield
    finally:
        for each in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(each, signal.SIGCONT)


def children_of(pid):
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def refuse_by_memory(client):
    client.config_set("maxmemory", "1")


def refuse_by_disk(client):
    client.config_set("dir", "/proc")
    client.config_set("save", "1 1")
    client.set("x", "y")
    client.set("y", "z")
    with contextlib.suppress(redis.ResponseError):
        client.bgsave()
    time.sleep(1.5)


def refuse_by_password(client):
    client.config_set("requirepass", "another-password")


def refuse_as_a_replica(client):
    client.replicaof("127.0.0.1", "1")


REFUSALS = {
    "memory": refuse_by_memory,
    "password": refuse_by_password,
    "replica": refuse_as_a_replica,
}


@pytest.mark.parametrize("kind", [*REFUSALS, "away", "hangs"])
def test_pages_and_probes_work_without_redis(folder, kind):
    (folder / "redis").mkdir()
    with (
        running(Redis(folder / "redis")) as server,
        installed(folder, REDIS_URL=server.url) as site,
    ):
        site.ask("/home/")
        if kind == "away":
            server.stop()
        elif kind == "hangs":
            server.process.send_signal(signal.SIGSTOP)
        else:
            with redis.Redis(port=server.port) as client:
                REFUSALS[kind](client)
        forget_answers()
        log, since = site.log_bytes(), time.monotonic()
        try:
            status, took, _, body = site.ask("/readyz")
            assert (status, took < 2, "The queue" in body) == (200, True, True), body
            status, took, _, body = site.ask("/healthz")
            assert (status, took < 2, "The queue" in body) == (503, True, True), body
            assert "127.0.0.1" not in body
            for path in site.pages():
                status, took, _, body = site.ask(path)
                assert status < 500, (path, status)
                assert took < 2, (path, took)
            status, took, _, body = site.ask(
                "/accounts/login/",
                "POST",
                "login=owner%40acme.example&password=Correct-Horse-9-Battery",
                Cookie=f"csrftoken={'c' * 32}",
            )
            assert status == 302, body
            assert took < 10  # hashing a password on a busy machine
            status, took, _, body = site.ask(
                "/accounts/password/reset/", "POST", RESET, Cookie=f"csrftoken={'c' * 32}"
            )
            assert status == 302, body
            assert took < 4
        finally:
            if kind == "hangs":
                server.process.send_signal(signal.SIGCONT)
        assert_at_most_1_mb_a_minute(site, log, since)


def test_locked_sqlite_answers_busy_and_loses_nothing(folder):
    mails = folder / "mails"
    with installed(folder, workers=1, EMAIL_URL=f"filebased://{mails}") as site:
        # allauth adds the address of an account that an operator made at the first
        # visit.
        site.ask("/accounts/email/")
        site.wait(lambda: site.status("/healthz") == 200, 60)
        holder = sqlite3.connect(
            folder / "state" / "db.sqlite3", isolation_level=None, timeout=30
        )
        accepted = [site.ask("/accounts/password/reset/", "POST", RESET)[0] for _ in range(3)]
        assert accepted == [302] * 3
        holder.execute("BEGIN IMMEDIATE")
        log, since = site.log_bytes(), time.monotonic()
        try:
            assert_answers_busy(site)
            while time.monotonic() - since < OUTAGE_SECONDS:
                assert_answers_busy(site)
            forget_answers()
            _, _, _, body = site.ask("/healthz")
            assert "is locked" in body, body
            assert "No worker" not in body, "workers wait for the lock as well"
        finally:
            holder.execute("ROLLBACK")
        assert_at_most_1_mb_a_minute(site, log, since)
        assert site.ask("/teams/new/", "POST", "name=Other")[0] in (302, 303)
        # Each email that was accepted leaves, and none twice.
        count = "SELECT count(*) FROM mail_outboxmessage WHERE dedupe_key LIKE 'account:%'"
        assert holder.execute(count).fetchone()[0] == 3
        site.wait(lambda: not holder.execute(f"{count} AND sent_at IS NULL").fetchone()[0], 60)
        written = "".join(path.read_text() for path in mails.iterdir())
        assert written.count("Subject: Set a new password") == 3
        assert holder.execute("SELECT count(*) FROM teams_team").fetchone()[0] == 2
        site.wait(lambda: site.status("/healthz") == 200, 30)
        holder.close()


def assert_answers_busy(site):
    status, took, headers, body = site.ask("/teams/new/", "POST", "name=Other")
    assert (status, took < PAGE_SECONDS) == (503, True), (status, took)
    assert headers["Retry-After"]
    status, took, _, body = site.ask(
        "/teams/new/", "POST", "name=Other", **{"HX-Request": "true"}
    )
    assert (status, took < PAGE_SECONDS, "<" in body) == (503, True, False)
    for path in site.pages():
        status, took, _, _ = site.ask(path)
        assert (status < 500, took < 2) == (True, True), (path, status, took)
    assert_probes_answer(site, readyz=200)


def test_flood_of_probes_costs_one_check_a_second(folder):
    with installed(folder) as site:
        statuses = []

        def ask():
            statuses.extend(site.status("/readyz") for _ in range(50))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        start = time.monotonic()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert statuses == [200] * 400
        assert time.monotonic() - start < 20
