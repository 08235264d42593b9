"""The models of onboarding itself."""

from django.db import models
from django.db.models import Q

from apps.pipelines.models import Run
from apps.pipelines.remedy import Remedy
from apps.teams.scoping import TeamScopedModel


class RefreshFailure(TeamScopedModel):
    """A time in which a team's figures were not refreshed, from the first failed run to
    the first that succeeded.

    One email is sent when the row is made, and one when it ends. Only one row of a team
    is open at a time.
    """

    run = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, related_name="+")
    cause = models.CharField(max_length=40)
    remedy = models.CharField(max_length=12, choices=Remedy)
    reason = models.TextField(blank=True)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta(TeamScopedModel.Meta):
        abstract = False
        constraints = [
            models.UniqueConstraint(
                fields=["team"], name="refresh_failure_one_open", condition=Q(ended_at=None)
            )
        ]

    def __str__(self) -> str:
        return f"Refresh failure of team {self.team_id} since {self.began_at:%Y-%m-%d}"
