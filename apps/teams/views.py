"""The pages to create a team, manage its members, and answer invitations.

Every POST ends in a redirect (303).
"""

from typing import cast

from allauth.decorators import rate_limit
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from apps.teams import invitations
from apps.teams import members as membership
from apps.teams.access import TeamRequest, team_view
from apps.teams.acts import leads_back
from apps.teams.forms import InvitationForm, RoleForm, TeamForm
from apps.teams.members import NotPossible
from apps.teams.models import Invitation, InvitationState, Membership, Role, Team
from apps.teams.services import MANAGING, TooManyTeams, create_team_for
from apps.users.models import User
from apps.users.sign_up import may_sign_up, remember_invitation

ROLES = (Role.OWNER, Role.ADMIN, Role.MEMBER)


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def create(request: HttpRequest) -> HttpResponse:
    """Show and handle the form for a new team, which is the first page of a user
    without a team.
    """
    form = TeamForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            team = create_team_for(form.cleaned_data["name"], _user(request))
        except TooManyTeams as error:
            form.add_error(None, str(error))
        else:
            return HttpResponseRedirect(
                reverse("onboarding:setup", args=[team.slug]), status=303
            )
    has_team = Membership.objects.filter(user=_user(request)).exists()
    return render(
        request,
        "teams/create.html",
        {"form": form, "has_team": has_team},
        status=422 if form.errors else 200,
    )


@require_safe
@team_view()
def members(request: HttpRequest, team: Team) -> HttpResponse:
    """Show who is in the team.

    Owners and admins also see invitations, and change both.
    """
    return _members_page(request, team)


def _members_page(
    request: HttpRequest, team: Team, *, asked: dict[str, str] | None = None, error: str = ""
) -> HttpResponse:
    """Render the page; with `error` as it was `asked` for: an invitation that was
    refused, and the reason.
    """
    own = cast(TeamRequest, request).role
    grantable = membership.grantable(own)
    rows = sorted(
        Membership.objects.filter(team=team).select_related("user"),
        key=lambda row: (ROLES.index(Role(row.role)), row.user.email),
    )
    context = {
        "team": team,
        "memberships": [(row, Role(row.role) in grantable) for row in rows],
        "roles": grantable,
        "manages": own in MANAGING,
        "invitations": invitations.open_invitations(team) if own in MANAGING else [],
        "days": invitations.LASTS.days,
        "asked": asked or {},
        "invite_error": error,
    }
    return render(request, "teams/members.html", context, status=422 if error else 200)


@team_view(manage=True)
@leads_back
def role(request: HttpRequest, team: Team, user_id: int) -> str:
    changed = membership.change_role(
        team, _user(request), user_id, RoleForm(request.POST).values["role"]
    )
    return f"The role of {changed.user.display_name} is now {Role(changed.role).label.lower()}."


@team_view()
@leads_back
def remove(request: HttpRequest, team: Team, user_id: int) -> str:
    """Remove a member. Every member may leave by removing themselves."""
    gone = membership.remove(team, _user(request), user_id)
    if gone.user_id == _user(request).pk:
        return f"You have left {team.name}."
    return f"{gone.user.display_name} was removed from {team.name}."


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def invite(request: HttpRequest, team: Team) -> HttpResponse:
    """Invite an address. A refusal is shown at the field, with what was entered."""
    if request.method == "POST":
        asked = InvitationForm(request.POST).values
        try:
            invitation = invitations.invite(
                team, _user(request), asked["email"], asked["role"] or Role.MEMBER
            )
        except NotPossible as reason:
            return _members_page(request, team, asked=asked, error=str(reason))
        days = invitations.LASTS.days
        messages.success(
            request, f"Invitation sent to {invitation.email}. It expires in {days} days."
        )
    return HttpResponseRedirect(reverse("teams:members", args=[team.slug]), status=303)


@team_view(manage=True)
@leads_back
def resend(request: HttpRequest, team: Team, invitation_id: int) -> str:
    invitation = invitations.resend(team, _user(request), invitation_id)
    return f"Invitation sent again to {invitation.email}. The earlier link no longer works."


@team_view(manage=True)
@leads_back
def revoke(request: HttpRequest, team: Team, invitation_id: int) -> str:
    if not invitations.revoke(team, invitation_id):
        raise NotPossible("This invitation was already accepted or withdrawn.")
    return "Invitation withdrawn. Its link no longer works."


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@rate_limit(action="accept_invitation")  # type: ignore[untyped-decorator]
def accept(request: HttpRequest, token: str) -> HttpResponse:
    """Show an invitation, which a link of an email opens, and accept it.

    Only a POST joins the team, and only by a user who is signed in with the invited
    address.
    """
    invitation = invitations.find(token)
    if invitation is None:
        return _answer(request, None, "unknown", 404)
    if invitation.state != InvitationState.OPEN or invitation.is_over:
        mine = (
            invitation.accepted_by_id is not None
            and invitation.accepted_by_id == request.user.pk
        )
        return _answer(request, invitation, "mine" if mine else "ended", 200 if mine else 410)
    if not isinstance(request.user, User):
        if request.method == "POST":
            # The session may have ended while the page was open. The invitation is
            # shown again after signing in.
            return redirect_to_login(request.path)
        remember_invitation(request, invitation.pk)
        return _answer(request, invitation, "anonymous")
    if request.method == "POST":
        return _join(request, invitation)
    return _answer(
        request, invitation, "open" if invitations.is_for(invitation, request.user) else "other"
    )


def _join(request: HttpRequest, invitation: Invitation) -> HttpResponse:
    try:
        joined = invitations.accept(invitation, _user(request))
    except invitations.NotForYou:
        return _answer(request, invitation, "other", 403)
    except NotPossible as reason:
        messages.error(request, str(reason))
        return HttpResponseRedirect(request.path, status=303)
    messages.success(
        request,
        f"You’ve joined {invitation.team.name}. Your role: {Role(joined.role).label.lower()}.",
    )
    return HttpResponseRedirect(
        reverse("onboarding:team_home", args=[invitation.team.slug]), status=303
    )


def _answer(
    request: HttpRequest, invitation: Invitation | None, state: str, status: int = 200
) -> HttpResponse:
    back = urlencode({"next": request.path})
    context = {
        "invitation": invitation,
        "state": state,
        "role": Role(invitation.role).label.lower() if invitation else "",
        "may_sign_up": invitation is not None and may_sign_up(invitation.email, invited=True),
        "sign_in": f"{reverse('account_login')}?{back}",
        "sign_up": f"{reverse('account_signup')}?{back}&{urlencode({'email': invitation.email if invitation else ''})}",
    }
    return render(request, "teams/invitation.html", context, status=status)


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)
