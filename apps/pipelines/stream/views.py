"""The stream's view in Django, behind the product's own gate. It answers the requests
that the endpoint passes on.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from apps.pipelines.models import Run
from apps.pipelines.projection import project
from apps.pipelines.stream import frames

View = Callable[..., HttpResponse]


def run_stream(view: View) -> View:
    """Mark the view of a run's stream, whose address has a `run_id`. The endpoint
    serves the requests that the gate admits.

    If no user is logged in, htmx gets a 401. At its first connect it then reloads its
    page, which redirects to the login page; when it reconnects to a stream, it waits
    longer each time. htmx would take any response without an error status for a stream
    that ended at once, and reconnect twice a second.
    """

    @wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if "HX-Request" in request.headers and not request.user.is_authenticated:
            return HttpResponse(
                status=401, headers={"HX-Refresh": "true", "Cache-Control": "no-store"}
            )
        return view(request, *args, **kwargs)

    answered.streams_a_run = True  # type: ignore[attr-defined]
    return answered


def silence_limit() -> int:
    """Return after how many seconds without a byte a page must treat its stream as
    lost.

    That is two keep-alives and a second. A GRIP proxy sends its own keep-alive every 20
    s.
    """
    if getattr(settings, "GRIP_URL", ""):
        return 41
    return int(2 * frames.KEEP_ALIVE_EVERY) + 1


def respond(request: HttpRequest, run: Run) -> HttpResponse:
    """Return the response of such a view. Call it once the view's own gate is passed.

    A GRIP proxy gets the instruction to hold the stream. Every other client gets the
    events that it lacks and polls for more: windows of one browser beyond its first
    three (`?once`), and all clients on servers without the endpoint in front of Django.
    """
    query = frames.CursorQuery(request.GET)
    is_held = getattr(settings, "GRIP_URL", "") and not query.has("once")
    if is_held and request.grip.signed:  # type: ignore[attr-defined]
        from apps.pipelines.stream import grip

        return grip.hold(request, run)
    projection = project(run.pk)
    cursor = frames.cursor_from(request.headers.get("Last-Event-ID"), query.values["seq"])
    body = frames.OPENING + frames.catch_up(projection, cursor)
    if not projection.is_live:
        body += frames.done(projection)
    return HttpResponse(body, headers=frames.HEADERS)
