"""Signs of life: a pulse for any process, and a mark for an event loop.

table = launch.supervise(Limits(silence=10, grace=5, reports=folder, name="web"))
if table is not None:
    pulse.start(table, "web")                                      # Python code runs in this process
    asyncio.create_task(pulse.keep_loop(table, "web", limit=30))   # the event loop turns
"""

import asyncio
import os
import threading
import time

from apps.supervision.table import PULSE, Table

EVERY = 0.2

_pulsing_in: int | None = None
_starting = threading.Lock()


def start(table: Table, owner: str) -> None:
    """Start this process's pulse, once; threads do not survive a fork.

    `owner` names the process in reports.
    """
    global _pulsing_in
    with _starting:
        if _pulsing_in == os.getpid():
            return
        _pulsing_in = os.getpid()
    threading.Thread(target=_pulse, args=(table, owner), name="pulse", daemon=True).start()


def _pulse(table: Table, owner: str) -> None:
    slot = table.take(owner, PULSE)
    while slot is not None:
        slot.alive()
        time.sleep(EVERY)


async def keep_loop(table: Table, owner: str, limit: float) -> None:
    """Mark that the event loop runs, until cancelled. If the loop is blocked for
    `limit` seconds, the supervisor ends the process.
    """
    slot = table.take(owner)
    if slot is None:
        return
    slot.mark('"the event loop"', limit)
    try:
        while True:
            await asyncio.sleep(min(1.0, limit / 4))
            slot.alive()
    finally:
        slot.release()
