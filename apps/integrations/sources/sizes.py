"""How large a repository is: how many pull requests it has, and the days on which the
newest were opened.

The number in a window is exact if the window begins within these days. If it reaches
further back, the number follows from their pace.
"""

from datetime import UTC, date, datetime, timedelta
from typing import TypedDict

from django.utils import timezone


class Size(TypedDict):
    """`days` are the days on which the newest were opened, as ordinals
    (`date.toordinal`), newest first.
    """

    total: int
    days: list[int]


def in_window(size: Size, since: datetime) -> int:
    """Return about how many pull requests were opened since then."""
    first = since.astimezone(UTC).toordinal()
    within = sum(day >= first for day in size["days"])
    if within < len(size["days"]) or size["total"] <= within or not within:
        return within
    today = timezone.now().astimezone(UTC).toordinal()
    pace = within / max(1, today - size["days"][-1])
    return min(size["total"], round(pace * (today - first)))


def is_exact(size: Size, since: datetime) -> bool:
    """Return whether `in_window` counts every pull request instead of estimating from
    the newest hundred.
    """
    first = since.astimezone(UTC).toordinal()
    within = sum(day >= first for day in size["days"])
    return within < len(size["days"]) or size["total"] <= within or not within


def weeks(size: Size, count: int) -> list[int | None]:
    """Return how many were opened in each of the last `count` weeks, oldest first; None
    for weeks before the newest hundred.
    """
    today = timezone.now().astimezone(UTC).date()
    first = today - timedelta(days=today.weekday(), weeks=count - 1)
    bins = [0] * count
    for day in size["days"]:
        week = (date.fromordinal(day) - first).days // 7
        if 0 <= week < count:
            bins[week] += 1
    if len(size["days"]) == size["total"] or not size["days"]:
        return list(bins)
    known = (date.fromordinal(size["days"][-1]) - first).days // 7 + 1
    return [None if index < known else opened for index, opened in enumerate(bins)]
