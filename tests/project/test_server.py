"""The web process keeps serving whatever visitors send, and says why it refuses
something. Real sockets, a real process.

FORWARDED_ALLOW_IPS names an address that nobody uses here, so that loopback addresses
count as visitors: attackers come from 127.0.0.2, other visitors from 127.0.0.1.
"""

import contextlib
import http.client
import os
import resource
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.db import connection

from project.server import limits
from project.server.connections import Connections
from tests.fixtures.workers import ROOT
from tests.servers import database_url
from tests.services import end, free_port

ATTACKER, VISITOR = "127.0.0.2", "127.0.0.1"
START_SECONDS = 30.0


class Server:
    """A web process of its own. `files` is its limit of open files."""

    def __init__(self, folder, files=4096):
        self.port = free_port()
        self.log = Path(folder) / "web.log"
        environment = os.environ | {
            "DATABASE_URL": database_url(connection),
            "FORWARDED_ALLOW_IPS": "192.0.2.1",
            "DJANGO_SETTINGS_MODULE": "tests.settings",
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-W",
                    "ignore",
                    "-m",
                    "project.server",
                    "--port",
                    str(self.port),
                ],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (files, files)),
            )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                assert self.get("/accounts/login/").status == 200
                return
            except OSError:
                assert self.process.poll() is None, self.log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.1)

    def connect(self, address=VISITOR):
        """Return a socket that is connected from one of this machine's addresses."""
        return socket.create_connection(
            ("127.0.0.1", self.port), timeout=10, source_address=(address, 0)
        )

    def get(self, path, address=VISITOR):
        """Return the answer to a GET, read to its end."""
        client = http.client.HTTPConnection(
            "127.0.0.1", self.port, timeout=10, source_address=(address, 0)
        )
        try:
            client.request("GET", path)
            response = client.getresponse()
            response.text = response.read().decode()
            return response
        finally:
            client.close()

    def seconds_for(self, path):
        start = time.monotonic()
        assert self.get(path).status == 200
        return time.monotonic() - start

    def sent(self, data, address=ATTACKER, *, wait=limits.HEADER_SECONDS + 5):
        """Send bytes and return all that comes back until the server closes."""
        with self.connect(address) as link:
            link.settimeout(wait)
            with contextlib.suppress(ConnectionError):
                link.sendall(data)
            return everything(link)

    def stop(self):
        end(self.process, seconds=20)


def everything(link):
    received = b""
    with contextlib.suppress(ConnectionError):
        while data := link.recv(65536):
            received += data
    return received


def status_of(answer):
    return int(answer.split(b" ", 2)[1]) if answer else None


@pytest.fixture
def start(transactional_db, tmp_path):
    started = []

    def start(**options):
        started.append(Server(tmp_path, **options))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def server(start):
    return start()


def post(size, path=b"/accounts/login/", *more):
    lines = [
        b"POST " + path + b" HTTP/1.1",
        b"Host: localhost",
        b"Content-Length: " + str(size).encode(),
        *more,
    ]
    return b"\r\n".join([*lines, b"", b""])


def test_what_is_too_large_is_refused_with_its_status(server):
    host = b" HTTP/1.1\r\nHost: localhost\r\n"
    assert status_of(server.sent(post(limits.FORM + 1))) == 413
    assert status_of(server.sent(post(600 * 1024 * 1024) + b"x" * 300_000)) == 413
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    chunked = (
        b"POST /accounts/login/" + host + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 6
    )
    assert status_of(server.sent(chunked)) == 413
    assert status_of(server.sent(b"GET /?" + b"a" * 9000 + host + b"\r\n")) == 414
    assert (
        status_of(server.sent(b"GET /" + host + b"X-A: " + b"a" * 40_000 + b"\r\n\r\n")) == 431
    )
    assert status_of(server.sent(b"GET /" + host + b"X-A: a\r\n" * 200 + b"\r\n")) == 431
    assert status_of(server.sent(b"GET /" + host + b"X-A: " + b"a" * 100_000)) == 431
    assert server.get("/accounts/login/").status == 200


