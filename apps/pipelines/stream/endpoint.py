"""The ASGI application in front of Django. It serves the streams that the gate admits,
and passes all other requests on.

Under Django's own handler each open response holds a thread, and with it a database
connection. Here a viewer costs only a task that waits until the client disconnects.
"""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from io import BytesIO
from types import FrameType
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.asgi import ASGIRequest
from django.db import DatabaseError
from django.urls import Resolver404, resolve

from apps.pipelines.stream import frames, gate, relay
from apps.pipelines.stream.hub import Hub, Send, Viewer

Scope = Any
Receive = Any
App = Callable[[Any, Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Admission:
    run_id: UUID
    cursor: int | None
    ticket: gate.Ticket


class Streams:
    """Serve the streams of runs, and pass every other request to Django.

    `django` also gets the requests that the gate refuses: its view returns the reason.
    """

    def __init__(self, django: App) -> None:
        self._django = django
        self._hub: Hub | None = None

    @property
    def hub(self) -> Hub:
        """Return the hub. It is created in the event loop in which the requests arrive."""
        if self._hub is None:
            self._hub = Hub(relay.relay)
        return self._hub

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif admission := await self._admit(scope):
            await self._stream(admission, receive, send)
        else:
            await self._django(scope, receive, send)

    async def _admit(self, scope: Scope) -> Admission | None:
        if scope["type"] != "http" or scope["method"] != "GET" or not _accepts_stream(scope):
            return None
        request = ASGIRequest(scope, BytesIO())
        try:
            # Resolved as Django would, so that addresses are defined in one place.
            match = resolve(request.path_info)
        except Resolver404:
            return None
        if not getattr(match.func, "streams_a_run", False) or not _is_plain(request):
            return None
        query = frames.CursorQuery(request.GET)
        if query.has("once"):
            return None
        ticket = gate.ticket_for(request, match.kwargs)
        try:
            if not await self.hub.admits(ticket):
                return None
        except DatabaseError:
            # The database is away. Django's view meets the same error and answers with
            # 503.
            return None
        cursor = frames.cursor_from(request.headers.get("Last-Event-ID"), query.values["seq"])
        return Admission(match.kwargs["run_id"], cursor, ticket)

    async def _stream(self, admission: Admission, receive: Receive, send: Send) -> None:
        headers = [
            (name.lower().encode(), value.encode()) for name, value in frames.HEADERS.items()
        ]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        # Sent at once, so that the client knows that its stream is open even if there
        # is no news.
        await send({"type": "http.response.body", "body": frames.OPENING, "more_body": True})
        viewer = Viewer(admission.run_id, admission.ticket, admission.cursor, send)
        self.hub.join(viewer)
        try:
            # It ends when the client is gone, and when the hub has sent the last of it.
            while (await receive())["type"] != "http.disconnect":
                pass
        finally:
            self.hub.leave(viewer)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Handle the start and the end of the process, which Django does not support."""
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                _on_stop_signal(self.hub.close)
                await send({"type": "lifespan.startup.complete"})
            else:
                self.hub.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _accepts_stream(scope: Scope) -> bool:
    return any(
        name == b"accept" and b"text/event-stream" in value for name, value in scope["headers"]
    )


def _is_plain(request: ASGIRequest) -> bool:
    """Return whether Django has no reason to answer instead: a wrong host, a redirect
    to TLS, or a proxy that holds the stream itself.
    """
    with contextlib.suppress(DisallowedHost):
        request.get_host()
        moves = settings.SECURE_SSL_REDIRECT and not request.is_secure()
        return not moves and not (
            getattr(settings, "GRIP_URL", "") and "Grip-Sig" in request.headers
        )
    return False


def _on_stop_signal(close: Any) -> None:
    """End the streams as soon as the server gets a stop signal.

    uvicorn sends "lifespan.shutdown" only after the open responses have ended. A stream
    never ends by itself, so that message would come too late or never.
    """
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        handler = signal.getsignal(number)
        if not callable(handler):
            continue

        def stop(number: int, frame: FrameType | None, handler: Any = handler) -> None:
            # A signal handler may run at any point, and the hub only works in its event
            # loop.
            loop.call_soon_threadsafe(close)
            handler(number, frame)

        with contextlib.suppress(
            ValueError
        ):  # not the main thread: then the server got no signals either
            signal.signal(number, stop)
