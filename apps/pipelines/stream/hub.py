"""Hold the viewers of this process. Each viewer is a cursor; nothing is queued.

A notification only names a run that has changed. One reader checks the runs that were
named, makes one frame for each cursor that it finds there, and sends it to each viewer
at that cursor. A viewer that came during the check, or was still busy with its last
frame, is served by the next check. A frame belongs to a cursor and not to a viewer, so
the ids that a viewer gets never decrease.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import batched
from typing import Any
from uuid import UUID
from weakref import WeakSet

from apps.pipelines.projection import Projection
from apps.pipelines.stream import frames, gate, reader
from apps.pipelines.stream.gate import Ticket

logger = logging.getLogger(__name__)

Send = Callable[[Any], Awaitable[None]]
Relay = Callable[["Hub"], Coroutine[Any, Any, None]]

# Seconds from one check of all tickets to the next. A removed member's stream ends
# within 5 s: this pause, and the check itself, which takes about a second for 1,000
# sessions.
RECHECK_EVERY = 2.5
# Tickets of one check that are read at once; frames are made in between.
RECHECKED_AT_ONCE = 100
AGAIN_AFTER = 1.0
# Seconds from one frame of a viewer to the next. Changes in between are sent together,
# as the state at the end.
PAUSE = 0.5
RUNS_AT_ONCE = 50
# A projection takes up to 100 KiB. Beyond this number, the projection of a watched run
# is read anew when the run changes.
PROJECTIONS_KEPT = 200


@dataclass(eq=False, slots=True)
class Viewer:
    """`cursor` is the position of the client once it has received everything that was
    sent.

    `busy` is True while a frame is being sent.
    """

    run_id: UUID
    ticket: Ticket
    cursor: int | None
    send: Send
    busy: bool = False
    over: bool = False


@dataclass(eq=False, slots=True)
class Watched:
    """A run with viewers, and its number at the last check."""

    viewers: set[Viewer] = field(default_factory=set)
    seq: int | None = None


# The hubs of this process. There is one; tests have several.
_hubs: "WeakSet[Hub]" = WeakSet()


def open_streams() -> int:
    """Return how many streams this process holds open now.

    It is called from other threads, so it may be off by one.
    """
    return sum(
        len(watched.viewers) for hub in list(_hubs) for watched in list(hub._runs.values())
    )


class Hub:
    """The viewers of this process. All methods run in the event loop's thread; only the
    queries of the reader and the gate run in another one.
    """

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._runs: dict[UUID, Watched] = {}
        self._known: OrderedDict[UUID, Projection] = OrderedDict()
        self._dirty: set[UUID] = set()
        self._wake = asyncio.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="pipelines-stream")
        self._services: list[asyncio.Task[None]] = []
        self._writes: set[asyncio.Task[None]] = set()
        self._closing = False
        _hubs.add(self)

    async def in_thread(self, work: Callable[..., Any], *args: Any) -> Any:
        """Run a query in the one thread that has a database connection."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)

    async def admits(self, ticket: Ticket) -> bool:
        """Return whether the gate admits the ticket."""
        try:
            refused: set[Ticket] = await self.in_thread(gate.refused, [ticket])
        finally:
            self._rest()
        return not refused

    def join(self, viewer: Viewer) -> None:
        """Add a viewer: it gets what it lacks at once, and new events as they happen."""
        self._runs.setdefault(viewer.run_id, Watched()).viewers.add(viewer)
        if self._closing:
            self._end(viewer)
            return
        # The loops run only while there are viewers.
        if not self._services:
            loops = (self._serve, self._keep_alive, self._recheck, lambda: self._relay(self))
            self._services = [asyncio.create_task(self._supervise(loop)) for loop in loops]
        self.look([viewer.run_id])

    def leave(self, viewer: Viewer) -> None:
        """Remove a viewer. Without viewers the process has no task, no query, and no
        connection for streams.
        """
        watched = self._runs.get(viewer.run_id)
        if watched is None or viewer not in watched.viewers:
            return
        watched.viewers.remove(viewer)
        if not watched.viewers:
            del self._runs[viewer.run_id]
            self._known.pop(viewer.run_id, None)
        self._rest()

    def _rest(self) -> None:
        if not self._runs:
            for task in self._services:
                task.cancel()
            self._services = []
            self._dirty.clear()
            self._pool.submit(reader.close)

    def look(self, run_ids: Iterable[UUID] | None = None) -> None:
        """Schedule a check of these runs, or with None of all watched runs."""
        self._dirty.update(self._runs if run_ids is None else self._runs.keys() & set(run_ids))
        if self._dirty:
            self._wake.set()

    def close(self) -> None:
        """End all streams. Their clients reconnect to the next process."""
        self._closing = True
        for viewer in list(self._viewers()):
            self._end(viewer)

    def _viewers(self) -> Iterable[Viewer]:
        return (viewer for watched in self._runs.values() for viewer in watched.viewers)

    async def _supervise(self, loop: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await loop()
            except Exception:
                logger.exception("The stream has a problem; it goes on in %.0f s.", AGAIN_AFTER)
            await asyncio.sleep(AGAIN_AFTER)
            # Notifications may have been lost during the error.
            self.look()

    async def _serve(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            # Swapped before the reading: runs that change during it are checked again.
            dirty, self._dirty = self._dirty, set()
            for part in batched(dirty, RUNS_AT_ONCE):
                wants = [
                    self._want(run_id, self._runs[run_id])
                    for run_id in part
                    if run_id in self._runs
                ]
                views = await self.in_thread(reader.read, wants)
                for view in views:
                    self._show(view)
                if missed := {want.run_id for want in wants} - {view.run_id for view in views}:
                    # Runs that could not be rendered are tried again later, and not in
                    # a tight loop.
                    asyncio.get_running_loop().call_later(AGAIN_AFTER, self.look, missed)

    def _want(self, run_id: UUID, watched: Watched) -> reader.Want:
        # A busy viewer's cursor is about to change, so it gets no frame now.
        cursors = frozenset(viewer.cursor for viewer in watched.viewers if not viewer.busy)
        return reader.Want(run_id, self._known.get(run_id), cursors)

    def _show(self, view: reader.View) -> None:
        watched = self._runs.get(view.run_id)
        if watched is None:
            return
        if view.projection is not None:
            watched.seq = view.projection.seq
            self._known[view.run_id] = view.projection
            self._known.move_to_end(view.run_id)
            if len(self._known) > PROJECTIONS_KEPT:
                self._known.popitem(last=False)
        for viewer in list(watched.viewers):
            if view.projection is None:
                self._end(viewer)
            elif not viewer.busy:
                self._bring(viewer, view.projection, view.frames.get(viewer.cursor))

    def _bring(self, viewer: Viewer, to: Projection, frame: bytes | None) -> None:
        if frame is None and viewer.cursor != to.seq:
            self.look([viewer.run_id])  # events came during the check
            return
        viewer.cursor = to.seq
        if not to.is_live:
            viewer.over = True
            self._write(viewer, (frame or b"") + frames.done(to))
        elif frame:
            self._write(viewer, frame)

    def _end(self, viewer: Viewer) -> None:
        viewer.over = True
        if not viewer.busy:
            self._write(viewer, b"")

    def _write(self, viewer: Viewer, body: bytes) -> None:
        """Send a frame in a task of its own, so that one slow client delays no other.
        The viewer's next frame waits for this one.
        """
        viewer.busy = True
        task = asyncio.create_task(self._send(viewer, body))
        self._writes.add(task)
        task.add_done_callback(self._writes.discard)

    async def _send(self, viewer: Viewer, body: bytes) -> None:
        # Read before the sending, because the viewer may be ended meanwhile and must
        # then get another, final message.
        last = viewer.over
        try:
            await viewer.send(
                {"type": "http.response.body", "body": body, "more_body": not last}
            )
        except OSError:
            self.leave(viewer)
            return
        if body and not last:
            # Still busy during the pause, which limits how often a viewer gets a frame.
            await asyncio.sleep(PAUSE)
        viewer.busy = False
        if last:
            self.leave(viewer)
        elif viewer.over:
            self._end(viewer)
        else:
            watched = self._runs.get(viewer.run_id)
            if watched and watched.seq != viewer.cursor:
                self.look([viewer.run_id])

    async def _keep_alive(self) -> None:
        """Send keep-alives: proxies end idle connections, and only a write shows that a
        client has vanished.
        """
        while True:
            await asyncio.sleep(frames.KEEP_ALIVE_EVERY)
            for viewer in self._viewers():
                if not viewer.busy:
                    self._write(viewer, frames.KEEP_ALIVE)

    async def _recheck(self) -> None:
        """End the streams of users who may no longer watch, because they have logged
        out or are no longer members.
        """
        while True:
            await asyncio.sleep(RECHECK_EVERY)
            for part in batched(
                {viewer.ticket for viewer in self._viewers()}, RECHECKED_AT_ONCE
            ):
                refused = await self.in_thread(gate.refused, part)
                if refused:
                    for viewer in [
                        viewer for viewer in self._viewers() if viewer.ticket in refused
                    ]:
                        self._end(viewer)