def test_a_signed_delivery_may_be_larger(server):
    path = b"/hooks/github/3f0a1c52-8a3e-4d0c-9f55-5a5c2f6f7f10/"
    signature = b"X-Hub-Signature-256: sha256=" + b"0" * 64
    size = 2 * limits.FORM
    whole = post(size, path, signature, b"Connection: close") + b"x" * size
    assert status_of(server.sent(whole)) not in (413, 503)
    assert status_of(server.sent(post(size, path))) == 413
    assert status_of(server.sent(post(limits.WEBHOOK + 1, path, signature))) == 413


def test_only_a_few_large_deliveries_are_read_at_once(server):
    path = b"/hooks/github/3f0a1c52-8a3e-4d0c-9f55-5a5c2f6f7f10/"
    head = post(limits.WEBHOOK, path, b"X-Hub-Signature-256: sha256=" + b"0" * 64)
    with contextlib.ExitStack() as stack:
        for _ in range(limits.WEBHOOKS_AT_ONCE):
            stack.enter_context(server.connect()).sendall(head + b"x" * 1000)
        answer = server.sent(head)
        assert (status_of(answer), b"retry-after" in answer) == (503, True)
    time.sleep(0.5)
    small = post(1000, path, b"X-Hub-Signature-256: sha256=" + b"0" * 64, b"Connection: close")
    assert status_of(server.sent(small + b"x" * 1000)) not in (413, 503)


def test_a_header_that_does_not_end_is_answered_in_time(server):
    start = time.monotonic()
    assert status_of(server.sent(b"GET / HTTP/1.1\r\nHost: loc")) == 408
    assert time.monotonic() - start < limits.HEADER_SECONDS + 3


def test_one_address_has_its_own_bound():
    counted = Connections(1000, "10.0.0.1", 2000)
    visitors = [Held(counted, "192.0.2.7") for _ in range(counted.most_per_client)]
    assert all(counted.admit(each) for each in visitors)
    for each in visitors:
        counted.busy(each)
    assert not counted.admit(Held(counted, "192.0.2.7"))
    assert counted.admit(Held(counted, "192.0.2.8"))
    assert all(counted.admit(Held(counted, "10.0.0.1")) for _ in range(500))


def test_addresses_of_one_ipv6_network_count_as_one_client():
    counted = Connections(1000, "", 2000)
    assert counted.key_of("2001:db8:1:2::1") == counted.key_of("2001:db8:1:2:ffff::9")
    assert counted.key_of("2001:db8:1:2::1") != counted.key_of("2001:db8:1:3::1")


class Held:
    """A connection that does nothing."""

    def __init__(self, counted, address):
        self.client_key = counted.key_of(address)

    def drop(self):
        raise AssertionError("closed for another")


TRIALS = {
    # name: (limit of open files, connections, what each sends)
    "half-open": (65_536, 3_000, b"GET /accounts/login/ HTTP/1.1\r\nHost: loc"),
    "idle": (65_536, 5_000, b""),
    "few files": (1_024, 2_000, b""),
}


@pytest.mark.long
@pytest.mark.parametrize("name", TRIALS)
def test_others_are_served_within_a_second(start, name):
    files, count, sent = TRIALS[name]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 20_000:
        pytest.skip(
            f"This machine lets a process open {hard} files, too few for the trial's own sockets."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))
    server = start(files=min(files, hard))
    slowest = 0.0
    try:
        with contextlib.ExitStack() as stack:
            for number in range(count):
                link = stack.enter_context(server.connect(f"127.0.0.{2 + number % 200}"))
                with contextlib.suppress(ConnectionError):
                    link.sendall(sent)
                if number % 250 == 249:
                    slowest = max(slowest, server.seconds_for("/accounts/login/"))
            for _ in range(10):
                slowest = max(slowest, server.seconds_for("/accounts/login/"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    print(f"{name}: {count} connections, slowest answer to others {slowest:.2f} s")
    assert slowest < 1
    if name == "few files":
        assert "LimitNOFILE" in server.log.read_text()
