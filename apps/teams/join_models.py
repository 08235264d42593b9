"""Rows of joining a team by the domain of one's address."""

from django.conf import settings
from django.db import models

from apps.teams.scoping import TeamScopedModel


class JoinDomain(TeamScopedModel):
    """A domain whose people may ask to join the team:

    IDNA 2008's ASCII form, in lower case.
    """

    domain = models.CharField(max_length=253)
    added_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(fields=["team", "domain"], name="join_domain_once")
        ]
        indexes = [models.Index(fields=["domain"], name="join_domain_by_name")]

    def __str__(self) -> str:
        return f"{self.domain} for team {self.team_id}"


class JoinState(models.TextChoices):
    """open -> approved | declined."""

    OPEN = "open", "Open"
    APPROVED = "approved", "Approved"
    DECLINED = "declined", "Declined"


class JoinRequest(TeamScopedModel):
    """One person's wish to join, with the confirmed address that entitles them to
    ask.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+"
    )
    email = models.EmailField()
    state = models.CharField(max_length=10, choices=JoinState, default=JoinState.OPEN)
    created_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
    )
    decided_at = models.DateTimeField(null=True, blank=True)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(
                fields=["team", "user"],
                name="join_request_one_open",
                condition=models.Q(state=JoinState.OPEN),
            )
        ]
        indexes = [models.Index(fields=["user", "created_at"], name="join_request_by_person")]

    def __str__(self) -> str:
        return f"{self.email} to team {self.team_id} ({self.state})"
