"""What the team's page of members shows about the accounts in its work.

{% load accounts %}
{% accounts_note %}     a link to the accounts that look like bots; nothing if there are none
"""

from typing import Any

from django import template

from apps.metrics.accounts.bot_decisions import suggestions
from apps.teams.services import MANAGING

register = template.Library()


@register.inclusion_tag("metrics/accounts_note.html", takes_context=True)
def accounts_note(context: template.Context) -> dict[str, Any]:
    """Render the link for owners and admins, who can decide."""
    team = context["team"]
    may_decide = context["request"].role in MANAGING
    return {"team": team, "count": len(suggestions(team.pk)) if may_decide else 0}
