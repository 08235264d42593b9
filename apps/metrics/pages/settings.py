"""The pages on which owners and admins decide who reads a team's figures by token, and
what a language model may read.
"""

from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from apps.metrics.api import tokens
from apps.metrics.forms import ReadingForm, TokenForm
from apps.metrics.llm import budget, client, continuing, pace
from apps.metrics.models import Analysis, AnalysisState, ApiToken, LlmSettings, LlmUse
from apps.teams.access import team_view
from apps.teams.models import Team
from apps.teams.services import MANAGING


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def api_tokens(request: HttpRequest, team: Team) -> HttpResponse:
    """Show the team's tokens for the JSON interface, and create or revoke one.

    A new token is shown only in the response that creates it.
    """
    made = None
    if request.method == "POST":
        form = TokenForm(request.POST)
        if not form.is_valid():
            messages.error(request, "This token does not exist.")
            return HttpResponseRedirect(
                reverse("metrics:api_tokens", args=[team.slug]), status=303
            )
        if form.cleaned_data["revoke"]:
            ApiToken.objects.for_team(team).filter(pk=form.cleaned_data["revoke"]).delete()
            messages.success(request, "Token revoked. Requests that use it are refused.")
            return HttpResponseRedirect(
                reverse("metrics:api_tokens", args=[team.slug]), status=303
            )
        try:
            made = tokens.make(team, form.cleaned_data["name"], request.user)
        except ValueError as error:
            messages.error(request, str(error))
    context = {
        "team": team,
        "made": made,
        "tokens": ApiToken.objects.for_team(team)
        .select_related("created_by")
        .order_by("-created_at"),
        "address": request.build_absolute_uri(reverse("metrics:api_weekly")),
        "document": request.build_absolute_uri(reverse("metrics:api_openapi")),
    }
    response = render(request, "metrics/api_tokens.html", context)
    response.headers["Cache-Control"] = "no-store"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@team_view()
def ai_reading(request: HttpRequest, team: Team) -> HttpResponse:
    """Show what the language model may read, what is sent to it, and what it costs.

    Owners and admins may change it.
    """
    now = pace.settings_of(team.pk)
    if request.method == "POST":
        if request.role not in MANAGING:  # type: ignore[attr-defined]
            raise PermissionDenied(
                "Only owners and admins of the team may do this. Ask one of them."
            )
        form = ReadingForm(request.POST)
        if not form.is_valid():
            messages.error(request, str(form.errors["monthly_tokens"][0]))
        else:
            LlmSettings.objects.across_teams().update_or_create(
                team=team, defaults=form.cleaned_data
            )
            messages.success(request, "Saved. Takes effect with the next run.")
        return HttpResponseRedirect(reverse("metrics:ai_reading", args=[team.slug]), status=303)
    month = budget.month_of(timezone.now())
    analyses = Analysis.objects.for_team(team)
    context = {
        "team": team,
        "now": now,
        "use": LlmUse.objects.for_team(team).filter(month=month).first(),
        "month": month,
        "configured": client.is_configured(),
        "switched_off": budget.is_switched_off(),
        "renewal": budget.day_of_renewal(),
        **continuing.context_of(team.pk),
        "used_up": budget.is_used_up(pace.key()),
        "model": settings.LLM_MODEL,
        "server": urlsplit(settings.LLM_BASE_URL).hostname,
        "read": analyses.filter(state=AnalysisState.DONE).count(),
        "failed": analyses.filter(state=AnalysisState.FAILED).count(),
        "can_manage": request.role in MANAGING,  # type: ignore[attr-defined]
    }
    return render(request, "metrics/ai_reading.html", context)


@require_GET
@team_view()
def ai_progress(request: HttpRequest, team: Team) -> HttpResponse:
    """Return the progress of the background reading, which pages request again and
    again.
    """
    return render(
        request, "metrics/ai_progress.html", {"team": team, **continuing.context_of(team.pk)}
    )
