"""Explain why an open page can no longer be requested: the viewer left the team, or the
team or the run is gone.

To people outside a team the team does not exist (404), and a page that was opened
before is refused in the same way. It has a proof that its viewer was let in, and for
that proof the reason is given:

    proof = proof_of(user, team, run_id)     # in the page
    reason_for(proof, user)                  # later: Reason.NOT_A_MEMBER, or None if nothing keeps the viewer out
"""

import enum
from typing import Any
from uuid import UUID

from django import forms
from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET
from django_htmx.http import HttpResponseClientRefresh

from apps.forms import QueryForm
from apps.pipelines.models import Run
from apps.teams.access import to_log_in
from apps.teams.models import Team
from apps.teams.services import role_of
from apps.users.models import User

_SALT = "onboarding.lost_access"


class Reason(enum.StrEnum):
    """Why the viewer of a page may no longer see it."""

    OTHER_ACCOUNT = "other_account"
    TEAM_GONE = "team_gone"
    NOT_A_MEMBER = "not_a_member"
    RUN_GONE = "run_gone"


class ProofQuery(QueryForm):
    proof = forms.CharField(max_length=1000)


def proof_of(user: User, team: Team, run_id: UUID | None) -> str:
    """Return the signed proof that this user was shown a page of this run of this team;
    of no run if it is None.
    """
    shown = {"user": user.pk, "team": team.pk, "name": team.name, "run": run_id and str(run_id)}
    return signing.dumps(shown, salt=_SALT)


def address_of(user: User, team: Team, run_id: UUID | None = None) -> str:
    """Return the address at which a page of this team, and of this run if it is given,
    asks why it was refused.
    """
    return f"{reverse('onboarding:lost_access')}?proof={proof_of(user, team, run_id)}"


def shown_by(proof: str) -> dict[str, Any] | None:
    """Return what a proof is of; None if it is not one of ours."""
    try:
        shown: dict[str, Any] = signing.loads(proof, salt=_SALT)
    except signing.BadSignature:
        return None
    return shown


def reason_for(shown: dict[str, Any], user: User) -> Reason | None:
    """Return why the page is refused to this user; None if it is not."""
    team = Team.objects.filter(pk=shown["team"]).first()
    if team is not None and role_of(user, team) is not None:
        is_gone = shown["run"] and not Run.objects.filter(pk=shown["run"]).exists()
        return Reason.RUN_GONE if is_gone else None
    if user.pk != shown["user"]:
        return Reason.OTHER_ACCOUNT
    return Reason.TEAM_GONE if team is None else Reason.NOT_A_MEMBER


@never_cache
@require_GET
def lost_access(request: HttpRequest) -> HttpResponse:
    """Take the place of a page whose viewer may no longer see it, with the reason. 404
    without a proof.
    """
    if not isinstance(request.user, User):
        return to_log_in(request)
    shown = shown_by(ProofQuery(request.GET).values["proof"])
    if shown is None:
        raise Http404("There is no such page.")
    reason = reason_for(shown, request.user)
    # Nothing keeps the viewer out any more, so the page is requested again.
    if reason is None:
        return HttpResponseClientRefresh()
    context = {
        "reason": reason,
        "team_name": shown["name"],
        "team": Team.objects.filter(pk=shown["team"]).first(),
    }
    return render(request, "onboarding/lost_access.html", context)
