"""The context of every template: `team_state`, the state of the page's team. It is
computed when it is first used.
"""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.teams import states


def state(request: HttpRequest) -> dict[str, object]:
    """Return `team_state` (`apps.teams.states.TeamState`), None on pages of no team.

    It is cached for the request, because a view and its templates use it several times.
    """
    team = getattr(request, "team", None)
    if team is None:
        return {"team_state": None}
    return {"team_state": SimpleLazyObject(lambda: states.of_team(team.pk))}
