"""How far back a sync goes: to a first day, which is fixed when the team is created.

    first_day(team.pk)                     # date(2025, 11, 29); None before the first setup
    widened(team.pk, date(2025, 11, 29))   # the same, or an earlier day that was read before
    midnight(date(2025, 11, 29))           # 2025-11-29 00:00 UTC, at which the sync begins

All days are days in UTC.
"""

from calendar import monthrange
from datetime import UTC, date, datetime, time

from django.db.models import Min

from apps.integrations.models import TrackedRepository
from apps.pipelines.exceptions import Permanent
from apps.teams.models import Team

MOST_MONTHS = 600
MOST_DAYS = 18_300


def start(end: datetime, months: int) -> datetime:
    """Return the moment `months` calendar months before `end`; the day is clamped to
    the month's last. Raises Permanent.
    """
    if not 1 <= months <= MOST_MONTHS:
        raise Permanent(f"A sync goes back 1 to {MOST_MONTHS} months, not {months}.")
    year, month = divmod(end.year * 12 + end.month - 1 - months, 12)
    return end.replace(
        year=year, month=month + 1, day=min(end.day, monthrange(year, month + 1)[1])
    )


def midnight(day: date) -> datetime:
    """Return the start of a day, in UTC."""
    return datetime.combine(day, time.min, UTC)


def day_of(moment: datetime) -> date:
    """Return the day of a datetime, in UTC."""
    return moment.astimezone(UTC).date()


def months_between(first: date, end: date) -> int:
    """Return how many calendar months before `end` reach back to `first`, at least 1
    and at most MOST_MONTHS.
    """
    months = (end.year - first.year) * 12 + end.month - first.month
    if start(midnight(end), min(max(1, months), MOST_MONTHS)).date() > first:
        months += 1
    return min(max(1, months), MOST_MONTHS)


def first_day(team_id: int) -> date | None:
    """Return the first day of the team's data; None if nothing was set up or read yet.

    For a team that was set up by an earlier release, it is the day back to which its
    repositories were read.
    """
    chosen: date | None = (
        Team.objects.filter(pk=team_id).values_list("history_start", flat=True).first()
    )
    if chosen is not None:
        return chosen
    read = TrackedRepository.objects.for_team(team_id).aggregate(earliest=Min("synced_since"))[
        "earliest"
    ]
    return None if read is None else day_of(read)


def widened(team_id: int, wanted: date) -> date:
    """Return the first day of a setup for which the user chose this day. A day back to
    which the team was read before stays, if it is earlier.

    Otherwise the figures back to that day would be incomplete. A day to which nothing
    was read, because the setup was canceled or failed, does not count.
    """
    has_read = (
        TrackedRepository.objects.for_team(team_id).filter(synced_since__isnull=False).exists()
    )
    known = first_day(team_id) if has_read else None
    return wanted if known is None else min(known, wanted)
