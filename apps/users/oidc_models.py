"""Sessions that began at the provider."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models.functions import Now


class OidcSession(models.Model):
    """One session that began at the provider, and when the provider last confirmed it.

    The browser's session holds this row's key. Without the row the session is over.
    `user` is empty until the whole sign-in, with a second factor if the person has one,
    is complete.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        related_name="oidc_sessions",
    )
    subject = models.CharField(max_length=191)
    # Encrypted with CREDENTIAL_KEYS; empty if the provider gave none.
    refresh_token = models.BinaryField(default=bytes)
    # Those that OIDC_GROUPS names.
    groups = models.JSONField(default=list)
    started_at = models.DateTimeField(db_default=Now())
    checked_at = models.DateTimeField(db_default=Now())
    # A process that checks the session claims it until then; no other one asks
    # meanwhile.
    claimed_until = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["checked_at"], name="oidc_session_by_check")]

    def __str__(self) -> str:
        return f"session of {self.subject}"


class RecoveryLink(models.Model):
    """One link that `manage.py recovery_link` printed: for whom, by whom, and its use.
    Never deleted.

    Only the hash of its token is kept.
    """

    token_hash = models.CharField(max_length=64, unique=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    # The address outlives the account.
    email = models.EmailField()
    # Who ran the command: the account of the operating system, and the machine.
    made_by = models.CharField(max_length=100)
    made_on = models.CharField(max_length=255)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)
    used_from = models.GenericIPAddressField(null=True)

    def __str__(self) -> str:
        return f"recovery link for {self.email}"
