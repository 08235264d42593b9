"""The optional parts' rows of the fault table: a setup, a night, and the pages, over a
real web process and a real worker.

All of it by hand, in about ten minutes: `SAMPLE=all python -m pytest -m long -n 0 -s
tests/faults/test_optional_table.py`. `make test-long` tries a sample by SEED.
"""

import contextlib
import sqlite3
import time

import pytest

from tests.faults.optional_rows import PARTS, ROWS, SOUND
from tests.faults.site import SiteScene, assert_whole, has_completion, new_folder, site_over
from tests.faults.table import assert_rows_differ, sample
from tests.faults.wire import Wire

# Seconds that a fault holds after work was started.
HOLDS = 4
FINE = {200, 302, 303}


class Parts:
    """The optional parts of a site, as the faults of `optional_rows.PARTS` treat them."""

    team = None

    def __init__(self, site):
        self.path, self.port = (
            site.installation.folder / "state/db.sqlite3",
            site.installation.port,
        )
        self._site = site

    def webhook(self, team):
        return self._site.webhook(team)

    def events_of_runs(self, team):
        """Return how many ends of the team's runs analytics has."""
        with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as connection:
            statement = "SELECT count(*) FROM analytics_analyticsevent WHERE name = 'completed' AND team_id = ?"
            return connection.execute(statement, [team["team"]]).fetchone()[0]


class OptionalScene(SiteScene):
    """A site, and one optional part with a fault.

    The proxy of streams is a stand-in also if it is sound.
    """

    def end(self):
        super().end()
        before = self.wire.connections
        self.wire.plays(SOUND)
        self.wire.connections = before


@pytest.fixture(scope="module")
def place(octo_server):
    """A site whose streams a proxy holds."""
    with new_folder() as folder, Wire(0) as wire:
        wire.plays(SOUND)
        url = f"http://127.0.0.1:{wire.port}/?iss=firstlight&key=a-made-up-key"
        with site_over(folder, octo_server, GRIP_URL=url) as site:
            yield site, Parts(site), wire, PARTS


@pytest.mark.long
@pytest.mark.parametrize("row", sample("optional", ROWS), ids=lambda row: row.name)
def test_fault_ends_as_its_row_states(row, place, octo_server, tried):
    octo_server.reset()
    site, parts, wire, faults = place
    scene = OptionalScene(row, tried, site, parts, wire, faults)
    team = parts.team = site.new_team()

    def set_up():
        assert site.start(team) == 303
        # While the fault lasts.
        return site.eventually(
            team, lambda found: found["state"] == "done" and has_completion(found)
        )

    with scene.fault():
        found = scene.measured("onboarding", set_up)
    assert_whole(found, runs=1)

    def refresh():
        assert site.refresh(team) == 303
        time.sleep(HOLDS)
        # A webhook may have caused a further run.
        return site.eventually(
            team, lambda found: found["runs"] >= 2 and found["state"] == "done"
        )

    with scene.fault():
        found = scene.measured("night", refresh)
    assert (found["pulls"], found["figures"], found["missing"]) == (33, True, [])

    def look():
        for path, status in site.pages(team).items():
            assert status in FINE, (path, status)
        assert site.sign_in(team) in FINE | {429}
        assert site.probe("/readyz")[0] == 200
        assert site.probe("/healthz")[0] == 200

    with scene.fault():
        scene.measured("page", look)
    # Nothing is lost: analytics gets what it refused when its turn comes again.
    site.eventually(team, lambda found: parts.events_of_runs(team) >= 2, seconds=120)
    assert site.worker.poll() is None


def test_rows_differ_in_bytes():
    assert_rows_differ(ROWS, floor=17)
