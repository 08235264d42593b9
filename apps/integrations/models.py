"""Credentials, and the repositories that a team tracks with the state of their sync."""

import uuid

from django.conf import settings
from django.db import models

from apps.metrics.models import Repository
from apps.pipelines.remedy import Remedy
from apps.teams.scoping import TeamScopedModel


class Credential(TeamScopedModel):
    """A secret that reads a source for a team, encrypted by
    `apps.integrations.encryption`; never shown again.

    `kind` is one of those that the source has.
    """

    kind = models.CharField(max_length=30)
    secret = models.BinaryField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(fields=["team", "kind"], name="credential_once_in_team")
        ]

    def __str__(self) -> str:
        return f"{self.kind} of team {self.team_id}"


class ApiBudget(models.Model):
    """What a credential may still ask of its source, shared by all processes and updated
    by the source's rate limiter.

    `key` identifies the credential without revealing it. `points_left` of `points` are
    the source's newest figures, valid until `resets_at`. No request may be sent before
    `blocked_until`. `pace` is the state of `rate_limiter.Pace`.
    """

    key = models.CharField(max_length=64, primary_key=True)
    points = models.PositiveIntegerField(null=True)
    points_left = models.PositiveIntegerField(null=True)
    resets_at = models.DateTimeField(null=True)
    blocked_until = models.DateTimeField(null=True)
    secondary = models.BooleanField(default=False)
    pace = models.JSONField(default=dict)
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"{self.points_left} of {self.points} points"


class Connection(TeamScopedModel):
    """A source that a team has connected, and what could be read of it at the last
    check.

    `source` is the key of a registered source. `listing` is a list of
    `sources.base.Listed` rows, newest push first. It is incomplete while `listing_more`
    is set, which is the next page to read. `sizes` has `sources.sizes.Size` by name.
    `notes` lists what the token cannot read.
    """

    source = models.CharField(max_length=10)
    login = models.CharField(max_length=100, blank=True)
    of_app = models.BooleanField(default=False)
    installation_id = models.PositiveBigIntegerField(null=True, blank=True, db_index=True)
    scopes = models.JSONField(null=True, blank=True)
    notes = models.JSONField(default=list, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    connected_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    connected_at = models.DateTimeField()
    listing = models.JSONField(default=list, blank=True)
    listing_more = models.PositiveIntegerField(null=True, blank=True)
    listed_at = models.DateTimeField(null=True, blank=True)
    sizes = models.JSONField(default=dict, blank=True)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(fields=["team", "source"], name="connection_once_in_team")
        ]

    def __str__(self) -> str:
        return f"{self.source} of team {self.team_id}"


class SourceGrant(TeamScopedModel):
    """The operator's permission for a team to read a source of the installation, like
    the clones on its server.

    Checked by `apps.integrations.connections.grants`. `folder`, relative to
    GIT_SOURCE_ROOT, narrows what may be read.
    """

    source = models.CharField(max_length=10)
    folder = models.CharField(max_length=300, blank=True)
    granted_at = models.DateTimeField(auto_now_add=True)
    granted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )

    class Meta(TeamScopedModel.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(fields=["team", "source"], name="source_grant_once_in_team")
        ]

    def __str__(self) -> str:
        return f"{self.source} for team {self.team_id}"


class SyncStatus(models.TextChoices):
    PENDING = "pending", "Waiting"
    SYNCING = "syncing", "Syncing"
    COMPLETE = "complete", "Complete"
    PARTIAL = "partial", "Partial"
    ERROR = "error", "Error"


class TrackedRepository(TeamScopedModel):
    """The sync of one repository.

    `cursor` is the position after the last committed unit: {"run", "since", "phase":
    "skeleton" | "detail" | "end", "after", …}. `watermark` is the newest `updated_at`
    of a window that was committed completely; `synced_since` is that window's start.
    `cause` and `remedy` explain `last_sync_error`, see `apps.pipelines.remedy`.
    """

    # The primary key is the repository's, so one id is valid for both rows.
    repository = models.OneToOneField(
        Repository, on_delete=models.CASCADE, primary_key=True, related_name="tracking"
    )
    sync_status = models.CharField(
        max_length=10, choices=SyncStatus, default=SyncStatus.PENDING
    )
    last_sync_error = models.TextField(blank=True)
    cause = models.CharField(max_length=40, blank=True, default="", db_default="")
    remedy = models.CharField(
        max_length=12, blank=True, default="", db_default="", choices=Remedy
    )
    # When the newest read ended, with or without success. `last_synced_at` is the end
    # of the newest read that succeeded.
    ended_at = models.DateTimeField(null=True, blank=True)
    cursor = models.JSONField(default=dict)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(null=True, blank=True)
    watermark = models.DateTimeField(null=True, blank=True)
    synced_since = models.DateTimeField(null=True, blank=True)
    last_synced_at = models.DateTimeField(null=True, blank=True)
    # When a webhook last reported a change; the repository is read soon after.
    changed_at = models.DateTimeField(null=True, blank=True)
    # A note for the team about the repository's name, which another repository has
    # taken.
    notice = models.TextField(blank=True, default="", db_default="")
    # The rolling comparison with the source: the primary key of the last pull request
    # compared in this round, and when the last round ended. See
    # `apps.integrations.sources.github.verification`.
    verified_to = models.BigIntegerField(null=True, blank=True)
    verified_at = models.DateTimeField(null=True, blank=True)
    # How many pull requests GitHub counts that are not in the window. See
    # `apps.integrations.sources.github.counts`.
    outside = models.JSONField(null=True, blank=True)
    # When the newest read began. Changes before that time are included in it.
    read_began_at = models.DateTimeField(null=True, blank=True)
    # How many reads failed since the last one that succeeded.
    failed_reads = models.PositiveIntegerField(default=0, db_default=0)
    # When GitHub reported that the repository was deleted.
    gone_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        verbose_name_plural = "tracked repositories"

    def __str__(self) -> str:
        return f"{self.repository} ({self.sync_status})"

    @property
    def id(self) -> int:
        key: int = self.repository_id
        return key


class SyncLog(TeamScopedModel):
    """What the sync reported through its signals: one row for each start, repository,
    and end.
    """

    signal = models.CharField(max_length=60)
    repository = models.ForeignKey(
        Repository, on_delete=models.CASCADE, null=True, related_name="+"
    )
    at = models.DateTimeField(auto_now_add=True)
    data = models.JSONField(default=dict)

    class Meta(TeamScopedModel.Meta):
        abstract = False

    def __str__(self) -> str:
        return self.signal


class Webhook(TeamScopedModel):
    """The address to which GitHub sends a team's changes. GitHub signs what it sends
    with the secret, which is stored encrypted and shown once.
    """

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    secret = models.BinaryField()
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    heard_at = models.DateTimeField(null=True, blank=True)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        constraints = [models.UniqueConstraint(fields=["team"], name="webhook_once_in_team")]

    def __str__(self) -> str:
        return f"Webhook of team {self.team_id}"


class Delivery(models.Model):
    """A delivery of a webhook that was accepted. GitHub may send it again, and so may
    an attacker who recorded it.
    """

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries")
    guid = models.CharField(max_length=64)
    event = models.CharField(max_length=60)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(fields=["webhook", "guid"], name="delivery_once")
        ]
        indexes = [models.Index(fields=["at"], name="delivery_at")]

    def __str__(self) -> str:
        return f"{self.event} {self.guid}"
