"""The numbers that a model's server sends, each checked: limits, pauses, and costs.

pause({"retry-after": "25920"})       # 7 h 12 min
pause({"retry-after": "inf"})         # None: it gave no time
tokens(10**19)                        # None: no request of ours costs that much
"""

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from django.utils import timezone

LONGEST_PAUSE = timedelta(hours=24)
# Tokens that one request can cost at most, and that a server may allow a minute at
# most.
MOST_TOKENS = 1_000_000
MOST_A_MINUTE = 1_000_000_000
# A number in a header has no more characters.
_LONGEST = 40
# `6m0s`, `1.5s`, `320ms`, as OpenAI and Groq write when a limit is whole again.
_SPAN = re.compile(
    r"(?:(\d{1,4})h)?(?:(\d{1,4})m(?!s))?(?:(\d{1,6}(?:\.\d{1,9})?)s)?(?:(\d{1,9})ms)?"
)


def pause(headers: Mapping[str, str]) -> timedelta | None:
    """Return how long the server wants no requests, at most a day; None if it sent no
    usable time.
    """
    # It is the more exact one, so it comes first.
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return _bounded(milliseconds / 1000)
    asked = headers.get("retry-after", "").strip()[:_LONGEST]
    if not asked:
        return _span(headers.get("x-ratelimit-reset-tokens", "")) or _span(
            headers.get("x-ratelimit-reset-requests", "")
        )
    seconds = _number(asked)
    if seconds is not None:
        return _bounded(seconds)
    try:
        moment = parsedate_to_datetime(asked)
        return _bounded((moment - timezone.now()).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return _span(asked)


def _number(text: str) -> float | None:
    """Return a finite number; None for everything else."""
    try:
        number = float(text.strip()[:_LONGEST])
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _span(text: str) -> timedelta | None:
    found = _SPAN.fullmatch(text.strip()[:_LONGEST])
    if found is None or not found[0]:
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in found.groups())
    return _bounded(hours * 3600 + minutes * 60 + seconds + milliseconds / 1000)


def _bounded(seconds: float) -> timedelta:
    return timedelta(seconds=min(max(seconds, 0.0), LONGEST_PAUSE.total_seconds()))


def tokens_a_minute(headers: Mapping[str, str]) -> int | None:
    """Return the limit that the server sent; None without a usable one."""
    limit = headers.get("x-ratelimit-limit-tokens", "").strip()
    if not limit.isascii() or not limit.isdecimal() or len(limit) > len(str(MOST_A_MINUTE)):
        return None
    number = int(limit)
    return number if 0 < number <= MOST_A_MINUTE else None


def tokens(value: Any) -> int | None:
    """Return a count of tokens as a whole number; None if it is missing, zero, or not
    believable.
    """
    if isinstance(value, str) and len(value) <= _LONGEST:
        value = _number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # NaN fails both comparisons.
    if not 0 < value <= MOST_TOKENS:
        return None
    return math.ceil(value)
