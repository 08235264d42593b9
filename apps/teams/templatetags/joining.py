"""The parts of pages about joining a team by one's domain.

{% load joining %}
{% joinable_teams %}     for a person: the teams that they may ask to join
{% join_requests %}      for a team's members page: requests, and for owners the domains
"""

from typing import Any

from django import template

from apps.teams import joining
from apps.teams.models import Role
from apps.teams.services import MANAGING
from apps.users.models import User

register = template.Library()


@register.inclusion_tag("teams/joinable.html", takes_context=True)
def joinable_teams(context: template.Context) -> dict[str, Any]:
    """Render the teams that the visitor may ask to join; nothing if there are none."""
    user = context["request"].user
    found = joining.joinable_teams(user) if isinstance(user, User) else []
    return {"found": found, "csrf_token": context.get("csrf_token")}


@register.inclusion_tag("teams/join_requests.html", takes_context=True)
def join_requests(context: template.Context) -> dict[str, Any]:
    """Render open requests for owners and admins, and the domains for owners; nothing
    for members.
    """
    request, team = context["request"], context["team"]
    is_owner = request.role == Role.OWNER
    manages = request.role in MANAGING
    return {
        "team": team,
        "manages": manages,
        "requests": list(joining.open_requests(team)) if manages else [],
        "is_owner": is_owner,
        "domains": list(joining.domains_of(team)) if is_owner else [],
        "addable": joining.addable_domains(team, request.user) if is_owner else [],
        "csrf_token": context.get("csrf_token"),
    }
