"""The end of a page of the API's pull requests, as a text that the next request sends
back.

>>> encode(datetime(2026, 2, 9, tzinfo=UTC), 42, 7)
'1770595200000000.42.7'

A cursor names a place in the order and not a row, so paging goes on after the row is
deleted.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Q
from django.db.models.functions import Coalesce

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = datetime.min.replace(tzinfo=UTC)
LAST = datetime.max.replace(tzinfo=UTC)
# How long the parts may be; `document.CURSOR_PATTERN` has the same.
DIGITS = (18, 10, 18)
MAX_NUMBER = 2_147_483_647
# A direct commit has no number and comes after the pull requests of its moment.
NO_NUMBER = 0


def ordered(pulls: Any) -> Any:
    """Return a queryset of pull requests in the order of the API: the newest first."""
    return pulls.annotate(place=Coalesce("number", NO_NUMBER)).order_by(
        "-created_at", "-place", "-pk"
    )


def encode(created_at: datetime, number: int | None, key: int) -> str:
    """Return the cursor of a pull request."""
    microseconds = (created_at - EPOCH) // timedelta(microseconds=1)
    return f"{microseconds}.{number or NO_NUMBER}.{key}"


def after(cursor: str) -> Q:
    """Return the condition for what comes after a cursor, for a queryset of `ordered`.

    Raises ValueError for a text that is no cursor.
    """
    parts = cursor.removeprefix("-").split(".")
    if len(parts) != len(DIGITS) or not all(map(_is_number, parts, DIGITS)):
        raise ValueError("before is the `next` of the answer before.")
    microseconds, number, key = (int(part) for part in cursor.split("."))
    moment = _moment(microseconds)
    # A larger number would not fit into the column, and a database would refuse it.
    place = min(number, MAX_NUMBER)
    same_moment = Q(created_at=moment)
    # The first condition is implied by the others; databases use its index.
    return Q(created_at__lte=moment) & (
        Q(created_at__lt=moment)
        | same_moment & (Q(place__lt=place) | Q(place=place, pk__lt=key))
    )


def _is_number(text: str, digits: int) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= digits


def _moment(microseconds: int) -> datetime:
    """Return the moment, or the end of the calendar that lies beyond it."""
    try:
        return EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return LAST if microseconds > 0 else FIRST
