"""The time that leases, deadlines and back-offs are measured in.

Several machines share a PostgreSQL, and their clocks differ, so there the database's
clock counts: it is asked once in a while, and in between this machine only counts the
seconds since, by a clock that nobody sets. SQLite lives on one machine, whose clock
Python reads with more digits than SQLite 3.40 can.
"""

import time
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

# After so many seconds the database is asked again: two quartz clocks drift apart by
# less than 2 ms in that time.
ASK_EVERY = 10.0
# Of each database (its name tells tests' apart): what it said, and what the counting
# clock said then.
_heard: dict[str, tuple[datetime, float]] = {}


def _count() -> float:
    """Seconds since the boot, the time that the machine slept included where the system
    can tell.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def now() -> datetime:
    """The current time, aware, in UTC."""
    if connection.vendor != "postgresql":
        return timezone.now()
    name, count = connection.settings_dict["NAME"], _count()
    heard = _heard.get(name)
    if heard is None or not 0 <= count - heard[1] < ASK_EVERY:
        heard = _heard[name] = (_ask(), count)
    return heard[0] + timedelta(seconds=count - heard[1])


def _ask() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
