"""Does mail leave? What `/healthz` and the metrics say of the outbox."""

from django.db.models import Count
from django.utils import timezone

from apps.mail.models import OutboxMessage, OutboxState

LATE_AFTER = 15 * 60.0  # seconds; a message is tried within moments, and again after half a minute


def oldest_due() -> float:
    """Seconds since the oldest message that has not left was written; 0 where all have."""
    waiting = OutboxMessage.objects.filter(state__in=[OutboxState.PENDING, OutboxState.SENDING])
    oldest = waiting.order_by("created_at").values_list("created_at", flat=True).first()
    return max(0.0, (timezone.now() - oldest).total_seconds()) if oldest else 0.0


def by_state() -> dict[str, int]:
    """How many messages are in each state, zero included."""
    counted = dict(OutboxMessage.objects.values_list("state").annotate(Count("pk")).order_by())
    return {state.value: counted.get(state.value, 0) for state in OutboxState}
