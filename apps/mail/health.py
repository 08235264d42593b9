"""Whether email is being sent, as `/healthz` and the metrics report it from the outbox
and the outages.
"""

from django.db.models import Count
from django.utils import timezone

from apps.mail import outages
from apps.mail.models import MailOutage, OutboxMessage, OutboxState

LATE_AFTER = (
    15 * 60.0
)  # seconds; a message is tried within moments, and again after half a minute


def problem() -> str:
    """Return what an operator has to know, in a sentence; "" if email is being sent."""
    outage = outages.current()
    away = _age(outage)
    if outage is not None and (outage.needs_operator or away > LATE_AFTER):
        advice = " Check EMAIL_URL." if outage.needs_operator else ""
        return f"The mail server has taken no email for {away:.0f} s: {outage.reason}{advice}"
    waiting = oldest_due()
    if waiting > LATE_AFTER:
        return f"The oldest email has been waiting for {waiting:.0f} s."
    return ""


def outage_seconds() -> float:
    """Return for how many seconds the mail server has taken no messages; 0 if it takes
    them.
    """
    return _age(outages.current())


def _age(outage: MailOutage | None) -> float:
    return max(0.0, (timezone.now() - outage.began_at).total_seconds()) if outage else 0.0


def oldest_due() -> float:
    """Return the age in seconds of the oldest message that was not sent yet; 0 if all
    were sent.
    """
    waiting = OutboxMessage.objects.filter(state__in=[OutboxState.PENDING, OutboxState.SENDING])
    oldest = waiting.order_by("created_at").values_list("created_at", flat=True).first()
    return max(0.0, (timezone.now() - oldest).total_seconds()) if oldest else 0.0


def by_state() -> dict[str, int]:
    """Return how many messages are in each state, zero included."""
    counted = dict(OutboxMessage.objects.values_list("state").annotate(Count("pk")).order_by())
    return {state.value: counted.get(state.value, 0) for state in OutboxState}
