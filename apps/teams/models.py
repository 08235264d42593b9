"""Store teams, who belongs to them, and the state of their onboarding run."""

import secrets
from typing import Any, Self
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.text import slugify

from apps.teams.scoping import TeamScopedModel
from apps.teams.zones import zone_or_utc


class Role(models.TextChoices):
    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    MEMBER = "member", "Member"


class OnboardingStatus(models.TextChoices):
    """How far a team's onboarding is: the state of its newest run, or `not_started`."""

    NOT_STARTED = "not_started", "Not started"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    PARTIAL = "partial", "Done, with gaps"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Canceled"


class TeamsQuerySet(models.QuerySet["Team"]):
    def of(self, user: Any) -> Self:
        """Return the teams that a person belongs to."""
        return self.filter(memberships__user=user)


class Team(models.Model):
    """A tenant. Its `onboarding_pipeline_*` columns repeat its newest onboarding run,
    in that run's transactions.
    """

    name = models.CharField(max_length=120)
    slug = models.SlugField(max_length=80, unique=True)
    # Whose midnight ends a day and whose Monday begins a week in the figures: a name of
    # the IANA time zone database.
    time_zone = models.CharField(max_length=60, default="UTC", db_default="UTC")
    # The first day (UTC) of what is read, chosen at the setup; None until then. A later
    # setup only widens it.
    history_start = models.DateField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    members = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="Membership", related_name="teams"
    )

    onboarding_pipeline_status = models.CharField(
        max_length=50, choices=OnboardingStatus, default=OnboardingStatus.NOT_STARTED
    )
    onboarding_pipeline_error = models.TextField(blank=True, null=True)  # noqa: DJ001 - the specification's column
    onboarding_pipeline_started_at = models.DateTimeField(null=True, blank=True)
    onboarding_pipeline_completed_at = models.DateTimeField(null=True, blank=True)

    objects = TeamsQuerySet.as_manager()

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        """Return the team's time zone; UTC if this machine doesn't know the name."""
        return zone_or_utc(self.time_zone)

    @property
    def zone_name(self) -> str:
        """Return the name of the time zone that the figures follow, for people."""
        if self.zone.key == self.time_zone:
            return self.time_zone
        return f"{self.zone.key} ({self.time_zone} is not known here)"

    @classmethod
    def free_slug(cls, name: str) -> str:
        """Return a slug of the name that no team has. It ends with random characters if
        the slug is taken or the name has no letters.
        """
        base = slugify(name)[:60]
        if base and not cls.objects.filter(slug=base).exists():
            return base
        return f"{base or 'team'}-{secrets.token_hex(3)}"


class Membership(models.Model):
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=20, choices=Role, default=Role.MEMBER)
    # Which emails the person wants; see `apps.teams.emails`.
    digest = models.BooleanField(default=True, db_default=True)
    email_finished = models.BooleanField(default=True, db_default=True)
    email_failures = models.BooleanField(default=True, db_default=True)
    email_join_requests = models.BooleanField(default=True, db_default=True)
    # Whether the groups of the sign-in provider decide on it (see oidc_roles).
    managed = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.team} ({self.role})"


class InvitationState(models.TextChoices):
    """open -> accepted | revoked. An open one ends by itself at `expires_at`."""

    OPEN = "open", "Open"
    ACCEPTED = "accepted", "Accepted"
    REVOKED = "revoked", "Revoked"


class Invitation(TeamScopedModel):
    """Store one email that invites one address to a team.

    Only the hash of its token is kept; sending again makes another row.
    """

    email = models.EmailField()
    role = models.CharField(max_length=20, choices=Role, default=Role.MEMBER)
    token_hash = models.CharField(max_length=64, unique=True)
    state = models.CharField(
        max_length=10, choices=InvitationState, default=InvitationState.OPEN
    )
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(
                fields=["team", "email"],
                name="invitation_one_open",
                condition=models.Q(state=InvitationState.OPEN),
            )
        ]
        indexes = [
            models.Index(fields=["invited_by", "created_at"], name="invitation_by_person")
        ]

    def __str__(self) -> str:
        return f"{self.email} to team {self.team_id} ({self.state})"

    @property
    def is_over(self) -> bool:
        return self.expires_at <= timezone.now()


# Django finds models in this module; these have one of their own.
from apps.teams.join_models import JoinDomain, JoinRequest  # noqa: E402

__all__ = [
    "Invitation",
    "InvitationState",
    "JoinDomain",
    "JoinRequest",
    "Membership",
    "OnboardingStatus",
    "Role",
    "Team",
    "TeamsQuerySet",
]
