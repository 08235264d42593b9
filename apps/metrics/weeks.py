"""Weeks: they begin on Monday at 00:00 in a team's time zone.

week_of(datetime(2026, 2, 11, tzinfo=UTC))     # date(2026, 2, 9), the Monday
week_label(date(2026, 2, 9))                   # "2026-W07"
week_start(date(2026, 2, 9), zone)             # the first instant of that week
"""

from datetime import UTC, date, datetime, timedelta, tzinfo

WEEK = timedelta(days=7)


def week_of(moment: datetime, zone: tzinfo = UTC) -> date:
    """Return the Monday of an aware datetime's ISO week, in a time zone."""
    day = moment.astimezone(zone).date()
    return day - timedelta(days=day.weekday())


def week_label(week: date) -> str:
    """Return the ISO year and ISO week of a Monday, like `2026-W07`."""
    year, number, _ = week.isocalendar()
    return f"{year:04d}-W{number:02d}"


def week_start(week: date, zone: tzinfo = UTC) -> datetime:
    """Return the first instant of a week, which its Monday names, in a time zone."""
    return datetime(week.year, week.month, week.day, tzinfo=zone)
