"""The optional parts' rows of the fault table: analytics, webhooks, and the proxy of
live streams.

None of them keeps a setup or a night from being done, or a page from answering.
"""

import contextlib
import hashlib
import hmac
import http.client
import json
import socket
import sqlite3
import threading
import time
import uuid

from tests.faults.table import Most, Row

# Seconds: a setup without a fault takes 4 here, and one beside a flood shares the
# processor with it.
SETUP, PAGES = 60, 45
FLOODERS = 6
SOUND = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def row(name, lines=60, requests=200, **fault):
    """Return a row; its night may take what its onboarding may.

    Requests are connections to the proxy of streams.
    """
    most = Most(SETUP, requests, lines)
    return Row(name, "", most, most, Most(PAGES, requests, lines), "done", **fault)


# Analytics.


def changed(parts, *statements):
    with contextlib.closing(
        sqlite3.connect(parts.path, isolation_level=None, timeout=30)
    ) as connection:
        for statement in statements:
            connection.execute(statement)


def analytics_is_gone(parts):
    changed(parts, "ALTER TABLE analytics_analyticsevent RENAME TO analytics_gone")


def analytics_is_back(parts):
    changed(parts, "ALTER TABLE analytics_gone RENAME TO analytics_analyticsevent")


def analytics_refuses(parts):
    changed(
        parts,
        "CREATE TRIGGER refuses BEFORE INSERT ON analytics_analyticsevent BEGIN SELECT RAISE(ABORT, 'No.'); END",
    )


def analytics_takes(parts):
    changed(parts, "DROP TRIGGER refuses")


# Webhooks.


def signed(parts, team):
    """Return the headers and the body of a delivery that marks a pull request of the
    team as changed.
    """
    hook = parts.webhook(team)
    repository = {"node_id": hook["node_id"], "full_name": "octo/hello"}
    payload = {"action": "submitted", "repository": repository, "pull_request": {"number": 1}}
    body = json.dumps(payload).encode()
    digest = hmac.new(hook["secret"].encode(), body, hashlib.sha256).hexdigest()
    return (
        hook["path"],
        {"X-GitHub-Event": "pull_request_review", "X-Hub-Signature-256": f"sha256={digest}"},
        body,
    )


def unsigned(parts, team):
    path, headers, body = signed(parts, team)
    return path, headers | {"X-Hub-Signature-256": "sha256=" + "0" * 64}, body


def large(parts, team):
    path, headers, _ = unsigned(parts, team)
    return path, headers, b"x" * 2_000_000


def broken_off(parts, team):
    """Return a delivery that states a longer body than it sends."""
    path, headers, body = signed(parts, team)
    return path, headers | {"Content-Length": str(len(body) + 1000)}, body


def unknown(parts, team):
    _, headers, body = signed(parts, team)
    return f"/hooks/github/{uuid.uuid4()}/", headers, body


def flood(make):
    """Return what begins and ends a flood of deliveries, by several clients at once."""

    def begin(parts):
        parts.goes_on, parts.sent = True, 0
        path, headers, body = make(parts, parts.team)
        parts.threads = [
            threading.Thread(target=send, args=[parts, path, headers, body], daemon=True)
            for _ in range(FLOODERS)
        ]
        for thread in parts.threads:
            thread.start()

    return begin, flood_ends


def send(parts, path, headers, body):
    while parts.goes_on:
        connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=5)
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            contextlib.closing(connection),
        ):
            own = {"X-GitHub-Delivery": str(uuid.uuid4()), "Content-Type": "application/json"}
            connection.request("POST", path, body, own | headers)
            if int(headers.get("Content-Length", 0)) > len(body):
                time.sleep(0.2)
                connection.sock.shutdown(socket.SHUT_WR)
            connection.getresponse().read()
        parts.sent += 1


def flood_ends(parts):
    parts.goes_on = False
    for thread in parts.threads:
        thread.join()
    assert parts.sent > FLOODERS


def nothing_more(parts):
    """Nothing has to be undone."""


PARTS = {
    "nothing": (nothing_more, nothing_more),
    "analytics gone": (analytics_is_gone, analytics_is_back),
    "analytics refuses": (analytics_refuses, analytics_takes),
    "signed": flood(signed),
    "unsigned": flood(unsigned),
    "large": flood(large),
    "broken off": flood(broken_off),
    "unknown": flood(unknown),
}

ROWS = [
    row("optional_sound", fault="nothing"),
    row("analytics_gone", fault="analytics gone"),
    row("analytics_refuses", fault="analytics refuses"),
    row("webhooks_flood", lines=5000, fault="signed"),
    row("webhooks_flood_unsigned", lines=5000, fault="unsigned"),
    row("webhooks_flood_large", lines=5000, fault="large"),
    row("webhooks_flood_broken_off", lines=5000, fault="broken off"),
    row("webhooks_flood_to_no_one", lines=5000, fault="unknown"),
    # The proxy of streams, a stand-in.
    row("streams_refused", how={"refuse": True}),
    row("streams_silent", how={"silence": True}),
    row("streams_reset", content=b"", how={"then": "reset"}),
    row("streams_end_without_a_word", content=b"", how={"then": "close"}),
    row("streams_fail", content=b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno"),
    row("streams_forbidden", content=b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno"),
    row(
        "streams_elsewhere",
        content=b"HTTP/1.1 302 No\r\nLocation: http://[::1\r\nContent-Length: 0\r\n\r\n",
    ),
    row("streams_answer_bytes", content=b"\xff\xfe\x00\r\n", how={"then": "close"}),
    row(
        "streams_answer_half",
        content=b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nhalf",
        how={"then": "close"},
    ),
]
