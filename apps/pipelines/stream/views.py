"""The stream's address in Django: what is left for it after the endpoint, behind the
product's own gate.
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
    """Mark the view of a run's stream, whose address has a `run_id`; the endpoint
    serves those that the gate admits.

    Where nobody is signed in, htmx gets a 401: at its first connect it then loads its
    page again, and with it the log-in page; when it comes back to a stream it waits
    longer each time. Anything that is no error it would take for a stream that ends at
    once, and come back twice a second.
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
    """Return after how many seconds without a byte a page must take its stream for
    lost.

    That is two keep-alives and a second. A GRIP proxy sends its own, every 20 s.
    """
    if getattr(settings, "GRIP_URL", ""):
        return 41
    return int(2 * frames.KEEP_ALIVE_EVERY) + 1


def respond(request: HttpRequest, run: Run) -> HttpResponse:
    """To be called by such a view once its own gate is passed.

    A GRIP proxy is told to hold the stream. Everybody else gets what they lack and
    comes back for more: windows of one browser beyond its first three (`?once`), and
    all on servers where the endpoint is not in front of Django.
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
