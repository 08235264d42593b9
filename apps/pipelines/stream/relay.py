"""How the hub of a web process learns that another process wrote events. A relay only
starts a check; it carries no events.

    Redis        a subscriber; it connects again for ever, and checks everything when it does and every 2 s
    SQLite       reads the file's change counter 20 times a second, by a connection of its own
    PostgreSQL   without Redis: the numbers of the watched runs, 4 times a second

A relay runs while there are viewers and is cancelled with the last one.
"""

import asyncio
import contextlib
import logging
import sqlite3
import time
from pathlib import Path
from uuid import UUID

import redis.asyncio
from django.conf import settings
from django.db import connection

from apps.pipelines.stream import hints, reader
from apps.pipelines.stream.hub import Hub
from apps.redis_client import UNUSABLE

logger = logging.getLogger(__name__)

TAIL_EVERY = 0.05
POLL_EVERY = 0.25
RESYNC_EVERY = 2.0


async def relay(hub: Hub) -> None:
    """Run the relay that fits the settings."""
    if settings.REDIS_URL:
        await subscribe(hub)
    elif connection.vendor == "sqlite" and not connection.is_in_memory_db():  # type: ignore[attr-defined]
        await tail(hub)
    else:
        await poll(hub)


async def tail(hub: Hub) -> None:
    """Check runs when the file changes. Ids of events rise in the order of commits,
    because SQLite has one writer at a time.
    """
    # A connection of its own, because the counter does not change for commits of the
    # same connection.
    address = f"{Path(connection.settings_dict['NAME']).absolute().as_uri()}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True)) as file:
        seen, newest = _version(file), await hub.in_thread(reader.newest_event)
        hub.look()
        while True:
            await asyncio.sleep(TAIL_EVERY)
            version = _version(file)
            if version != seen:
                run_ids, newest = await hub.in_thread(reader.runs_after, newest)
                seen = version
                hub.look(run_ids)


def _version(file: sqlite3.Connection) -> int:
    """Return a number that changes with each commit of another connection.

    It takes about 0.01 ms, so it needs no thread.
    """
    version: int = file.execute("PRAGMA data_version").fetchone()[0]
    return version


async def poll(hub: Hub) -> None:
    while True:
        hub.look()
        await asyncio.sleep(POLL_EVERY)


async def subscribe(hub: Hub) -> None:
    while True:
        try:
            await _listen(hub)
        except UNUSABLE as error:
            logger.warning(
                "Redis is away (%s); runs are looked at every %.0f s until it is back.",
                error,
                RESYNC_EVERY,
            )
        hub.look()
        await asyncio.sleep(RESYNC_EVERY)


async def _listen(hub: Hub) -> None:
    client = redis.asyncio.from_url(settings.REDIS_URL, socket_connect_timeout=RESYNC_EVERY)
    async with client, client.pubsub(ignore_subscribe_messages=True) as pubsub:
        await pubsub.subscribe(hints.channel())
        looked = 0.0
        while True:
            # Check even if the connection seems well: a writer that could not reach
            # Redis has published nothing.
            if time.monotonic() - looked >= RESYNC_EVERY:
                looked = time.monotonic()
                hub.look()
            message = await pubsub.get_message(timeout=RESYNC_EVERY)
            if message and message["type"] == "message":
                # A message of another program on the same channel is ignored.
                with contextlib.suppress(ValueError):
                    hub.look([UUID(run_id) for run_id in message["data"].decode().split()])
