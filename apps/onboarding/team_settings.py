"""The page of a team's own settings: its name, and the time zone of its weeks."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from apps.integrations.tasks import aggregate_team_weekly_metrics_task
from apps.metrics.cache import touch
from apps.teams.access import team_view
from apps.teams.forms import TeamSettingsForm
from apps.teams.models import Team


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def team_settings(request: HttpRequest, team: Team) -> HttpResponse:
    """Show and change the team's name and time zone.

    The weeks of another time zone begin at other moments, so after a change a run of
    that step computes the weekly table again.
    """
    form = TeamSettingsForm(
        request.POST or None, initial={"name": team.name, "time_zone": team.time_zone}
    )
    if request.method != "POST" or not form.is_valid():
        context = {"team": team, "form": form}
        return render(
            request,
            "onboarding/team_settings.html",
            context,
            status=422 if form.errors else 200,
        )
    other_weeks = form.cleaned_data["time_zone"] != team.time_zone
    team.name, team.time_zone = form.cleaned_data["name"], form.cleaned_data["time_zone"]
    with transaction.atomic():
        team.save(update_fields=["name", "time_zone"])
        if other_weeks:
            touch(team.pk)
            aggregate_team_weekly_metrics_task(team.pk)
    said = " Figures are recalculated within a minute." if other_weeks else ""
    messages.success(request, f"Kept.{said}")
    return HttpResponseRedirect(
        reverse("onboarding:team_settings", args=[team.slug]), status=303
    )
