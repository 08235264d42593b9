"""The installation's budget of tokens a month, over all teams.

A request reserves its tokens before it is sent, and its bill replaces the reservation:

    ticket = uuid4()
    pace.take(1_200, ticket)          # reserves, or raises InstallationSpent
    reply = client.ask(...)
    pace.count(team_id, reply.tokens_in, reply.tokens_out, ticket)

`pace.take` holds the lock of the model's row meanwhile, so workers cannot reserve the
same tokens twice.
"""

from datetime import date, datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Sum
from django.utils import timezone

from apps.metrics.llm_models import LlmPace, LlmReservation, LlmUse

# A worker that was killed cannot release its reservation. No request takes this long.
HELD_FOR = timedelta(minutes=5)


class InstallationSpent(Exception):
    """The rest of the installation's budget is too small for a request.

    The message is for members.
    """

    def __init__(self) -> None:
        super().__init__(
            f"This installation's budget for AI summaries is used up until {day_of_renewal()}."
        )


def is_switched_off() -> bool:
    """Return whether the installation's budget is 0, which switches the model off."""
    return int(settings.LLM_INSTALLATION_MONTHLY_TOKENS) == 0


def month_of(now: datetime) -> date:
    """Return the first day of the month, which names it."""
    return now.date().replace(day=1)


def day_of_renewal() -> str:
    """Return the day on which the next month's budget begins, in UTC, for example "1
    December".
    """
    # 31 days after the first of a month always lie in the next one.
    next_month = month_of(timezone.now().replace(day=1) + timedelta(days=31))
    return f"{next_month.day} {next_month:%B}"


def used() -> int:
    """Return the tokens of this month's answers, over all teams."""
    month = LlmUse.objects.across_teams().filter(month=month_of(timezone.now()))
    total = month.aggregate(tokens_in=Sum("tokens_in"), tokens_out=Sum("tokens_out"))
    return int((total["tokens_in"] or 0) + (total["tokens_out"] or 0))


def reserved() -> int:
    """Return the tokens of requests that have no answer yet, over all teams."""
    held = LlmReservation.objects.filter(expires_at__gt=timezone.now())
    return int(held.aggregate(tokens=Sum("tokens"))["tokens"] or 0)


def has_room(tokens: int) -> bool:
    """Return whether a request of so many tokens fits now, or must wait for answers
    under way.

    Raises InstallationSpent if it would not fit even if those cost nothing.
    """
    # Reservations come first: a bill that replaces one in between is counted twice,
    # never not at all.
    held = reserved()
    left = int(settings.LLM_INSTALLATION_MONTHLY_TOKENS) - used()
    if tokens > left:
        raise InstallationSpent
    return tokens <= left - held


def reserve(tokens: int, ticket: UUID) -> None:
    """Hold the tokens until `release`, or for HELD_FOR."""
    now = timezone.now()
    LlmReservation.objects.filter(expires_at__lte=now).delete()
    LlmReservation.objects.create(pk=ticket, tokens=tokens, expires_at=now + HELD_FOR)


def release(ticket: UUID) -> None:
    """End a reservation, if it is still held."""
    LlmReservation.objects.filter(pk=ticket).delete()


def is_used_up(key: str) -> bool:
    """Return whether the request that was refused last this month would be refused
    again.

    `key` is that of the model's row, `pace.key()`.
    """
    left = int(settings.LLM_INSTALLATION_MONTHLY_TOKENS) - used()
    row = LlmPace.objects.filter(pk=key).first()
    if row is None or row.refused_at is None or row.refused_tokens is None:
        return left <= 0
    this_month = month_of(row.refused_at) == month_of(timezone.now())
    return left <= 0 or (this_month and left < row.refused_tokens)
