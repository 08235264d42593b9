"""A client of a stream that keeps all it gets, and a web process to get it from."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from django.db import connection

from tests.fixtures.workers import ROOT, eventually
from tests.services import free_port


class Frame:
    def __init__(self, text):
        self.at = time.monotonic()
        self.text = text
        fields = [
            line.partition(": ")[::2] for line in text.splitlines() if not line.startswith(":")
        ]
        self.event = dict(fields).get("event")
        self.id = int(dict(fields)["id"].rpartition(":")[2]) if "id" in dict(fields) else None
        self.data = "\n".join(value for name, value in fields if name == "data")
        self.retry = dict(fields).get("retry")


class Watcher:
    """Reads a stream in a thread of its own.

    `state` is what its page would show, and what it shows at first.
    """

    def __init__(
        self, web, path, session, *, last=None, state=None, headers=(), receive_buffer=None
    ):
        self.frames, self.state, self.ended = [], dict(state or {}), threading.Event()
        self.status, self.type, self.seq = None, "", None
        self.may_read = threading.Event()
        self.may_read.set()
        self._connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=60)
        if receive_buffer:
            self._connection.connect()
            self._connection.sock.setsockopt(1, 8, receive_buffer)  # SOL_SOCKET, SO_RCVBUF
        sent = {"Accept": "text/html, text/event-stream", **dict(headers)}
        if session:
            sent["Cookie"] = f"sessionid={session}"
        if last is not None:
            sent["Last-Event-ID"] = str(last).encode()
        self._connection.request("GET", path, headers=sent)
        self._socket = self._connection.sock
        self.answer = self._connection.getresponse()
        self.status, self.type = self.answer.status, self.answer.headers.get("Content-Type", "")
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        lines = []
        try:
            while line := self.answer.readline():
                self.may_read.wait()
                if line != b"\n":
                    lines.append(line.decode())
                    continue
                self._take(Frame("".join(lines)))
                lines = []
        except (OSError, http.client.HTTPException, ValueError, AttributeError):
            pass
        self.ended.set()

    def _take(self, frame):
        if frame.data and not frame.event:
            sent = json.loads(frame.data)
            if sent["whole"]:
                self.state = {}
            self.state |= sent["parts"]
            self.seq = frame.id
        self.frames.append(frame)

    @property
    def ids(self):
        return [frame.id for frame in self.frames if frame.id is not None]

    @property
    def events(self):
        return [frame.event for frame in self.frames if frame.event]

    def until(self, seq):
        """Wait for the frame that brings the viewer to that number."""
        eventually(lambda: self.seq is not None and self.seq >= seq, every=0.002)
        return self

    def close(self):
        self.may_read.set()
        with contextlib.suppress(OSError):
            self._socket.shutdown(2)
        self._thread.join(5)
        self._connection.close()


class Web:
    """A web process over the test's rows.

    It can be stopped and started again at the same address.
    """

    def __init__(self, folder, **env):
        self.port, self.log = free_port(), Path(folder) / "web.log"
        self._env, self.process = env, None

    def environment(self):
        database = connection.settings_dict
        address = f"sqlite:///{database['NAME']}"
        if connection.vendor != "sqlite":
            address = "postgresql://{USER}@{HOST}:{PORT}/{NAME}".format(**database)
        settings = "tests.pipelines.stream.settings"
        return {
            **os.environ,
            "DATABASE_URL": address,
            "DJANGO_SETTINGS_MODULE": settings,
            **self._env,
        }

    def start(self):
        command = [sys.executable, "-W", "ignore", "-m", "project.server"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--host", "127.0.0.1", "--port", str(self.port)],
                cwd=ROOT,
                env=self.environment(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
        try:
            eventually(self._answers, seconds=30, every=0.05)
        except BaseException:
            self.stop()
            raise
        return self

    def _answers(self):
        assert self.process.poll() is None, self.log.read_text()
        probe = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            probe.request("GET", "/accounts/login/")
            return probe.getresponse().status
        except OSError:
            return None
        finally:
            probe.close()

    def stop(self, number=signal.SIGTERM):
        """End it; returns the seconds that this took."""
        began = time.monotonic()
        if self.process and self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        return time.monotonic() - began

    def status(self, name):
        """A number of /proc/<pid>/status: Threads, or VmRSS in KiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{name}:\s+(\d+)", text, re.MULTILINE)[1])

    def cpu_seconds(self):
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def open_files(self, name):
        """How often it has a file of that name open."""
        targets = []
        for link in Path(f"/proc/{self.process.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                targets.append(str(link.readlink()))
        return targets.count(str(name))
