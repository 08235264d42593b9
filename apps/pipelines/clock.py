"""The time that leases, deadlines and back-offs are measured in.

Several machines share a PostgreSQL, and their clocks differ, so there the database's clock counts. SQLite lives on one
machine, whose clock Python reads with more digits than SQLite 3.40 can.
"""

from datetime import datetime

from django.db import connection
from django.utils import timezone


def now() -> datetime:
    """The current time, aware, in UTC."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment
