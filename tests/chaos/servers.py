"""The servers that the faults restart:

PostgreSQL, Redis, and a mail server that counts what it accepts.
"""

import contextlib
import email
import os
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import psycopg
import redis
from aiosmtpd.controller import Controller

from tests.services import free_port, require, unprivileged_user, wait_until


class Server:
    """A process that can be ended hard and started again, on the same port and folder."""

    user = None

    def __init__(self, folder):
        self.folder, self.port = Path(folder), free_port()
        self.process = None

    def start(self):
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                cwd=self.folder,
                user=self.user,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        self.wait()

    def restart(self, down):
        """End it, leave it away for `down` seconds, start it."""
        self.stop()
        time.sleep(down)
        self.start()

    def stop(self, number=signal.SIGKILL):
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait()


class Redis(Server):
    """Keeps nothing on disk: a restart loses all messages."""

    url = property(lambda self: f"redis://127.0.0.1:{self.port}/0")

    def command(self):
        program = require("redis-server", "chaos over Redis needs it")
        return [
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

    def wait(self):
        with redis.Redis(port=self.port) as client:
            wait_until(client.ping, redis.ConnectionError, self.process)

    def flush(self):
        with redis.Redis(port=self.port) as client:
            client.flushall()


class Postgres(Server):
    # A frozen worker must not hold rows for longer than those that wait for it have
    # time.
    idle = "options=-c%20idle_in_transaction_session_timeout=5s"
    url = property(
        lambda self: (
            f"postgresql://firstlight@127.0.0.1:{self.port}/postgres?pool_size=8&{self.idle}"
        )
    )

    def __init__(self, folder, fsync=False):
        super().__init__(folder)
        self.fsync = fsync
        self.user = unprivileged_user()
        if self.user is not None:
            os.chown(self.folder, self.user, -1)
        initdb = require("initdb", "chaos over PostgreSQL needs it")
        new = [
            initdb,
            "-D",
            "data",
            "-U",
            "firstlight",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]
        subprocess.run(new, user=self.user, cwd=self.folder, check=True, capture_output=True)

    def command(self):
        program = require("postgres", "chaos over PostgreSQL needs it")
        options = [
            "listen_addresses=127.0.0.1",
            f"fsync={'on' if self.fsync else 'off'}",
            "unix_socket_directories=",
        ]
        return [
            program,
            "-D",
            "data",
            "-p",
            str(self.port),
            *(word for option in options for word in ("-c", option)),
        ]

    def wait(self):
        address = f"postgresql://firstlight@127.0.0.1:{self.port}/postgres"
        wait_until(
            lambda: psycopg.connect(address, connect_timeout=2).close(),
            psycopg.OperationalError,
            self.process,
        )

    def stop(self, number=signal.SIGQUIT):
        # At once, without a word to its clients; what was committed is recovered at the
        # start.
        super().stop(number)


class Mailbox:
    """Counts accepted messages by their Message-ID."""

    def __init__(self):
        self.accepted = Counter()
        self._controller = Controller(
            self, hostname="127.0.0.1", port=free_port(), server_hostname="mail.test"
        )

    url = property(lambda self: f"smtp://127.0.0.1:{self._controller.port}")

    def start(self):
        self._controller.start()

    def stop(self):
        with contextlib.suppress(Exception):
            self._controller.stop()

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        self.accepted[email.message_from_bytes(envelope.content)["Message-ID"]] += 1
        return "250 OK"
