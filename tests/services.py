"""Real servers for tests: a private Redis and a private PostgreSQL on loopback, in
folders of their own.
"""

import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
import redis

START_SECONDS = 30.0
# Linux gives the ports from 32768 on to clients (net.ipv4.ip_local_port_range).
FIRST_PORT, PORTS, PORT_RANGES = 20_000, 1_500, 8


def require(program, reason):
    """The path of a program that a test needs.

    Where it is missing, the test is skipped, or with CI set fails.
    """
    places = [
        os.environ.get("PATH", ""),
        *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)),
    ]
    path = shutil.which(program, path=os.pathsep.join(places))
    if path is None:
        message = f"{program} is not installed: {reason}"
        pytest.fail(message, pytrace=False) if os.environ.get("CI") else pytest.skip(message)
    return path


def free_port() -> int:
    """Return a port of loopback that nobody uses, out of a range of this test process's
    own.

    It lies below the ports that the system gives to clients: a client that asks such a
    port again and again before its server listens is in the end given that very port,
    connected to itself, and reads its own request as the answer.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    first = FIRST_PORT + worker % PORT_RANGES * PORTS
    for port in random.Random(os.urandom(8)).sample(range(first, first + PORTS), PORTS):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError(
        f"All ports from {first} to {first + PORTS - 1} are in use: end what listens on them."
    )


@contextlib.contextmanager
def redis_server():
    """Yields the redis:// address of an empty server that keeps nothing on disk."""
    program = require("redis-server", "the tests of the Redis mode start one")
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="firstlight-redis-") as folder:
        command = [
            program,
            "--port",
            str(port),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]
        with running([*command, "--dir", folder], folder) as server:
            client = redis.Redis(port=port)
            try:
                wait_until(client.ping, redis.ConnectionError, server)
            finally:
                client.close()
            yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def postgres_server():
    """Yields the postgresql:// address of the database `postgres` in a new cluster,
    whose user may make others.
    """
    reason = "the tests of the PostgreSQL mode start one"
    initdb, program = require("initdb", reason), require("postgres", reason)
    port = free_port()
    user = unprivileged_user()
    with tempfile.TemporaryDirectory(prefix="firstlight-postgres-") as folder:
        if user is not None:
            os.chown(folder, user, -1)
        data = f"{folder}/data"
        new = [
            initdb,
            "-D",
            data,
            "-U",
            "firstlight",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]
        subprocess.run(new, user=user, cwd=folder, check=True, capture_output=True)
        command = [
            program,
            "-D",
            data,
            "-p",
            str(port),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            "fsync=off",
        ]
        with running([*command, "-c", "unix_socket_directories="], folder, user) as server:
            address = f"postgresql://firstlight@127.0.0.1:{port}/postgres"
            wait_until(
                lambda: psycopg.connect(address, connect_timeout=2).close(),
                psycopg.OperationalError,
                server,
            )
            yield address


@contextlib.contextmanager
def running(command, folder, user=None):
    """The process of a command, ended on the way out by its own id, with what it
    started (a shell's pipe).
    """
    with Path(folder, "log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            user=user,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        end(process, signal.SIGINT)  # PostgreSQL waits for its clients on SIGTERM, not on this
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def end(process, kind=signal.SIGTERM, seconds=10):
    """End a process that a test started: kill it if it does not end by a signal of this
    kind in so many seconds.
    """
    process.send_signal(kind)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def wait_until(attempt, refusal, process):
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return attempt()
        except refusal:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def unprivileged_user():
    """Whom PostgreSQL runs as where the tests run as root, which it refuses; None where
    it can run as we do.
    """
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry.pw_uid for entry in pwd.getpwall()}
    return names.get("postgres") or names["nobody"]
