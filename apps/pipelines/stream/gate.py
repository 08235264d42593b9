"""The one gate of every stream: django-eventstream's channel manager. Both its view and
the project's own endpoint ask it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone
from django_eventstream.channelmanager import ChannelManagerBase
from django_eventstream.utils import get_channelmanager

from apps.pipelines.models import Run
from apps.pipelines.stream import hooks

PREFIX = "run-"


def channel_of(run_id: Any) -> str:
    return f"{PREFIX}{run_id}"


def run_of(channel: str) -> UUID:
    """Return the id of the run that a channel belongs to. For any other channel return
    the nil id, which no run has.
    """
    try:
        return UUID(channel.removeprefix(PREFIX) if channel.startswith(PREFIX) else "")
    except ValueError:
        return UUID(int=0)


class RunChannels(ChannelManagerBase):  # type: ignore[misc]
    """A channel for each run.

    The product decides who may read one; by default no user may.
    """

    def get_channels_for_request(
        self, request: HttpRequest, view_kwargs: Mapping[str, Any]
    ) -> set[str]:
        return {channel_of(view_kwargs["run_id"])}

    def can_read_channel(self, user: Any, channel: str) -> bool:
        return self.can_read_at(user, channel, {})

    def can_read_at(self, user: Any, channel: str, address: Mapping[str, Any]) -> bool:
        """Return whether the user may read a channel at an address whose other parts
        must fit the run.
        """
        run = Run.objects.filter(pk=run_of(channel)).first()
        return run is not None and self.can_read_run(user, run, address)

    def can_read_run(self, user: Any, run: Run, address: Mapping[str, Any]) -> bool:
        """Return whether the product lets this user watch the run at this address."""
        return hooks.may_watch(user, run, address)

    def is_channel_reliable(self, channel: str) -> bool:
        return True


class Ticket(NamedTuple):
    """The session and address of a viewer. It is checked again while the viewer stays."""

    session_key: str
    channel: str
    address: tuple[tuple[str, Any], ...]


def ticket_for(request: HttpRequest, view_kwargs: Mapping[str, Any]) -> Ticket:
    (channel,) = get_channelmanager().get_channels_for_request(request, view_kwargs)
    rest = tuple(sorted((name, part) for name, part in view_kwargs.items() if name != "run_id"))
    return Ticket(request.COOKIES.get(settings.SESSION_COOKIE_NAME, ""), channel, rest)


def is_valid(ticket: Ticket) -> bool:
    """Return whether the session of the ticket may read its channel now, with two or
    three queries.
    """
    if not ticket.session_key:
        return False
    allowed: bool = get_channelmanager().can_read_at(
        _user_of(ticket.session_key), ticket.channel, dict(ticket.address)
    )
    return allowed


def refused(tickets: Iterable[Ticket]) -> set[Ticket]:
    """Return the tickets that are no longer valid. Called in the hub's thread, whose
    connection is closed if the database is away.
    """
    try:
        return _refused(list(tickets))
    except Exception:
        connection.close()
        raise


def _refused(tickets: Sequence[Ticket]) -> set[Ticket]:
    """Return the tickets that are no longer valid.

    Reads all their sessions and runs at once.
    """
    manager = get_channelmanager()
    sessions = _read_sessions({ticket.session_key for ticket in tickets if ticket.session_key})
    runs = Run.objects.in_bulk({run_of(ticket.channel) for ticket in tickets})
    users: dict[str, Any] = {}
    refused = set()
    for ticket in tickets:
        key, run = ticket.session_key, runs.get(run_of(ticket.channel))
        if run is None or key not in sessions:
            refused.add(ticket)
            continue
        if key not in users:
            users[key] = _user_of(key, sessions[key])
        if not manager.can_read_run(users[key], run, dict(ticket.address)):
            refused.add(ticket)
    return refused


def _read_sessions(keys: Collection[str]) -> dict[str, Any]:
    """Return the content of each session that has not ended; None if only the session's
    own backend can read it.
    """
    store = import_module(settings.SESSION_ENGINE).SessionStore
    if not hasattr(store, "get_model_class"):
        return dict.fromkeys(keys)
    current = store.get_model_class().objects.filter(
        session_key__in=keys, expire_date__gt=timezone.now()
    )
    rows = current.values_list("session_key", "session_data")
    return {key: store().decode(data) for key, data in rows}


def _user_of(session_key: str, content: Any = None) -> Any:
    """Return the user of a session, or None.

    `content` is the session's if it has been read already.
    """
    request = HttpRequest()
    session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    if content is not None:
        session._session_cache = content
    # A stream cannot set a cookie, so the session must keep its key. Django would
    # change it after a change of SECRET_KEY.
    session.cycle_key = session.flush = _leave_alone
    request.session = session
    user = get_user(request)
    return user if user.is_authenticated and hooks.is_current(session, user) else None


def _leave_alone() -> None:
    pass
