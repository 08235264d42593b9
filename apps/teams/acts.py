"""Adapt the actions on the page of a team's members: functions that do one thing and
return a sentence about it become views.

    @team_view(manage=True)
    @leads_back
    def remove(request, team, user_id) -> str:
        ...
        return "Ada is no longer a member."
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from apps.teams.members import NotPossible
from apps.teams.models import Membership, Team
from apps.users.models import User


def leads_back(act: Callable[..., str]) -> Callable[..., HttpResponse]:
    """Make a view of `act(request, team, …)`: a POST that leads back to the members, or
    home for a former member.

    A GET, which comes from the sign-in page after a session has ended, leads there
    without doing anything. If the act raises NotPossible, the page shows the reason.
    """

    @require_http_methods(["GET", "HEAD", "POST"])
    @wraps(act)
    def view(request: HttpRequest, team: Team, **rest: Any) -> HttpResponse:
        if request.method == "POST":
            try:
                messages.success(request, act(request, team, **rest))
            except NotPossible as reason:
                messages.error(request, str(reason))
        user = cast(User, request.user)
        # A person who has just left the team cannot see its pages any more.
        is_member = Membership.objects.filter(team=team, user=user).exists()
        target = (
            reverse("teams:members", args=[team.slug])
            if is_member
            else reverse("onboarding:home")
        )
        return HttpResponseRedirect(target, status=303)

    return view
