"""The site as it runs: a sandbox of GitHub and a web process, real ones, over this
session's test database.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
from django.db import connection

from tests.fixtures.workers import ROOT
from tests.servers import database_url
from tests.services import free_port

START_SECONDS = 30.0
TRACES = ("Internal Server Error", "ERROR")


class GitHub:
    """The sandbox's control calls."""

    def __init__(self, url):
        self.url = url

    def _post(self, name, body=()):
        httpx.post(
            f"{self.url}/_sandbox/{name}", json=list(body), timeout=10
        ).raise_for_status()

    def reset(self):
        self._post("reset")

    def faults(self, *faults):
        """Faults of `apps.sandbox.faults`, in place of those in force."""
        self._post("faults", faults)

    def slow(self, seconds):
        """Each answer takes so long: a run can be watched."""
        self.faults({"delay": seconds})

    def hide(self, repository):
        """Let GitHub know no such repository."""
        gone = {
            "type": "NOT_FOUND",
            "path": ["repository"],
            "message": "Could not resolve to a Repository.",
        }
        self.faults({"match": {"repository": repository}, "errors": [gone]})

    def requests(self):
        """How many requests came, by operation."""
        return httpx.get(f"{self.url}/_sandbox/requests", timeout=10).json()["operations"]

    def put(self, *records):
        self._post("pull_requests", records)


class Web:
    """A web process that a test may stop and start again; its address stays.

    `env` are settings that it gets on top of those of the tests.
    """

    def __init__(self, github, folder, env=None):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = Path(folder) / "web.log"
        self._github = github
        self._env = env or {}
        self._process = None
        self._read = 0

    def environment(self):
        return {
            **os.environ,
            "DATABASE_URL": database_url(connection),
            "GITHUB_API_URL": self._github.url,
            "PORT": str(self.port),
            "DJANGO_SETTINGS_MODULE": "project.settings",
            **self._env,
        }

    def start(self):
        command = [sys.executable, "-W", "ignore", "scripts/web.py", "--port", str(self.port)]
        with self.log.open("ab") as log:
            # It ends with its stdin, so also when these tests are killed.
            self._process = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self.environment(),
                stdout=log,
                stderr=log,
                stdin=subprocess.PIPE,
            )
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                httpx.get(f"{self.url}/accounts/login/", timeout=10)
                return
            except httpx.TransportError:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(self.log.read_text()) from None
                time.sleep(0.05)

    def stop(self):
        """End the process as a crash does: open streams break off."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        if self._process:
            self._process.wait()
            self._process.stdin.close()

    @property
    def runs(self):
        return self._process is not None and self._process.poll() is None

    def complaints(self):
        """Return what the process logged since this was last asked, from the first
        error on; empty if there is none.
        """
        with self.log.open() as log:
            log.seek(self._read)
            text = log.read()
            self._read = log.tell()
        starts = [text.find(trace) for trace in TRACES if trace in text]
        return text[max(min(starts) - 200, 0) :] if starts else ""


@contextmanager
def serving(github, folder, env=None):
    web = Web(github, folder, env)
    try:
        web.start()
        yield web
    finally:
        web.stop()
