"""Streams beyond one machine's web processes: a GRIP proxy (Pushpin, Fastly) holds
them, through django-eventstream.

The address, the gate, and the frames are the same. The package's view answers the
proxy, and its storage interface reads the run's log. Events are sent to the proxy by
`publish_event` and not by `send_event`, which assumes that the previous event has the
number before. Here numbers count rows, and one frame may cover several rows.
"""

from collections import OrderedDict
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django_eventstream.event import Event
from django_eventstream.storage import StorageBase
from django_eventstream.utils import publish_event
from django_eventstream.views import events

from apps.pipelines.models import Run
from apps.pipelines.projection import project
from apps.pipelines.stream import frames, hooks
from apps.pipelines.stream.gate import channel_of, run_of

# The newest numbers that this process has published. Without them, a transaction that
# appends twice would publish its last state twice.
_published: OrderedDict[UUID, int] = OrderedDict()
_REMEMBERED = 100


class RunLog(StorageBase):  # type: ignore[misc]
    """A run's event log in the form of a channel.

    It always returns one event: the whole state of what has changed.
    """

    def append_event(self, channel: str, event_type: str, data: Any) -> Event:
        """Return an event with the current number. Its row already exists."""
        return Event(channel, event_type, data, id=self.get_current_id(channel))

    def get_events(self, channel: str, last_id: int, limit: int = 100) -> list[Event]:
        projection = project(run_of(channel))
        if last_id == projection.seq:
            return []
        since = last_id if 0 <= last_id <= projection.seq else None
        news = [Event(channel, "", hooks.render(projection, since), id=projection.seq)]
        return (
            news
            if projection.is_live
            else [*news, Event(channel, "done", projection.run["state"], projection.seq)]
        )

    def get_current_id(self, channel: str) -> int:
        return Run.objects.values_list("seq", flat=True).get(pk=run_of(channel))


def hold(request: HttpRequest, run: Run) -> HttpResponse:
    """Answer a proxy with what the client lacks, and with the instruction to hold its
    stream.
    """
    if not frames.CursorQuery(request.GET).has("link"):
        cursor = frames.cursor_from(
            request.headers.get("Last-Event-ID"), frames.CursorQuery(request.GET).values["seq"]
        )
        request.META["HTTP_LAST_EVENT_ID"] = (
            f"{channel_of(run.pk)}:{-1 if cursor is None else cursor}"
        )
    response: HttpResponse = events(request, run_id=run.pk)
    return response


def publish(run_id: UUID, before: int) -> None:
    """Send the proxy the frame for the events after number `before`.

    Call it after their commit.
    """
    projection = project(run_id)
    if _published.get(run_id, 0) >= projection.seq:
        return
    channel, html = channel_of(run_id), hooks.render(projection, before)
    publish_event(channel, "", html, str(projection.seq), str(before), blocking=False)
    if not projection.is_live:
        publish_event(channel, "done", projection.run["state"], None, None, blocking=False)
    _published[run_id] = projection.seq
    while len(_published) > _REMEMBERED:
        _published.popitem(last=False)
