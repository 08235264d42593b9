"""Streams where hints go through a real Redis, and when it is away."""

import signal
import time

import pytest
import redis

from apps.pipelines.stream import hints, hub, relay
from tests.fixtures.workers import eventually
from tests.pipelines.stream.watching import Web
from tests.services import free_port, require, running


class Server:
    """A Redis that can go away and come back at its address."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._running = None

    def start(self):
        program = require("redis-server", "the tests of the Redis mode start one")
        command = [
            program,
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        self._running = running([*command, "--dir", str(self.folder)], self.folder)
        self.process = self._running.__enter__()
        eventually(self._answers)
        return self

    def _answers(self):
        with redis.Redis(port=self.port) as client:
            try:
                return client.ping()
            except redis.ConnectionError:
                return False

    def stop(self):
        if self._running:
            self._running.__exit__(None, None, None)
            self._running = None

    def subscribers(self):
        with redis.Redis(port=self.port) as client:
            return client.pubsub_numsub(hints.channel())[0][1]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def web(server, django_db_setup, django_db_blocker, tmp_path_factory):
    with django_db_blocker.unblock():
        web = Web(tmp_path_factory.mktemp("web"), REDIS_URL=server.url).start()
    yield web
    web.stop()


@pytest.fixture(autouse=True)
def by_redis(server, settings):
    settings.REDIS_URL = server.url
    eventually(lambda: server.subscribers() == 0)
    time.sleep(hints.BREAK)  # an outage in the test before may have left the bell silent


def test_hints_bring_changes_faster_than_any_look_of_its_own(acme, watch, server):
    watchers = [watch().until(acme.run.seq) for _ in range(5)]
    eventually(lambda: server.subscribers() == 1)
    took = []
    for number in range(10):
        time.sleep(hub.PAUSE)
        seq = acme.say("a", n=number)
        began = time.monotonic()
        for watcher in watchers:
            watcher.until(seq)
        took.append(time.monotonic() - began)
    assert sorted(took)[5] < 0.3 < relay.RESYNC_EVERY
    for watcher in watchers:
        watcher.close()
    eventually(lambda: server.subscribers() == 0)


def test_while_redis_is_away_changes_come_late_and_then_soon_again(acme, watch, web, server):
    watcher = watch().until(acme.run.seq)
    server.stop()
    for number in range(3):
        began = time.monotonic()
        seq = acme.say("a", n=number)
        assert time.monotonic() - began < 1.0  # the writer is not held up
        watcher.until(seq)
        assert time.monotonic() - began < 2 * relay.RESYNC_EVERY + 1
    late = watch().until(seq)
    server.start()
    eventually(lambda: server.subscribers() == 1)
    time.sleep(hints.BREAK)
    began = time.monotonic()
    seq = acme.say("a", n="again")
    for one in (watcher, late):
        one.until(seq)
    assert time.monotonic() - began < relay.RESYNC_EVERY
    assert watcher.ids == sorted(set(watcher.ids))
    assert "Redis is away" in web.log.read_text()


def test_a_redis_that_hangs_holds_no_writer_up_for_long_and_loses_nothing(acme, watch, server):
    watcher = watch().until(acme.run.seq)
    server.process.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        for number in range(20):
            seq = acme.say(f"p{number}", n=number)
        assert time.monotonic() - began < 2.0
        watcher.until(seq)
        assert watcher.state["part/p0"] == {"n": 0}
    finally:
        server.process.send_signal(signal.SIGCONT)


def test_a_hint_that_was_never_given_is_made_up_for(acme, watch, server, settings):
    watcher = watch().until(acme.run.seq)
    eventually(lambda: server.subscribers() == 1)
    settings.REDIS_URL = ""
    watcher.until(acme.say("a", n=1))
