"""Redis's rows of the fault table: a setup, a night, and the pages, over a real web
process and a real worker.

All of it by hand, in about half an hour: `SAMPLE=all python -m pytest -m long -n 0 -s
tests/faults/test_redis_table.py`. `make test-long` tries a sample by SEED.
"""

import signal
import time
from contextlib import contextmanager

import pytest
import redis

from tests.chaos.servers import Redis
from tests.faults.redis_rows import REFUSES, ROWS, SERVER, welcomes
from tests.faults.site import SiteScene, assert_whole, new_folder, site_over
from tests.faults.table import assert_rows_differ, sample
from tests.faults.wire import Wire
from tests.fixtures.workers import eventually

# Seconds that a fault holds after work was started: floods of connections and of log
# lines show by then.
HOLDS = 4


class RealRedis(Redis):
    """A server, as the faults of `redis_rows.SERVER` treat it."""

    def command(self):
        return [*super().command(), "--enable-protected-configs", "yes"]

    @staticmethod
    def wait_for(condition):
        eventually(condition, 20)

    @contextmanager
    def client(self, password=None):
        with redis.Redis(port=self.port, password=password, socket_timeout=5) as client:
            yield client

    def cut_clients(self, password=None):
        with self.client(password) as client:
            client.client_kill_filter(_type="normal", skipme=True)

    def signal(self, number):
        self.process.send_signal(number)

    def process_away(self):
        self.stop()

    def process_back(self):
        self.start()

    def restart(self):
        self.stop()
        self.start()


class RedisScene(SiteScene):
    """A site, and a Redis with one fault."""

    def play(self):
        if self.row.how.get("welcomes"):
            self.wire.plays(welcomes(self.row.content))
        else:
            super().play()


@pytest.fixture(scope="module")
def place(octo_server):
    """A site over a Redis behind a wire."""
    with new_folder() as folder:
        (folder / "redis").mkdir()
        server = RealRedis(folder / "redis")
        server.start()
        try:
            url = "redis://127.0.0.1:{}/0"
            with (
                Wire(server.port) as wire,
                site_over(folder, octo_server, REDIS_URL=url.format(wire.port)) as site,
            ):
                yield site, server, wire
        finally:
            server.signal(signal.SIGCONT)
            server.stop()


@pytest.mark.long
@pytest.mark.parametrize("row", sample("redis", ROWS), ids=lambda row: row.name)
def test_fault_ends_as_its_row_states(row, place, octo_server, tried):
    octo_server.reset()
    site, server, wire = place
    scene = RedisScene(row, tried, site, server, wire, SERVER)
    team = site.new_team()

    def set_up():
        assert site.start(team) == 303
        time.sleep(HOLDS)
        scene.end()
        return site.eventually(team, lambda found: found["state"] == "done")

    with scene.fault():
        found = scene.measured("onboarding", set_up)
    assert_whole(found, runs=1)

    def refresh():
        assert site.refresh(team) == 303
        time.sleep(HOLDS)
        scene.end()
        return site.eventually(
            team, lambda found: found["runs"] == 2 and found["state"] == "done"
        )

    with scene.fault():
        found = scene.measured("night", refresh)
    assert_whole(found, runs=2)

    def look():
        for path, status in site.pages(team).items():
            assert status in (200, 302, 303), (path, status)
        assert site.sign_in(team) == 302
        ready, notes = site.probe("/readyz")
        healthy, _ = site.probe("/healthz")
        # Pages work, so the load balancer keeps sending people here; an operator is
        # called.
        assert ready == 200
        if row.outcome == REFUSES:
            assert "The queue" in notes
            assert healthy == 503

    with scene.fault():
        scene.measured("page", look)
    assert site.worker.poll() is None


def test_rows_differ_in_bytes():
    assert_rows_differ(ROWS, floor=45)
