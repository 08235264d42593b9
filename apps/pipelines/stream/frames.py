"""Server-sent events as bytes.

A frame's id is the number of the newest event in the state that it contains.
"""

import re

from django import forms

from apps.forms import QueryForm
from apps.pipelines.projection import Projection
from apps.pipelines.stream import hooks

# Milliseconds after which a client that lost its stream reconnects.
OPENING = b"retry: 1000\n\n"
# An event and not a comment, because the page has to receive it to know that its stream
# is alive. GRIP proxies send the same.
KEEP_ALIVE = b"event: keep-alive\ndata:\n\n"
# Seconds from one keep-alive to the next.
KEEP_ALIVE_EVERY = 4.0
HEADERS = {
    "Content-Type": "text/event-stream",
    # no-transform: a proxy that compresses would hold frames back.
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}
_LINE_END = re.compile(r"\r\n|\r|\n")
# What a client may send as its last id: the bare id, or with the run's channel before
# it, as GRIP proxies write it.
_ID = re.compile(r"(?:[^:,]+:)?(\d{1,18})", re.ASCII)


class CursorQuery(QueryForm):
    """The query of a stream: `?seq=12` is the page's cursor, `?once` asks for the
    missing events without a stream, and a GRIP proxy adds `?link`.
    """

    seq = forms.CharField(max_length=18)
    once = forms.CharField(max_length=1)


def cursor_from(last_event_id: str | None, page: str | None) -> int | None:
    """Return a viewer's cursor: the id of the last frame, or else that of its page.

    Returns None if neither is a number.
    """
    given = last_event_id or page or ""
    found = _ID.fullmatch(given.strip())
    return int(found[1]) if found else None


def catch_up(projection: Projection, cursor: int | None) -> bytes:
    """Return the frame that brings a viewer from its cursor to the projection; empty if
    it is already there.

    Without a cursor, or with one that is beyond the run's events, the frame has
    everything. Otherwise it has the whole state of what has changed since.
    """
    if cursor == projection.seq:
        return b""
    is_from_elsewhere = cursor is None or cursor > projection.seq
    since = None if is_from_elsewhere else cursor
    return encode(hooks.render(projection, since), projection.seq)


def encode(html: str, seq: int) -> bytes:
    """Return one unnamed event, which htmx swaps into the page."""
    lines = "".join(f"data: {line}\n" for line in _LINE_END.split(html))
    return f"id: {seq}\n{lines}\n".encode()


def done(projection: Projection) -> bytes:
    """Return the event after the last frame of an ended run. The client does not
    connect again after it.
    """
    return f"event: done\ndata: {projection.run.get('state', 'deleted')}\n\n".encode()
