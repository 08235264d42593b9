"""What owners and admins decide about a team's figures: who reads them by token, and what a language model may read."""

from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from apps.metrics.api import tokens
from apps.metrics.llm import client, pace
from apps.metrics.models import Analysis, AnalysisState, ApiToken, LlmSettings, LlmUse
from apps.metrics.selection import key_of
from apps.teams.access import team_view
from apps.teams.models import Team
from apps.teams.services import MANAGING

MOST_TOKENS = 2_000_000_000


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def api_tokens(request: HttpRequest, team: Team) -> HttpResponse:
    """The team's tokens for the JSON interface. A new one is shown on the page that answers, and never again."""
    made = None
    if request.method == "POST":
        if "revoke" in request.POST:
            ApiToken.objects.for_team(team).filter(pk=key_of(request.POST["revoke"])).delete()
            messages.success(request, "The token is revoked. Whatever used it is refused from now on.")
            return HttpResponseRedirect(reverse("metrics:api_tokens", args=[team.slug]), status=303)
        try:
            made = tokens.make(team, request.POST.get("name", ""), request.user)
        except ValueError as error:
            messages.error(request, str(error))
    context = {
        "team": team,
        "made": made,
        "tokens": ApiToken.objects.for_team(team).select_related("created_by").order_by("-created_at"),
        "address": request.build_absolute_uri(reverse("metrics:api_weekly")),
        "document": request.build_absolute_uri(reverse("metrics:api_openapi")),
    }
    response = render(request, "metrics/api_tokens.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@team_view()
def ai_reading(request: HttpRequest, team: Team) -> HttpResponse:
    """What the language model may read, what is sent, and what it costs. Owners and admins may change it."""
    now = pace.settings_of(team.pk)
    if request.method == "POST":
        if request.role not in MANAGING:  # type: ignore[attr-defined]
            raise PermissionDenied("Only owners and admins of the team may do this. Ask one of them.")
        millions = request.POST.get("monthly_tokens", "").replace(",", "").replace(" ", "")
        if not (millions.isascii() and millions.isdecimal() and int(millions[:12]) <= MOST_TOKENS):
            messages.error(request, f"Give the month's tokens as a whole number up to {MOST_TOKENS:,}.")
        else:
            values = {"enabled": "enabled" in request.POST, "monthly_tokens": int(millions)}
            LlmSettings.objects.across_teams().update_or_create(team=team, defaults=values)
            messages.success(request, "Kept. It holds from the next run on.")
        return HttpResponseRedirect(reverse("metrics:ai_reading", args=[team.slug]), status=303)
    month = pace.month_of(timezone.now())
    analyses = Analysis.objects.for_team(team)
    context = {
        "team": team,
        "now": now,
        "use": LlmUse.objects.for_team(team).filter(month=month).first(),
        "month": month,
        "configured": client.is_configured(),
        "model": settings.LLM_MODEL,
        "server": urlsplit(settings.LLM_BASE_URL).hostname,
        "read": analyses.filter(state=AnalysisState.DONE).count(),
        "failed": analyses.filter(state=AnalysisState.FAILED).count(),
        "can_manage": request.role in MANAGING,  # type: ignore[attr-defined]
    }
    return render(request, "metrics/ai_reading.html", context)
