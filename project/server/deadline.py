"""Answer 503 if a request takes too long."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from project.server import limits

logger = logging.getLogger(__name__)

App = Callable[[Any, Any, Any], Awaitable[None]]
BODY = b"This takes longer than it should. Try again in a moment.\n"


class Deadline:
    """An ASGI application around another one, whose answers have to begin within
    `seconds`.

    The work itself goes on, because a thread can't be stopped. Its late answer is
    dropped. Streams begin at once and aren't affected.
    """

    def __init__(self, app: App, seconds: float = limits.ANSWER_SECONDS) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = is_late = has_left = False

        async def receive_until_left() -> Any:
            nonlocal has_left
            message = await receive()
            has_left = has_left or message["type"] == "http.disconnect"
            return message

        async def send_in_time(message: Any) -> None:
            nonlocal has_begun
            if not is_late:
                has_begun = True
                await send(message)

        work = asyncio.ensure_future(self._app(scope, receive_until_left, send_in_time))
        try:
            await asyncio.wait({work}, timeout=self._seconds)
            if work.done() or has_begun:
                await work
                return
        except asyncio.CancelledError:
            work.cancel()
            raise
        except RuntimeError:
            # Django stops the work for a client that has left. Work that asgiref has
            # passed to a thread then loses its executor, and the signal at the end of
            # the request fails. No client waits for an answer.
            if not has_left:
                raise
            logger.info(
                "The client left before the answer: %s %s", scope["method"], scope["path"][:200]
            )
            return
        is_late = True
        work.add_done_callback(_log_failure)
        logger.error(
            "No answer within %s s: %s %s", self._seconds, scope["method"], scope["path"][:200]
        )
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(BODY)).encode()),
            (b"cache-control", b"no-store"),
            (b"retry-after", str(limits.RETRY_AFTER).encode()),
        ]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": BODY, "more_body": False})


def _log_failure(work: "asyncio.Future[None]") -> None:
    if not work.cancelled() and (error := work.exception()) is not None:
        logger.error("A request that was answered with 503 failed.", exc_info=error)
