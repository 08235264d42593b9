"""Credentials, and the repositories that a team follows with the state of their sync."""

from django.conf import settings
from django.db import models

from apps.metrics.models import Repository
from apps.teams.scoping import TeamScopedModel


class CredentialKind(models.TextChoices):
    GITHUB_TOKEN = "github_token", "GitHub token"


class Credential(TeamScopedModel):
    """A secret that reads a source for a team, encrypted by `apps.integrations.credentials`; never shown again."""

    kind = models.CharField(max_length=30, choices=CredentialKind)
    secret = models.BinaryField()
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        constraints = [models.UniqueConstraint(fields=["team", "kind"], name="credential_once_in_team")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of team {self.team_id}"


class SyncStatus(models.TextChoices):
    PENDING = "pending", "Waiting"
    SYNCING = "syncing", "Syncing"
    COMPLETE = "complete", "Complete"
    PARTIAL = "partial", "Partial"
    ERROR = "error", "Error"


class TrackedRepository(TeamScopedModel):
    """How the sync of one repository stands.

    `cursor` goes on where the last committed unit ended: {"run", "since", "phase": "skeleton" | "detail" | "end",
    "after", …}. `watermark` is the newest `updated_at` of a wholly committed window; `synced_since` is its start.
    """

    # Shares the repository's key: an id of the one is the id of the other.
    repository = models.OneToOneField(Repository, on_delete=models.CASCADE, primary_key=True, related_name="tracking")
    sync_status = models.CharField(max_length=10, choices=SyncStatus, default=SyncStatus.PENDING)
    last_sync_error = models.TextField(blank=True)
    cursor = models.JSONField(default=dict)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True, blank=True)
    watermark = models.DateTimeField(null=True, blank=True)
    synced_since = models.DateTimeField(null=True, blank=True)
    last_synced_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TeamScopedModel.Meta):
        abstract = False

    def __str__(self) -> str:
        return f"{self.repository} ({self.sync_status})"

    @property
    def id(self) -> int:
        key: int = self.repository_id
        return key


class SyncLog(TeamScopedModel):
    """What the sync said through its signals: one row for each start, repository and end."""

    signal = models.CharField(max_length=60)
    repository = models.ForeignKey(Repository, on_delete=models.CASCADE, null=True, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    data = models.JSONField(default=dict)

    class Meta(TeamScopedModel.Meta):
        abstract = False

    def __str__(self) -> str:
        return self.signal
