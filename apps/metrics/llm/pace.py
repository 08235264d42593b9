"""The model's limits a minute, shared by all workers through the database, and the team's budget a month."""

import hashlib
from datetime import date, datetime

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from apps.metrics.llm.client import Limited
from apps.metrics.llm.models import LlmPace, LlmSettings, LlmUse

WINDOW = 60.0
# The share of a limit that is used: the server counts a little otherwise than we do.
SHARE = 0.9


def key() -> str:
    """Names the server and the account without giving the key away."""
    return hashlib.sha256(f"{settings.LLM_BASE_URL}\0{settings.GROQ_API_KEY}".encode()).hexdigest()


def take(tokens: int) -> float:
    """0 where a request of so many tokens may go, and is counted; else after how many seconds to ask. Raises Limited."""
    with transaction.atomic():
        pace = _locked()
        now = timezone.now()
        if pace.blocked_until and pace.blocked_until > now:
            raise Limited(pace.blocked_until)
        at = now.timestamp()
        sent = [entry for entry in pace.sent if entry[0] > at - WINDOW]
        wait = _wait(sent, at, tokens, pace.tokens_a_minute or settings.LLM_TOKENS_A_MINUTE)
        if not wait:
            pace.sent = [*sent, [at, tokens]]
            pace.save(update_fields=["sent"])
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
    # One that is larger than the limit goes alone.
    return 0.0


def told(tokens_a_minute: int | None) -> None:
    """Keep the limit that the server told."""
    if tokens_a_minute is not None:
        LlmPace.objects.filter(pk=key()).exclude(tokens_a_minute=tokens_a_minute).update(
            tokens_a_minute=tokens_a_minute
        )


def block(until: datetime) -> None:
    """Nobody asks before then."""
    with transaction.atomic():
        pace = _locked()
        if pace.blocked_until is None or pace.blocked_until < until:
            pace.blocked_until = until
            pace.save(update_fields=["blocked_until"])


def _locked() -> LlmPace:
    LlmPace.objects.get_or_create(pk=key())
    return LlmPace.objects.select_for_update().get(pk=key())


def settings_of(team_id: int) -> LlmSettings:
    """The team's, or what holds without."""
    return LlmSettings.objects.for_team(team_id).first() or LlmSettings(
        team_id=team_id, monthly_tokens=settings.LLM_MONTHLY_TOKENS
    )


def month_of(now: datetime) -> date:
    return now.date().replace(day=1)


def used(team_id: int) -> int:
    """Tokens of this month."""
    row = LlmUse.objects.for_team(team_id).filter(month=month_of(timezone.now())).first()
    return row.tokens_in + row.tokens_out if row else 0


def count(team_id: int, tokens_in: int, tokens_out: int) -> None:
    """Put an answer on the bill. In the transaction that stores it."""
    month = month_of(timezone.now())
    LlmUse.objects.across_teams().get_or_create(team_id=team_id, month=month)
    LlmUse.objects.for_team(team_id).filter(month=month).update(
        requests=F("requests") + 1, tokens_in=F("tokens_in") + tokens_in, tokens_out=F("tokens_out") + tokens_out
    )
