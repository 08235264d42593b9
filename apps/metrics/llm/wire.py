"""Make one HTTP exchange with the model's server, bounded as a whole in time and in
size.

    address = "https://api.example.com/v1/chat/completions"
    exchange(address, {"authorization": "Bearer …"}, b"{}", seconds=60, line=Line())
    # Received(status=200, headers=…, body=b'{"choices": …}'), or NotReceived is raised

An event loop runs each exchange, because only it can end a slow one: timeouts of a
single read never pass while one byte comes every few seconds.
"""

import asyncio
import threading
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from apps.tls import tls_context

# An answer about eight pull requests has some 4 kB; one with its thoughts has some 100
# kB.
MOST_BYTES = 4 * 1024 * 1024
# Accepts the formats gzip and zlib.
_ANY_ZLIB = zlib.MAX_WBITS | 32


class NotReceived(Exception):
    """There is no complete answer.

    The message is a clause: "it did not answer in time".
    """


@dataclass(frozen=True, slots=True)
class Received:
    """A complete answer of any kind."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Line:
    """The exchanges of one client, which another thread may end at once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tasks: dict[asyncio.Task[Any], asyncio.AbstractEventLoop] = {}
        self._is_cut = False

    def add(self, task: asyncio.Task[Any], loop: asyncio.AbstractEventLoop) -> None:
        """Note an exchange that begins. Raises NotReceived after `cut`."""
        with self._lock:
            if self._is_cut:
                raise NotReceived("it was not waited for")
            self._tasks[task] = loop

    def remove(self, task: asyncio.Task[Any]) -> None:
        """Forget an exchange that has ended; its loop is still open."""
        with self._lock:
            self._tasks.pop(task, None)

    def cut(self) -> None:
        """End all exchanges; none begins any more."""
        with self._lock:
            self._is_cut = True
            for task, loop in self._tasks.items():
                loop.call_soon_threadsafe(task.cancel)


def exchange(
    url: str, headers: Mapping[str, str], content: bytes, seconds: float, line: Line
) -> Received:
    """Post the content and return the answer.

    Args:
        seconds: for everything, from the look-up of the name to the last byte.
        line: what may end it earlier.

    Raises:
        NotReceived: whatever else happens.
    """
    loop = asyncio.new_event_loop()
    task = loop.create_task(_exchange(url, headers, content, seconds))
    try:
        try:
            line.add(task, loop)
        except NotReceived:
            # The task has to run to its end all the same, so that the loop can be
            # closed.
            task.cancel()
        return loop.run_until_complete(task)
    except asyncio.CancelledError:
        raise NotReceived("it was not waited for") from None
    except (TimeoutError, httpx.TimeoutException):
        raise NotReceived("it did not answer in time") from None
    except httpx.ConnectError:
        raise NotReceived("it can't be reached") from None
    except NotReceived:
        raise
    except Exception as error:
        # httpx documents a dozen classes; below it, anyio, h11, ssl, and idna have
        # their own.
        raise NotReceived(f"the connection broke off ({type(error).__name__})") from None
    finally:
        # Not `asyncio.run`: that waits for a look-up of a name that hangs.
        line.remove(task)
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _exchange(
    url: str, headers: Mapping[str, str], content: bytes, seconds: float
) -> Received:
    async with (
        asyncio.timeout(seconds),
        httpx.AsyncClient(
            verify=tls_context(), timeout=seconds, follow_redirects=False
        ) as client,
        client.stream("POST", url, content=content, headers=dict(headers)) as response,
    ):
        body = await _read(response)
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    return Received(response.status_code, response.headers, _unpacked(body, encoding))


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MOST_BYTES:
            raise NotReceived("its answer is too long")
    return bytes(body)


def _unpacked(body: bytes, encoding: str) -> bytes:
    """Return the body without its compression, which was not asked for.

    A small body may unpack to gigabytes.
    """
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise NotReceived("its answer is compressed in an unknown way")
    unpacker = zlib.decompressobj(wbits=_ANY_ZLIB)
    try:
        unpacked = unpacker.decompress(body, MOST_BYTES)
    except zlib.error:
        raise NotReceived("its answer is broken or cut off") from None
    if unpacker.unconsumed_tail:
        raise NotReceived("its answer is too long")
    return unpacked
