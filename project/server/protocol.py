"""uvicorn's HTTP protocol with limits: header, body, time, and connections.

A request beyond a limit gets a plain answer with a status: 408 (too slow), 413 (body),
414 (address), 431 (header), 503 (connections). The connection is closed after it.
uvicorn itself has none of these limits and would read on.
"""

import asyncio
from http import HTTPStatus
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

from project.server import limits
from project.server.connections import Connections

ANSWERS = {
    HTTPStatus.REQUEST_TIMEOUT: "The request took too long to arrive. Send it again.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The request is too large.",
    HTTPStatus.REQUEST_URI_TOO_LONG: "The address is too long.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The header of the request is too large.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Firstlight is busy. Try again in a moment.",
}


class _Refused(Exception):
    """Ends the parsing of a request.

    The status is in `_refusal`, because the parser hides the exception.
    """


class BoundedProtocol(HttpToolsProtocol):
    """One connection. `connections_of_process` counts it; `serve` sets that attribute
    on a subclass.
    """

    connections_of_process: Connections

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.client_key = ""
        self._refusal: HTTPStatus | None = None
        self._is_refused = False
        self._is_webhook = False
        self._header_size = self._unfinished = 0
        self._in_header = False
        self._body_size = 0
        self._body_limit = 0
        self._discarded = 0
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    # The connection

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.client_key = self.connections_of_process.key_of(
            self.client[0] if self.client else ""
        )
        if self.connections_of_process.admit(self):
            # A client that connects and sends nothing holds a connection.
            self._wait(limits.IDLE_SECONDS, self.drop)
        else:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_timers()
        self._end_webhook()
        self.connections_of_process.leave(self)
        super().connection_lost(exc)

    def drop(self) -> None:
        """Close the connection at once, without an answer."""
        self._end_timers()
        if not self.transport.is_closing():
            self.transport.abort()

    # What arrives

    def data_received(self, data: bytes) -> None:
        # The rest of a refused request is read and dropped, see `_refuse`.
        if self._is_refused:
            self._discard(len(data))
            return
        super().data_received(data)
        if self._in_header:
            # The bytes are counted here, because a line without an end never reaches
            # `on_header`.
            self._unfinished += len(data)
            if self._unfinished > 2 * limits.HEADERS:
                self._refuse(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._header_size = self._unfinished = 0
        self._in_header = True
        self._body_size = 0
        self._wait(limits.HEADER_SECONDS, self._too_slow)

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > limits.URL:
            self._stop(HTTPStatus.REQUEST_URI_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        # Counted while the header arrives, so that a large one is refused before all of
        # it is in memory.
        self._header_size += len(name) + len(value)
        if len(self.headers) > limits.HEADER_COUNT or self._header_size > limits.HEADERS:
            self._stop(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)

    def on_headers_complete(self) -> None:
        self._in_header = False
        path = self.url.partition(b"?")[0]
        self._body_limit = limits.body_limit(path, self.headers)
        # Refused before the first byte of the body is read.
        if self._announced_size() > self._body_limit:
            self._stop(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if self._announced_size() > limits.FORM:
            self._begin_webhook()
        is_webhook = self._body_limit == limits.WEBHOOK
        self._wait(
            limits.WEBHOOK_SECONDS if is_webhook else limits.BODY_SECONDS, self._too_slow
        )
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        # A body without a Content-Length shows its size only as it arrives.
        if self._body_size > self._body_limit:
            self._stop(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if self._body_size > limits.FORM:
            self._begin_webhook()
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._end_timer()
        self.connections_of_process.busy(self)

    def on_response_complete(self) -> None:
        self._end_webhook()
        if self.cycle is not None and self.cycle.response_complete and not self.pipeline:
            self.connections_of_process.idle(self)
        super().on_response_complete()

    # What leaves

    def pause_writing(self) -> None:
        super().pause_writing()
        # A client that does not read its answer holds the answer in memory.
        self._write_timer = self.loop.call_later(limits.UNREAD_SECONDS, self.drop)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def send_400_response(self, msg: str) -> None:
        """Answer a request that can't be parsed, or that is beyond a limit."""
        if self._refusal is None:
            super().send_400_response(msg)
        else:
            self._refuse(self._refusal)

    # Refusing

    def _stop(self, status: HTTPStatus) -> None:
        """Refuse the request from within the parser."""
        self._refusal = status
        raise _Refused

    def _too_slow(self) -> None:
        self._refuse(HTTPStatus.REQUEST_TIMEOUT)

    def _refuse(self, status: HTTPStatus) -> None:
        """Answer with a status and a sentence, and close the connection once the client
        has had time to read them.
        """
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        self._end_timer()
        self._end_webhook()
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete:
            # Wakes the application, which may wait for the rest of the body.
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:  # an answer is on its way, and another can't follow it
                self.drop()
                return
        self.transport.write(_answer(status))
        # The client must be able to send its rest, or it never reads the answer.
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        # A client that is still sending would get a reset instead of the answer, if the
        # connection were closed at once.
        self._wait(limits.LINGER_SECONDS, self.drop)

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > limits.LINGER:
            self.drop()

    # Large bodies, a few at a time

    def _begin_webhook(self) -> None:
        if self._is_webhook:
            return
        if self.connections_of_process.webhooks >= limits.WEBHOOKS_AT_ONCE:
            self._stop(HTTPStatus.SERVICE_UNAVAILABLE)
        self._is_webhook = True
        self.connections_of_process.webhooks += 1

    def _end_webhook(self) -> None:
        if self._is_webhook:
            self._is_webhook = False
            self.connections_of_process.webhooks -= 1

    def _announced_size(self) -> int:
        """Return the Content-Length, which the parser has checked; 0 if there is none."""
        lengths = [value for name, value in self.headers if name == b"content-length"]
        return int(lengths[0]) if lengths else 0

    # Time

    def _wait(self, seconds: float, then: Any) -> None:
        self._end_timer()
        self._timer = self.loop.call_later(seconds, then)

    def _end_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end_timers(self) -> None:
        self._end_timer()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None


def _answer(status: HTTPStatus) -> bytes:
    body = f"{ANSWERS[status]}\n".encode()
    lines = [
        b"content-type: text/plain; charset=utf-8",
        b"content-length: " + str(len(body)).encode(),
        b"cache-control: no-store",
        b"connection: close",
    ]
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        lines.append(b"retry-after: " + str(limits.RETRY_AFTER).encode())
    return STATUS_LINE[status] + b"\r\n".join([*lines, b"", body])
