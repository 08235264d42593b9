"""What templates need to know about states:

`team_state`, the state of the page's team, decided when it is first read.
"""

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from apps.teams import states


def state(request: HttpRequest) -> dict[str, object]:
    """Return `team_state` (`apps.teams.states.TeamState`), None on pages of no team.

    A view and its templates ask for it several times; it is decided once for each
    request.
    """
    team = getattr(request, "team", None)
    if team is None:
        return {"team_state": None}
    return {"team_state": SimpleLazyObject(lambda: states.of_team(team.pk))}
