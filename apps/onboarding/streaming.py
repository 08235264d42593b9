"""Connect the live stream to a team's runs: who may watch, and the stream's address."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_safe

from apps.pipelines.models import Run
from apps.pipelines.stream import views
from apps.teams.access import team_view
from apps.teams.models import Team
from apps.teams.run_subjects import subject_of, team_id_of
from apps.teams.services import can_watch
from apps.users.models import User


def may_watch(user: Any, run: Run, address: Mapping[str, Any]) -> bool:
    """Return whether the user is a member of the run's team.

    If the address names a team, it has to be that one.
    """
    if not isinstance(user, User):
        return False
    team = Team.objects.filter(pk=team_id_of(run.subject) or 0).first()
    return (
        team is not None
        and address.get("slug", team.slug) == team.slug
        and can_watch(user, team)
    )


@views.run_stream
@require_safe
@team_view()
def run_events(request: HttpRequest, team: Team, run_id: UUID) -> HttpResponse:
    return views.respond(
        request, get_object_or_404(Run, pk=run_id, subject=subject_of(team.pk))
    )
