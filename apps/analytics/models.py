"""Store product analytics: one row for each event of the journey, recorded by signal
receivers.
"""

from django.conf import settings
from django.db import models


class EventName(models.TextChoices):
    SIGNED_UP = "signed_up", "Signed up"
    CONNECTED = "connected", "Connected a source"
    CHOSE = "chose", "Chose repositories"
    STARTED = "started", "Run started"
    FIRST_INSIGHT = "first_insight", "First insight"
    STEP = "step", "Step completed"
    COMPLETED = "completed", "Run completed"
    RETRIED = "retried", "Run retried"
    FAILED = "failed", "Run failed"
    CANCELLED = "cancelled", "Run cancelled"


class AnalyticsEvent(models.Model):
    """One thing that happened.

    `once_key` keeps a repeated signal from counting twice.
    """

    name = models.CharField(max_length=20, choices=EventName)
    at = models.DateTimeField(auto_now_add=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    team = models.ForeignKey(
        "teams.Team", on_delete=models.CASCADE, null=True, related_name="+"
    )
    run = models.UUIDField(null=True)
    data = models.JSONField(default=dict)
    once_key = models.CharField(max_length=200, unique=True)

    class Meta:
        indexes = [models.Index(fields=["name", "at"], name="analytics_by_name")]

    def __str__(self) -> str:
        return f"{self.name} {self.at:%Y-%m-%d %H:%M}"


class Funnel(AnalyticsEvent):
    """How far users come in the setup. Only the admin site shows it, on a page of its
    own that has a permission of its own.
    """

    class Meta:
        proxy = True
        verbose_name = verbose_name_plural = "funnel"
        default_permissions = ("view",)

    def __str__(self) -> str:
        return "Funnel"
