"""Server-sent events as bytes. A frame's id is the event number of the state that it brings its viewer to."""

import re

from apps.pipelines.projection import Projection
from apps.pipelines.stream import hooks

# Milliseconds after which a client that lost its stream comes back.
OPENING = b"retry: 1000\n\n"
KEEP_ALIVE = b":\n\n"
HEADERS = {
    "Content-Type": "text/event-stream",
    # no-transform: a proxy that compresses would hold frames back.
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
    "X-Content-Type-Options": "nosniff",
}
_LINE_END = re.compile(r"\r\n|\r|\n")
# What a client may give back: our id, or with the run's channel before it, as GRIP proxies write it.
_ID = re.compile(r"(?:[^:,]+:)?(\d{1,18})", re.ASCII)


def cursor_from(last_event_id: str | None, page: str | None) -> int | None:
    """Where a viewer stands: the id of the last frame, or that of its page. None, for what is no number: nowhere."""
    given = last_event_id or page or ""
    found = _ID.fullmatch(given.strip())
    return int(found[1]) if found else None


def catch_up(projection: Projection, cursor: int | None) -> bytes:
    """The frame that brings a viewer from its cursor to the projection: empty if it is there already.

    Without a cursor, or with one from elsewhere, that is everything; else the whole state of what has changed since.
    """
    if cursor == projection.seq:
        return b""
    everything = cursor is None or cursor > projection.seq
    changed = None if everything else projection.changed_since(cursor or 0)
    return encode(hooks.render(projection, changed), projection.seq)


def encode(html: str, seq: int) -> bytes:
    """One unnamed event, which htmx swaps."""
    lines = "".join(f"data: {line}\n" for line in _LINE_END.split(html))
    return f"id: {seq}\n{lines}\n".encode()


def done(projection: Projection) -> bytes:
    """The event after the last frame of a run that has ended: the client need not come back."""
    return f"event: done\ndata: {projection.run['state']}\n\n".encode()
