"""How far back a sync goes."""

from calendar import monthrange
from datetime import datetime

from apps.pipelines.exceptions import Permanent

MOST_MONTHS = 600
MOST_DAYS = 18_300


def start(end: datetime, months: int) -> datetime:
    """The moment `months` calendar months before `end`; the day is clamped to the month's last. Raises Permanent."""
    if not 1 <= months <= MOST_MONTHS:
        raise Permanent(f"A sync goes back 1 to {MOST_MONTHS} months, not {months}.")
    year, month = divmod(end.year * 12 + end.month - 1 - months, 12)
    return end.replace(year=year, month=month + 1, day=min(end.day, monthrange(year, month + 1)[1]))
