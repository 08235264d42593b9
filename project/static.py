"""Static files from the web process itself, under ASGI too."""

from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """WhiteNoise with asynchronous iterators. For its synchronous ones Django logs a
    warning under ASGI, and reads the whole file first.
    """

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> StreamingHttpResponse:
        response: StreamingHttpResponse = WhiteNoiseMiddleware.serve(static_file, request)
        if isinstance(request, ASGIRequest):
            response.streaming_content = _in_thread(
                cast("Iterator[bytes]", response.streaming_content)
            )
        return response


async def _in_thread(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the chunks, each read in a thread."""
    following = sync_to_async(lambda: next(chunks, b""))
    while chunk := await following():
        yield chunk
