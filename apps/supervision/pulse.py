"""Signs of life of a process: a thread that marks that Python code runs in it.

table = launch.supervise(Limits(silence=10, grace=5, reports=folder, name="web"))
if table is not None:
    pulse.start(table, "web")
"""

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
