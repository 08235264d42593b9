"""Which moments a pull request can have. No figure is computed from the others.

    created 21 October, merged 11 October     an import wrote the moment of the import
    created 1 October, merged in 2099         a clock was wrong
    created 1 January 1970                    a clock was not set

Such a pull request is kept and counts as merged, in the week of its merge if that is
possible. It has no duration, and the pages name it. Each rule here exists for one
moment, for columns of moments, and as a condition for the database; a test compares
them.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
from django.db.models import F, Q

# Clocks that are not set start in 1970, and no version control is older than this.
EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
# How far the clock of a source may be ahead of this machine's.
TOLERANCE = timedelta(days=1)
MOMENTS = ("created_at", "merged_at", "closed_at")
NEVER = np.datetime64("NaT", "us")


def latest() -> datetime:
    """Return the last moment that is possible now."""
    return datetime.now(UTC) + TOLERANCE


def is_possible(moment: datetime) -> bool:
    """Return whether a clock that is right can have shown this moment."""
    return EARLIEST <= moment <= latest()


def possible_span(began: datetime, ended: datetime) -> timedelta | None:
    """Return the time between two moments, or None if it is none: one is not possible,
    or the end comes first.
    """
    if not is_possible(began) or not is_possible(ended) or ended < began:
        return None
    return ended - began


def are_impossible(created_at: datetime, *ends: datetime | None) -> bool:
    """Return whether a pull request has a moment that is not possible, or an end before
    its beginning.
    """
    given = [moment for moment in ends if moment is not None]
    return not is_possible(created_at) or any(
        possible_span(created_at, end) is None for end in given
    )


def possible(moments: Any) -> Any:
    """Return a column of moments (datetime64[us], UTC) with NaT for each one that is
    not possible.
    """
    first, last = (
        np.datetime64(end.replace(tzinfo=None), "us") for end in (EARLIEST, latest())
    )
    # A comparison with NaT is false.
    return np.where((moments >= first) & (moments <= last), moments, NEVER)


def beginnings(created: Any, *ends: Any) -> Any:
    """Return the moments from which durations count: `created`, or NaT for what ends
    before it begins.

    All columns are of `possible` moments.
    """
    begun = created
    for end in ends:
        begun = np.where(end < created, NEVER, begun)
    return begun


def possible_condition(name: str) -> Q:
    """Return the condition that the moment of a field is possible."""
    return Q(**{f"{name}__gte": EARLIEST, f"{name}__lte": latest()})


def impossible_condition() -> Q:
    """Return the condition for pull requests of which `are_impossible` is true."""
    parts: Iterable[Q] = (
        *(Q(**{f"{name}__lt": EARLIEST}) | Q(**{f"{name}__gt": latest()}) for name in MOMENTS),
        *(Q(**{f"{name}__lt": F("created_at")}) for name in MOMENTS[1:]),
    )
    return reduce(or_, parts)
