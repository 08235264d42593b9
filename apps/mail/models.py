"""The outbox: every message that the product sends, from the transaction that caused it
until the server took it.
"""

from django.db import models


class OutboxState(models.TextChoices):
    """pending -> sending -> sent. After a failure the message is pending again with a
    later `next_attempt_at`, or has failed.

    If the server's answer was lost twice, sending -> uncertain: a third copy would be
    worse than none. Without a mail server, pending -> kept: nothing was sent, and the
    message exists only as a row.
    """

    PENDING = "pending", "Pending"
    SENDING = "sending", "Sending"
    SENT = "sent", "Sent"
    UNCERTAIN = "uncertain", "Perhaps sent"
    KEPT = "kept", "Kept"
    FAILED = "failed", "Failed"


class OutboxMessage(models.Model):
    """One message to one recipient; unique by its cause and its recipient."""

    dedupe_key = models.CharField(max_length=200)
    recipient = models.EmailField()
    subject = models.CharField(max_length=250)
    text = models.TextField()
    html = models.TextField(blank=True)
    from_email = models.CharField(max_length=250)
    message_id = models.CharField(max_length=250, unique=True)
    # Further headers, like List-Unsubscribe.
    headers = models.JSONField(default=dict, db_default={}, blank=True)
    state = models.CharField(max_length=20, choices=OutboxState, default=OutboxState.PENDING)
    # Claims of the message, which serve as a fence. The three fields below count their
    # outcomes.
    attempts = models.PositiveIntegerField(default=0)
    refusals = models.PositiveIntegerField(default=0, db_default=0)
    lost_replies = models.PositiveIntegerField(default=0, db_default=0)
    deaths = models.PositiveIntegerField(default=0, db_default=0)
    next_attempt_at = models.DateTimeField()
    lease_until = models.DateTimeField(null=True, blank=True)
    owner = models.CharField(max_length=200, blank=True)
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dedupe_key", "recipient"], name="outbox_once")
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                name="outbox_due",
                condition=models.Q(state__in=["pending", "sending"]),
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject} to {self.recipient} ({self.state})"


class MailOutage(models.Model):
    """A time in which the mail server took no messages; `ended_at` is null while it
    lasts.
    """

    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=1)
    next_try_at = models.DateTimeField()
    reason = models.TextField()
    # Whether a setting, a login, or a certificate is wrong, so that waiting does not
    # help.
    needs_operator = models.BooleanField(default=False)

    class Meta:
        ordering = ["-began_at"]
        constraints = [
            models.UniqueConstraint(
                models.Value(1),
                condition=models.Q(ended_at=None),
                name="one_mail_outage_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"Mail server away since {self.began_at:%Y-%m-%d %H:%M}"
