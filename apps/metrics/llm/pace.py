"""The model's limits a minute, shared by all workers through the database, and the
team's budget a month.

A server that wants to be left alone is left alone by all workers, for a pause that
grows until an answer comes:

    until = pace.block(Cause.RATE_LIMIT, asked=timedelta(seconds=0))     # 1 s, then 2, 4, … up to 15 min
    pace.take(1_200)                                                     # raises Limited before `until`
    pace.answered()                                                      # the next pause is a short one again
"""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.metrics.llm import budget
from apps.metrics.llm.outcomes import Cause
from apps.metrics.llm_models import LlmPace, LlmSettings, LlmUse

WINDOW = 60.0
# Seconds until a request asks again that fits only if answers under way cost less than
# they reserved.
WAIT_FOR_ANSWERS = 0.5
# The share of a limit that is used: the server counts a little otherwise than we do.
SHARE = 0.9
# The first pause after each cause, doubled each time, and the longest one. What the
# server asks for counts if it is longer.
PAUSES = {
    Cause.RATE_LIMIT: (timedelta(seconds=1), timedelta(minutes=15)),
    Cause.UNREACHABLE: (timedelta(seconds=20), timedelta(hours=1)),
    Cause.UNUSABLE: (timedelta(minutes=1), timedelta(hours=1)),
    Cause.QUOTA: (timedelta(minutes=15), timedelta(hours=6)),
}
# A limit without a time is one a minute.
UNSTATED = timedelta(seconds=60)
# 2 to this power is longer than each longest pause.
_MOST_DOUBLINGS = 12


class Limited(Exception):
    """No request may be sent to the server before `until`."""

    def __init__(self, until: datetime, cause: str = Cause.RATE_LIMIT) -> None:
        super().__init__("The language model asks for a pause.")
        self.until = until
        self.cause = Cause(cause) if cause in list(Cause) else Cause.RATE_LIMIT


def key() -> str:
    """Return a name of the server and the account that does not reveal the key."""
    return hashlib.sha256(
        f"{settings.LLM_BASE_URL}\0{settings.GROQ_API_KEY}".encode()
    ).hexdigest()


def take(tokens: int, ticket: UUID | None = None) -> float:
    """Return 0 if a request of so many tokens may be sent, or the seconds after which
    to ask again.

    A request that may be sent is counted, and its tokens are reserved under `ticket`
    until `count` or `release`. Raises Limited, and InstallationSpent.
    """
    try:
        return _take(tokens, ticket or uuid4())
    except budget.InstallationSpent:
        # The refusal itself was rolled back with the row, if the row was new.
        refusal = {"refused_tokens": tokens, "refused_at": timezone.now()}
        LlmPace.objects.update_or_create(pk=key(), defaults=refusal)
        raise


def _take(tokens: int, ticket: UUID) -> float:
    with transaction.atomic():
        pace = _locked()
        now = timezone.now()
        if pace.blocked_until and pace.blocked_until > now:
            raise Limited(pace.blocked_until, pace.cause)
        if not budget.has_room(tokens):
            return WAIT_FOR_ANSWERS
        at = now.timestamp()
        sent = [entry for entry in pace.sent if entry[0] > at - WINDOW]
        wait = _wait(sent, at, tokens, pace.tokens_a_minute or settings.LLM_TOKENS_A_MINUTE)
        if not wait:
            pace.sent = [*sent, [at, tokens]]
            pace.save(update_fields=["sent"])
            budget.reserve(tokens, ticket)
    return wait


def _wait(sent: list[list[float]], now: float, tokens: int, limit: int) -> float:
    free = int(settings.LLM_REQUESTS_A_MINUTE) - len(sent)
    if free <= 0:
        return max(0.05, sent[-int(settings.LLM_REQUESTS_A_MINUTE)][0] + WINDOW - now)
    over = sum(entry[1] for entry in sent) + tokens - limit * SHARE
    for at, spent in sent:
        if over <= 0:
            break
        over -= spent
        if over <= 0:
            return max(0.05, at + WINDOW - now)
    # A request that is larger than the limit is sent alone.
    return 0.0


def keep_limit(tokens_a_minute: int | None) -> None:
    """Keep the limit of tokens that the server sent, if it did."""
    if tokens_a_minute is not None:
        LlmPace.objects.filter(pk=key()).exclude(tokens_a_minute=tokens_a_minute).update(
            tokens_a_minute=tokens_a_minute
        )


def block(cause: Cause, asked: timedelta | None = None) -> datetime:
    """Stop the requests of all workers for a pause, and return when it ends.

    Args:
        asked: the pause that the server asked for, if it did.
    """
    now = timezone.now()
    with transaction.atomic():
        pace = _locked()
        first, longest = PAUSES[cause]
        waits = min(pace.waits, _MOST_DOUBLINGS)
        pause = min(first * 2**waits, longest)
        if asked is None and cause == Cause.RATE_LIMIT:
            asked = UNSTATED
        until: datetime = now + max(pause, asked or pause)
        if pace.blocked_until and pace.blocked_until > now:
            # Requests that were sent together met the same limit, so the later end
            # counts.
            until = max(until, pace.blocked_until)
        else:
            pace.waits = waits + 1
        pace.blocked_until, pace.cause = until, cause
        pace.save(update_fields=["blocked_until", "cause", "waits"])
    return until


def answered() -> None:
    """Let the next pause be a short one: the server has answered."""
    LlmPace.objects.filter(pk=key(), waits__gt=0).update(waits=0, cause="")


def unblock() -> None:
    """Let the server be asked now, because a person wants it, unless its own limit of
    requests is what stops it.
    """
    LlmPace.objects.filter(pk=key()).exclude(cause=Cause.RATE_LIMIT).update(blocked_until=None)


def _locked() -> LlmPace:
    LlmPace.objects.get_or_create(pk=key())
    return LlmPace.objects.select_for_update().get(pk=key())


def settings_of(team_id: int) -> LlmSettings:
    """Return the team's settings, or the defaults if it has none."""
    return LlmSettings.objects.for_team(team_id).first() or LlmSettings(
        team_id=team_id, monthly_tokens=settings.LLM_MONTHLY_TOKENS
    )


def used(team_id: int) -> int:
    """Return the tokens that the team has used this month."""
    row = LlmUse.objects.for_team(team_id).filter(month=budget.month_of(timezone.now())).first()
    return row.tokens_in + row.tokens_out if row else 0


def count(team_id: int, tokens_in: int, tokens_out: int, ticket: UUID | None = None) -> None:
    """Add an answer to the bill, in place of its reservation.

    Call it in the transaction that stores the answer.
    """
    month = budget.month_of(timezone.now())
    with transaction.atomic():
        LlmUse.objects.across_teams().get_or_create(team_id=team_id, month=month)
        LlmUse.objects.for_team(team_id).filter(month=month).update(
            requests=F("requests") + 1,
            tokens_in=F("tokens_in") + tokens_in,
            tokens_out=F("tokens_out") + tokens_out,
        )
        if ticket is not None:
            budget.release(ticket)
