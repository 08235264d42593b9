"""The clock of leases, deadlines, and back-offs.

Several machines share a PostgreSQL server, and their clocks differ. On PostgreSQL the
time is therefore the database's: it is read every `ASK_EVERY` seconds, and between two
readings this machine adds the seconds that have passed, by a clock that cannot be set.
SQLite lives on one machine, whose clock Python reads with more digits than SQLite 3.40
can.
"""

import time
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

# The database's time is read again after so many seconds. Two quartz clocks drift apart
# by less than 2 ms in that time.
ASK_EVERY = 10.0
# By database name (tests have databases of their own): its time at the last reading,
# and what `_count` returned then.
_heard: dict[str, tuple[datetime, float]] = {}


def _count() -> float:
    """Return the seconds since the boot, including the time that the machine slept if
    the system counts it.
    """
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def now() -> datetime:
    """Return the current time in UTC, as an aware datetime."""
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
