"""What owners and admins decide about the accounts in a team's work.

Every POST ends in a redirect (303).
"""

from typing import cast

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apps.metrics.accounts import joins
from apps.metrics.accounts.bot_decisions import decide
from apps.metrics.formatting import person
from apps.metrics.forms import BotForm, JoinForm
from apps.metrics.models import GHOST_KEY, TeamMember
from apps.teams.access import team_view
from apps.teams.models import Team
from apps.users.models import User

DECISIONS = {"bot": True, "person": False, "undo": None}
ANSWERS = {
    "bot": (
        "{name} is now counted as a bot. Figures are updated; insights follow with the next "
        "refresh."
    ),
    "person": (
        "{name} is now counted as a person. Figures are updated; insights follow with the "
        "next refresh."
    ),
    "undo": "Undone. {name} is counted as a {kind} again.",
}


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def decide_bot(request: HttpRequest, team: Team, member_id: int) -> HttpResponse:
    """Set whether an account is a bot, or take that back.

    A GET leads to the account's page.
    """
    accounts = TeamMember.objects.for_team(team).exclude(key=GHOST_KEY)
    member: TeamMember = get_object_or_404(accounts, pk=member_id)
    asked = BotForm(request.POST).values
    if request.method == "POST" and asked["decision"] in DECISIONS:
        with transaction.atomic():
            decide(
                member, DECISIONS[asked["decision"]], cast(User, request.user), timezone.now()
            )
        member.refresh_from_db()
        kind = "bot" if member.is_bot else "person"
        messages.success(
            request, ANSWERS[asked["decision"]].format(name=person(member), kind=kind)
        )
    if asked["back"] == "people":
        target = reverse("metrics:people", args=[team.slug])
    else:
        target = reverse("metrics:member", args=[team.slug, member.pk])
    return HttpResponseRedirect(target, status=303)


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def join_accounts(request: HttpRequest, team: Team, member_id: int) -> HttpResponse:
    """Join accounts of one name into this one, keep them apart, or take either back.

    A GET leads to the people.
    """
    accounts = TeamMember.objects.for_team(team).exclude(key=GHOST_KEY)
    target: TeamMember = get_object_or_404(accounts, pk=member_id)
    asked = JoinForm(request.POST).values
    if request.method == "POST" and asked["decision"]:
        with transaction.atomic():
            messages.success(
                request, _join(target, asked["decision"], asked["members"], request)
            )
    return HttpResponseRedirect(reverse("metrics:people", args=[team.slug]), status=303)


def _join(target: TeamMember, decision: str, members: list[str], request: HttpRequest) -> str:
    """Do what was decided. Returns what the next page states."""
    name = person(target)
    if decision == "undo":
        joins.undo(target)
        return f"Undone. The accounts of {name} are counted separately again."
    # Only accounts of the same name that are on the page: it may be old.
    groups = joins.same_names(target.team_id, apart=decision == "suggest")
    group = next((group for group in groups if target in group.members), None)
    others = [member for member in group.members if str(member.pk) in members] if group else []
    if not others:
        return f"Nothing changed. The accounts of {name} are no longer suggested."
    if decision == "join":
        joins.join(target, others, cast(User, request.user), timezone.now())
        count = len(others) + 1
        return (
            f"{count} accounts of {name} are now counted as one person. Insights follow with "
            "the next refresh."
        )
    joins.keep_apart([target, *others], is_apart=decision == "apart")
    return f"The accounts of {name} {'stay separate' if decision == 'apart' else 'are suggested again'}."
