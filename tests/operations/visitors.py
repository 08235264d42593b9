"""People behind nginx: some load pages all the time, one watches a live page."""

import ssl
import threading
import time

import httpx

from tests.operations.place import Failed
from tests.operations.servers import host

PAUSE = 0.2  # seconds between two requests of one visitor
VISITORS = 2


def client(place, session=""):
    """Return a client of the site behind nginx, signed in by a session if one is given."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    made = httpx.Client(
        verify=context, base_url=f"https://127.0.0.1:{place.tls_port}", timeout=60
    )
    made.headers.update({"Host": host(), "Accept-Encoding": "gzip"})
    if session:
        made.headers["Cookie"] = f"sessionid={session}"
    return made


class Load:
    """Visitors that load `paths` until they are left: `with Load(place, session, paths)
    as load`.

    `served` counts the answers of 200. `failed` has what else came, and errors of the
    connection.
    """

    def __init__(self, place, session, paths):
        self.place, self.session, self.paths = place, session, paths
        self.served, self.failed, self.slowest = 0, [], 0.0
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._visit, daemon=True) for _ in range(VISITORS)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        for thread in self._threads:
            thread.join(70)

    def _visit(self):
        number = 0
        with client(self.place, self.session) as visitor:
            while not self._over.wait(PAUSE):
                path = self.paths[number % len(self.paths)]
                number += 1
                began = time.monotonic()
                try:
                    status = visitor.get(path).status_code
                except httpx.HTTPError as error:
                    self.failed.append((path, repr(error)))
                    continue
                self.slowest = max(self.slowest, time.monotonic() - began)
                if status == 200:
                    self.served += 1
                else:
                    self.failed.append((path, status))


def watch(place, session, path, change):
    """Open a live page's stream and call `change`. Return the seconds until an event
    comes through nginx.

    Raise Failed if none comes within 10 s: it was kept in a buffer.
    """
    headers = {"Accept": "text/event-stream"}
    with (
        client(place, session) as viewer,
        viewer.stream("GET", path, headers=headers) as stream,
    ):
        if stream.status_code != 200:
            raise Failed(f"the stream answers {stream.status_code}")
        lines = stream.iter_lines()
        first = next(lines)
        began = time.monotonic()
        change()
        changed = time.monotonic()
        for line in lines:
            if line.startswith("data:") and time.monotonic() > began:
                return max(0.0, time.monotonic() - changed)
            if time.monotonic() - changed > 10:
                break
        raise Failed(f"no event came within 10 s; the first line was {first!r}")
