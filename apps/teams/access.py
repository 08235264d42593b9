"""Guard every page below `/t/<slug>/`: the user must be signed in, a member of the
team, and of a sufficient role.

For users outside the team it does not exist (404). A member whose role is not
sufficient gets a page that states so (403).
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate

from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django_htmx.http import HttpResponseClientRedirect

from apps.teams.models import Role, Team
from apps.teams.services import MANAGING, role_of
from apps.users.models import User

TeamView = Callable[Concatenate[HttpRequest, Team, ...], HttpResponse]


class TeamRequest(HttpRequest):
    """A request that has passed the check."""

    user: User
    team: Team
    role: Role


def team_for(request: HttpRequest, slug: str) -> tuple[Team, Role]:
    """Return the team of the address and the user's role in it.

    Raises Http404 for users who are no members.
    """
    team = get_object_or_404(Team, slug=slug)
    role = role_of(request.user, team) if isinstance(request.user, User) else None
    if role is None:
        raise Http404("There is no such team.")
    return team, role


def to_log_in(request: HttpRequest) -> HttpResponse:
    """Lead to the log-in page and back.

    HTMX would insert that page as the fragment that it requested, so the whole page is
    redirected instead.
    """
    htmx = getattr(request, "htmx", None)
    if not htmx:
        return redirect_to_login(request.get_full_path())
    messages.info(request, "Your session has ended. Sign in to continue.")
    return HttpResponseClientRedirect(redirect_to_login(htmx.current_url_abs_path or "/").url)


def team_view(*, manage: bool = False) -> Callable[[TeamView], Callable[..., HttpResponse]]:
    """Make `view(request, team, …)` of a page whose address has a `slug`. With
    `manage`, owners and admins only.

    The request gets `team` and `role`, which templates use to show what a person may
    do.
    """

    def decorate(view: TeamView) -> Callable[..., HttpResponse]:
        @wraps(view)
        def gated(request: HttpRequest, slug: str, **rest: Any) -> HttpResponse:
            if not request.user.is_authenticated:
                return to_log_in(request)
            team, role = team_for(request, slug)
            if manage and role not in MANAGING:
                raise PermissionDenied(
                    "Only owners and admins of the team may do this. Ask one of them."
                )
            request.team, request.role = team, role  # type: ignore[attr-defined]
            return view(request, team, **rest)

        return gated

    return decorate
