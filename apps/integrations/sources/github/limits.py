"""Read GitHub's limits from response headers, and describe connection errors."""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from django.utils import timezone

from apps.integrations.sources.github.errors import RateLimited

# Phrases by which GitHub names a limit, in lower case and with single spaces.
_LIMIT_WORDS = (
    "rate limit",
    "ratelimit",
    "abuse detection",
    "too many requests",
    "maximum number of login attempts",
    "throttl",
)
# Only this many bytes of a body are searched for the phrases.
_LONGEST_BODY = 64 * 1024
_TAG = re.compile(r"<[^<>]{0,1000}>")

# GitHub's documentation asks for at least a minute if a response names no time.
SECONDARY_WAIT = timedelta(seconds=60)
LONGEST_WAIT = timedelta(hours=2)
# GitHub's clock and this machine's differ a little.
MARGIN = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Rate:
    """Points of the current hour: how many there are, how many are left, and when all
    of them are available again.
    """

    limit: int
    remaining: int
    resets_at: datetime


def read_rate(headers: Mapping[str, str]) -> Rate | None:
    """Return the points from the headers; None if the headers do not contain them."""
    limit, remaining = (
        _number(headers, "x-ratelimit-limit"),
        _number(headers, "x-ratelimit-remaining"),
    )
    resets_at = reset_time(headers)
    if limit is None or remaining is None or resets_at is None:
        return None
    return Rate(limit, remaining, resets_at)


def reset_time(headers: Mapping[str, str]) -> datetime | None:
    """Return when the hourly limit is renewed, by this machine's clock; None if the
    headers name no time, or an impossible one.

    The wait is the reset minus the answer's own Date, because GitHub's clock and this
    machine's may be hours apart. If the Date is further from the reset than any limit
    lasts, it is a proxy's, and this machine's clock is used.
    """
    seconds = _number(headers, "x-ratelimit-reset")
    if seconds is None:
        return None
    longest = LONGEST_WAIT.total_seconds()
    wait = seconds - clock(headers).timestamp()
    if abs(wait) > longest:
        wait = seconds - timezone.now().timestamp()
    if wait > longest:
        return None
    return timezone.now() + timedelta(seconds=max(wait, 0)) + MARGIN


def clock(headers: Mapping[str, str]) -> datetime:
    """Return GitHub's time when it answered, in whole seconds; this machine's time if
    the answer has none.
    """
    try:
        shown = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        return timezone.now()
    return shown if shown.tzinfo else shown.replace(tzinfo=UTC)


def limit_in(headers: Mapping[str, str], message: str, status: int) -> RateLimited | None:
    """Return the limit of an answer, in the order in which GitHub's documentation
    checks it; None if there is none.

    `message` is the readable text of the body, whatever its format.
    """
    now = timezone.now()
    retry_after = _number(headers, "retry-after")
    # GitHub's documentation asks clients to check this header first.
    if retry_after is not None:
        wait = min(timedelta(seconds=retry_after), LONGEST_WAIT)
        return RateLimited(now + wait + MARGIN, secondary=True)
    if _number(headers, "x-ratelimit-remaining") == 0:
        return RateLimited(max(reset_time(headers) or now + SECONDARY_WAIT, now + MARGIN))
    if status == 429 or names_limit(message):
        return RateLimited(now + SECONDARY_WAIT, secondary=True, is_stated=False)
    return None


def names_limit(text: str) -> bool:
    """Return whether a text names a limit on requests.

    Example:
        names_limit("You have exceeded a secondary rate-limit.")    # True
    """
    lowered = text.lower()
    # GitHub writes “rate limit”, “rate-limit”, and the type RATE_LIMITED.
    for mark in "-_\u2011":
        lowered = lowered.replace(mark, " ")
    plain = " ".join(lowered.split())
    return any(words in plain for words in _LIMIT_WORDS)


def readable(body: bytes) -> str:
    """Return the text of a body, in JSON or HTML, in one line and without tags."""
    text = html.unescape(body[:_LONGEST_BODY].decode(errors="replace"))
    return " ".join(_TAG.sub(" ", text).split())


def _number(headers: Mapping[str, str], name: str) -> int | None:
    text = headers.get(name, "")
    # The length is limited, because a header may contain anything and `int` is slow for
    # long texts.
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 15 else None


def connection_words(technical: str) -> str:
    """Return the reason of a failed connection for users, from the network library's
    error.
    """
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
    return next(
        (words for part, words in known.items() if part in lowered),
        "no connection could be made",
    )
