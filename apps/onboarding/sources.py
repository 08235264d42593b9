"""The page "Sources". It lists what a team reads, from which source, and how new it is,
and has the forms to change that.

All members of the team see it; owners and admins also get its forms. The pages
`connect` and `choose` of `journey` are the steps of the first setup. They lead back
here once there are repositories.
"""

from typing import cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods, require_safe

from apps.integrations.connections import service
from apps.integrations.connections.tracking import untrack_repository
from apps.integrations.models import TrackedRepository
from apps.integrations.sources.errors import CannotConnect
from apps.metrics.models import Repository
from apps.onboarding.journey import Request, see_other
from apps.onboarding.services import journey, source_cards
from apps.teams import states
from apps.teams.access import team_view
from apps.teams.models import Team
from apps.teams.services import MANAGING, recipients_of


@require_safe
@team_view()
def sources(request: HttpRequest, team: Team) -> HttpResponse:
    """Show the team's connections and repositories; lead to the first setup if there
    are none.
    """
    can_manage = cast(Request, request).role in MANAGING
    connected = bool(service.connections_of(team))
    tracked = TrackedRepository.objects.for_team(team).exists()
    if not connected and not tracked:
        if can_manage:
            return see_other("onboarding:connect", team)
        return render(
            request,
            "onboarding/not_set_up.html",
            {"team": team, "managers": recipients_of(team)},
        )
    team_state = states.of_team(team.pk)
    context = {
        "team": team,
        "can_manage": can_manage,
        "managers": recipients_of(team),
        "connected": connected,
        "sources": source_cards.of_team(team, can_manage=can_manage),
        "repositories": team_state.repositories,
        "left": _left(team),
        "newest_run": journey.newest_run(team),
        "follows": tracked,
    }
    return render(request, "onboarding/sources.html", context)


def _left(team: Team) -> list[str]:
    """Return the names of repositories whose pull requests stay in the figures, and
    which are not read any more.
    """
    rows = Repository.objects.for_team(team).filter(tracking__isnull=True)
    return list(rows.order_by("full_name").values_list("full_name", flat=True))


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def stop_reading(request: HttpRequest, team: Team, repository_id: int) -> HttpResponse:
    """Stop reading a repository. What was read stays in the figures."""
    if request.method == "POST":
        try:
            name = untrack_repository(team, repository_id)
        except CannotConnect as error:
            messages.error(request, str(error))
        else:
            if name:
                messages.success(
                    request,
                    f"{name} is no longer tracked. Everything read so far stays in the "
                    "figures.",
                )
    return see_other("onboarding:sources", team)
