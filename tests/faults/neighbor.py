"""A neighbor that sends any bytes: a TCP server in a process of its own, told on stdin
what to do.

with start_neighbor(forward=sandbox_url) as neighbor:
    neighbor.answers(b"HTTP/1.1 200 OK\\r\\n\\r\\n{")      # every request gets these bytes, then the end
    neighbor.answers(b"HTTP/1.1 200 OK", pause=1, piece=1) # one byte a second
    neighbor.answers(b"", then="hang")                     # accepts, and never answers
    neighbor.answers(b"", then="reset")                    # RST
    neighbor.forwards()                                    # passes everything on to the sandbox
    neighbor.forwards(shift=3600)                          # whose clock is an hour ahead
    neighbor.forwards(date="yesterday")                    # whose answers have this Date; none with ""
    neighbor.count()                                       # requests since the last command
"""

import base64
import http.client
import json
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
LONGEST_HANG = 600.0
MOST_BYTES = 1_000_000


class Neighbor:
    """The running process, as tests speak to it."""

    def __init__(self, process, port):
        self._process, self.port = process, port
        self.url = f"http://127.0.0.1:{port}"

    def answers(self, content, *, pause=0.0, piece=MOST_BYTES, then="close", times=None):
        """Answer the next `times` requests (all without it) with these bytes; `then` is
        close, hang, or reset.
        """
        encoded = base64.b64encode(content).decode()
        self._tell(
            {"bytes": encoded, "pause": pause, "piece": piece, "then": then, "times": times}
        )

    def forwards(self, shift=0, date=None):
        """Pass requests on to the sandbox, with its clock this many seconds ahead, or
        with this text as its Date.
        """
        self._tell({"forward": True, "shift": shift, "date": date})

    def count(self):
        """Return how many requests came since the last command."""
        return self._tell({"count": True})

    def _tell(self, command):
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def start_neighbor(forward=""):
    """Yield a neighbor on a free port; it ends with its stdin."""
    command = [sys.executable, "-m", "tests.faults.neighbor", forward]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    ) as process:
        try:
            yield Neighbor(process, int(process.stdout.readline()))
        finally:
            process.terminate()


class Server:
    """The process's own side."""

    def __init__(self, forward):
        self.forward = urlsplit(forward)
        self.rule = {"forward": True}
        self.requests = 0
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)

    def run(self):
        print(self.listener.getsockname()[1], flush=True)
        threading.Thread(target=self.accept, daemon=True).start()
        for line in sys.stdin:
            print(json.dumps(self.obey(json.loads(line))), flush=True)

    def obey(self, command):
        with self.lock:
            if "count" in command:
                return self.requests
            self.rule, self.requests = command, 0
            return True

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=[connection], daemon=True).start()

    def serve(self, connection):
        with connection, suppress(OSError, ValueError):
            connection.settimeout(LONGEST_HANG)
            head, body = read_request(connection)
            with self.lock:
                self.requests += 1
                rule = self.rule
                if rule.get("times") is not None:
                    rule["times"] -= 1
                    if rule["times"] <= 0:
                        self.rule = {"forward": True}
            if rule.get("forward"):
                connection.sendall(self.fetch(head, body, rule))
            else:
                play(connection, rule)

    def fetch(self, head, body, rule):
        """Return the sandbox's answer as bytes, with the times of a rule."""
        first, *lines = head.decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = dict(line.split(": ", 1) for line in lines if ": " in line)
        upstream = http.client.HTTPConnection(
            self.forward.hostname, self.forward.port, timeout=60
        )
        upstream.request(method, path, body, headers)
        answer = upstream.getresponse()
        try:
            content = answer.read()
        except http.client.IncompleteRead as error:
            # A fault of the sandbox, which the client is to meet.
            content = error.partial
        lines = [f"HTTP/1.1 {answer.status} {answer.reason}", "connection: close"]
        for name, value in answer.getheaders():
            value = shifted(name.lower(), value, rule)
            if value is not None and name.lower() != "connection":
                lines.append(f"{name}: {value}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


def shifted(name, value, rule):
    """Return the value of a header by the clock of a rule; None if it is left out."""
    if name == "date" and rule.get("date") is not None:
        return rule["date"] or None
    if name == "date" and rule.get("shift"):
        moment = parsedate_to_datetime(value) + timedelta(seconds=rule["shift"])
        return format_datetime(moment, usegmt=True)
    if name == "x-ratelimit-reset" and rule.get("shift"):
        return str(int(value) + rule["shift"])
    return value


def read_request(connection):
    """Return the head and the body of a request."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        if not more:
            raise ValueError("no request")
        received += more
    head, _, body = received.partition(b"\r\n\r\n")
    names = [line.partition(b":") for line in head.split(b"\r\n")[1:]]
    size = next(
        (int(value) for name, _, value in names if name.lower() == b"content-length"), 0
    )
    while len(body) < size:
        body += connection.recv(65536)
    return head, body


def play(connection, rule):
    """Send the bytes of a rule, in its pieces, and end as it states."""
    content, piece = base64.b64decode(rule["bytes"]), rule["piece"]
    for start in range(0, len(content), piece):
        connection.sendall(content[start : start + piece])
        time.sleep(rule["pause"])
    if rule["then"] == "hang":
        # Until the client has had enough.
        while connection.recv(65536):
            pass
    elif rule["then"] == "reset":
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


if __name__ == "__main__":
    Server(sys.argv[1] if len(sys.argv) > 1 else "").run()
