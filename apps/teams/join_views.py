"""Asking to join a team, answering, and the domains that a team is open to.

Every POST ends in a redirect (303).
"""

from typing import cast

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from apps.teams import joining
from apps.teams.access import team_view
from apps.teams.acts import leads_back
from apps.teams.join_forms import JoinDomainForm
from apps.teams.members import NotPossible
from apps.teams.models import Team
from apps.users.models import User


@team_view(manage=True)
@leads_back
def add_domain(request: HttpRequest, team: Team) -> str:
    form = JoinDomainForm(request.POST)
    if not form.is_valid():
        raise NotPossible("Choose one of your domains.")
    added = joining.add_domain(team, _user(request), form.cleaned_data["domain"])
    return f"People with a confirmed address at {added.domain} can ask to join now."


@team_view(manage=True)
@leads_back
def remove_domain(request: HttpRequest, team: Team, join_domain_id: int) -> str:
    domain = joining.remove_domain(team, _user(request), join_domain_id)
    return f"People at {domain} can no longer ask to join."


@team_view(manage=True)
@leads_back
def approve(request: HttpRequest, team: Team, join_request_id: int) -> str:
    approved = joining.approve(team, _user(request), join_request_id)
    return f"{approved.user.display_name} is a member now."


@team_view(manage=True)
@leads_back
def decline(request: HttpRequest, team: Team, join_request_id: int) -> str:
    declined = joining.decline(team, _user(request), join_request_id)
    return f"The request of {declined.email} is declined."


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def ask(request: HttpRequest, team_id: int) -> HttpResponse:
    """Ask to join. A team that the person may not know of does not exist (404)."""
    user = _user(request)
    team = joining.find_team(user, team_id)
    if team is None:
        raise Http404("There is no such team.")
    if request.method == "POST":
        try:
            joining.ask(team, user)
        except NotPossible as reason:
            messages.error(request, str(reason))
        else:
            messages.success(
                request, f"The owners and admins of {team.name} have your request."
            )
    return HttpResponseRedirect(reverse("onboarding:home"), status=303)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
