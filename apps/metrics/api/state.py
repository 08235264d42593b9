"""The state of a team's figures, for programs: whether they are complete and how new
they are, and why not.
"""

from django.http import HttpRequest, JsonResponse

from apps.metrics.api.views import with_token
from apps.teams import states
from apps.teams.models import Team
from apps.teams.state_json import as_json


@with_token
def state(request: HttpRequest, team: Team) -> JsonResponse:
    """Return the state of the token's team, of its newest runs, its repositories, and
    its connections.
    """
    return JsonResponse(as_json(states.of_team(team.pk)), headers={"Cache-Control": "no-store"})
