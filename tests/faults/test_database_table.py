"""The databases' rows of the fault table: a setup, a night, and the pages, over a real
web process and a real worker.

All of it by hand, in about half an hour: `SAMPLE=all python -m pytest -m long -n 0 -s
tests/faults/test_database_table.py`. `make test-long` tries a sample by SEED.
"""

import contextlib
import signal
import time
from pathlib import Path

import psycopg
import pytest

from tests.chaos.servers import Postgres
from tests.faults.database_rows import (
    AWAY,
    BUSY,
    POSTGRES,
    POSTGRES_ROWS,
    SOME,
    SQLITE,
    SQLITE_ROWS,
)
from tests.faults.postgres_wire import PostgresWire, refuses_log_in, refuses_statements
from tests.faults.site import SiteScene, assert_whole, has_completion, new_folder, site_over
from tests.faults.table import assert_rows_differ, sample

# Seconds that a fault holds after work was started, and that a row may wait for its
# chosen statement before that.
HOLDS, LONGEST_HOLD = 3, 12
FINE, REFUSED = {200, 302, 303}, {503}


def children_of(pid):
    """Return a process and all below it."""
    found, todo = [], [pid]
    while todo:
        pid = todo.pop()
        found.append(pid)
        with contextlib.suppress(FileNotFoundError):
            todo += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
    return found


class RealPostgres(Postgres):
    """A server with few connections, as the faults of `database_rows.POSTGRES` treat
    it.
    """

    address = property(lambda self: f"postgresql://firstlight@127.0.0.1:{self.port}/postgres")

    def command(self):
        return [*super().command(), "-c", "max_connections=40"]

    @contextlib.contextmanager
    def connected(self, options="", database="postgres"):
        address = self.address.replace("/postgres", f"/{database}")
        with psycopg.connect(
            address, autocommit=True, connect_timeout=5, options=options
        ) as connection:
            yield connection

    @staticmethod
    def end_sessions(connection):
        """End all sessions but this one's, and those that hold places."""
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL"
            " AND application_name <> 'holder'"
        )

    def family(self):
        return children_of(self.process.pid)


class File:
    """The SQLite file of a site, as the faults of `database_rows.SQLITE` treat it."""

    def __init__(self, site):
        self.path, self._worker = site.installation.folder / "state/db.sqlite3", site.worker

    def worker_pids(self):
        return children_of(self._worker.pid)


class DatabaseScene(SiteScene):
    """A site, and a database with one fault."""

    def hold(self):
        """Let the fault last for a while."""
        time.sleep(HOLDS)


class PostgresScene(DatabaseScene):
    """A site, and a PostgreSQL with one fault.

    `broken` counts the chosen statements that met it.
    """

    broken = 0

    def play(self):
        how = self.row.how
        if how.get("log_in"):
            self.wire.plays(refuses_log_in(how["log_in"]))
        elif how.get("all"):
            self.wire.plays(refuses_statements(how["all"]))
        elif how.get("words"):
            self.wire.breaks(**how)
        else:
            super().play()

    def hold(self):
        """Wait until the chosen statement was sent, which a refresh need not do, and
        then as long as others.
        """
        until = time.monotonic() + LONGEST_HOLD
        while "words" in self.row.how and not self.wire.broken and time.monotonic() < until:
            time.sleep(0.1)
        super().hold()

    def end(self):
        super().end()
        self.broken += self.wire.broken
        self.wire.broken = 0


@pytest.fixture(scope="module")
def over_postgres(octo_server):
    """A site over a PostgreSQL behind a wire."""
    with new_folder() as folder:
        (folder / "postgres").mkdir()
        server = RealPostgres(folder / "postgres")
        server.start()
        try:
            with PostgresWire(server.port) as wire:
                url = server.url.replace(f":{server.port}/", f":{wire.port}/")
                with site_over(folder, octo_server, DATABASE_URL=url) as site:
                    yield site, server, wire, POSTGRES
        finally:
            server.process.send_signal(signal.SIGCONT)
            server.stop()


@pytest.fixture(scope="module")
def over_sqlite(octo_server):
    """A site over a SQLite file."""
    with new_folder() as folder, site_over(folder, octo_server) as site:
        yield site, File(site), None, SQLITE


@pytest.mark.long
@pytest.mark.parametrize("row", sample("postgresql", POSTGRES_ROWS), ids=lambda row: row.name)
def test_fault_of_postgresql_ends_as_its_row_states(row, over_postgres, octo_server, tried):
    octo_server.reset()
    scene = PostgresScene(row, tried, *over_postgres)
    try_row(scene)
    # A row whose chosen statement was never sent would show nothing.
    assert scene.broken or "words" not in row.how


@pytest.mark.long
@pytest.mark.parametrize("row", sample("sqlite", SQLITE_ROWS), ids=lambda row: row.name)
def test_fault_of_sqlite_ends_as_its_row_states(row, over_sqlite, octo_server, tried):
    octo_server.reset()
    try_row(DatabaseScene(row, tried, *over_sqlite))


def try_row(scene):
    site, row = scene.site, scene.row
    team = site.new_team()

    def set_up():
        status = site.start(team)
        assert status in FINE | REFUSED
        scene.hold()
        scene.end()
        if status in REFUSED:
            # Nothing was changed, so the user may try again.
            site.wait_until_pages_work(team)
            assert site.start(team) == 303
        # The email's row is written with the run's end, or a little later if that
        # failed.
        return site.eventually(
            team, lambda found: found["state"] == "done" and has_completion(found)
        )

    with scene.fault():
        found = scene.measured("onboarding", set_up)
    assert_whole(found, runs=1)

    def refresh():
        # In the midst of a run.
        assert site.refresh(team) == 303
        with scene.fault():
            scene.hold()
        return site.eventually(
            team, lambda found: found["runs"] == 2 and found["state"] == "done"
        )

    site.wait_until_pages_work(team)
    assert_whole(scene.measured("night", refresh), runs=2)

    def look():
        expected = {AWAY: REFUSED, BUSY: FINE | REFUSED, SOME: FINE | REFUSED}.get(
            row.outcome, FINE
        )
        answered = site.pages(team)
        for path, status in answered.items():
            # Pages that need no row, as the sign-in page, may answer as usual.
            assert status in expected | ({200} if path == "/accounts/login/" else set()), (
                path,
                status,
            )
        assert site.sign_in(team) in expected | {429}
        ready, _ = site.probe("/readyz")
        if row.outcome == AWAY:
            assert ready == 503
        elif not row.outcome:
            assert ready == 200

    with scene.fault():
        scene.measured("page", look)
    site.wait_until_pages_work(team)
    assert site.worker.poll() is None


def test_rows_differ_in_bytes():
    assert_rows_differ(POSTGRES_ROWS, floor=25)
    assert_rows_differ(SQLITE_ROWS, floor=9)
