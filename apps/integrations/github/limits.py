"""GitHub's limits as they stand in response headers, and connection errors in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from apps.integrations.github.errors import RateLimited

# GitHub asks for at least a minute where it gives no time.
SECONDARY_WAIT = timedelta(seconds=60)
LONGEST_WAIT = timedelta(hours=2)
# GitHub's clock and ours differ a little.
MARGIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Rate:
    """Points of the current hour: how many there are, how many are left, when they are all back."""

    limit: int
    remaining: int
    resets_at: datetime


def read_rate(headers: Mapping[str, str]) -> Rate | None:
    """The points as the headers tell them; None where they don't."""
    limit, remaining = _number(headers, "x-ratelimit-limit"), _number(headers, "x-ratelimit-remaining")
    resets_at = reset_time(headers)
    if limit is None or remaining is None or resets_at is None:
        return None
    return Rate(limit, remaining, resets_at)


def reset_time(headers: Mapping[str, str]) -> datetime | None:
    """When the hourly limit is renewed; None where the headers do not say, or say something impossible."""
    seconds, now = _number(headers, "x-ratelimit-reset"), timezone.now()
    if seconds is None or seconds > (now + LONGEST_WAIT).timestamp():
        return None
    return datetime.fromtimestamp(seconds, UTC) + MARGIN


def limit_in(headers: Mapping[str, str], message: str, status: int) -> RateLimited | None:
    """The limit that an answer tells of, in the order in which GitHub asks us to read it."""
    now = timezone.now()
    retry_after = _number(headers, "retry-after")
    if retry_after is not None:
        wait = min(timedelta(seconds=retry_after), LONGEST_WAIT)
        return RateLimited(now + wait + MARGIN, secondary=True)
    if _number(headers, "x-ratelimit-remaining") == 0:
        return RateLimited(max(reset_time(headers) or now + SECONDARY_WAIT, now + MARGIN))
    if status == 429 or "rate limit" in message.lower():
        return RateLimited(now + SECONDARY_WAIT, secondary=True, told=False)
    return None


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 15 else None


def connection_words(technical: str) -> str:
    """Why no connection came about, from the network library's words."""
    known = {
        "refused": "the connection was refused",
        "certificate": "its certificate is not trusted",
        "ssl": "no secure connection could be made",
        "name or service": "there is no host of that name",
        "nodename": "there is no host of that name",
        "name resolution": "the name could not be looked up",
        "unreachable": "the network is unreachable",
    }
    lowered = technical.lower()
    return next((words for part, words in known.items() if part in lowered), "no connection could be made")
