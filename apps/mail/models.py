"""The outbox: every message that the product sends, from the transaction that caused it to its hand-over."""

from django.db import models


class OutboxState(models.TextChoices):
    """pending -> sending -> sent; a failure goes back to pending with a later `next_attempt_at`, or ends in failed.

    Without a mail server, pending -> kept: nobody was sent anything, and the row is all there is.
    """

    PENDING = "pending", "Pending"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    KEPT = "kept", "Kept"
    FAILED = "failed", "Failed"


class OutboxMessage(models.Model):
    """One message to one recipient; unique by what caused it and whom it is for."""

    dedupe_key = models.CharField(max_length=200)
    recipient = models.EmailField()
    subject = models.CharField(max_length=250)
    text = models.TextField()
    html = models.TextField(blank=True)
    from_email = models.CharField(max_length=250)
    message_id = models.CharField(max_length=250, unique=True)
    # Further headers, like List-Unsubscribe.
    headers = models.JSONField(default=dict, blank=True)
    state = models.CharField(max_length=20, choices=OutboxState, default=OutboxState.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True)
    owner = models.CharField(max_length=200, blank=True)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["dedupe_key", "recipient"], name="outbox_once")]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], name="outbox_due", condition=models.Q(state__in=["pending", "sending"])
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject} to {self.recipient} ({self.state})"
