"""Plain pages for a run and for the weeks; they show the rows as they are and work by reload."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from apps.integrations.models import TrackedRepository
from apps.metrics.models import Scope, WeeklyMetrics
from apps.onboarding.services.runs import SUBJECT
from apps.onboarding.services.summary import top_insights
from apps.pipelines.models import Run
from apps.teams.access import team_view
from apps.teams.models import Team

LOG_LINES = 100
WEEKS = 26


@require_GET
def landing(request: HttpRequest) -> HttpResponse:
    teams = Team.objects.of(request.user).order_by("name") if request.user.is_authenticated else Team.objects.none()
    return render(request, "onboarding/landing.html", {"teams": teams})


@require_GET
@team_view()
def run_detail(request: HttpRequest, team: Team, run_id: UUID) -> HttpResponse:
    run = get_object_or_404(Run, pk=run_id, subject=f"{SUBJECT}{team.pk}")
    repositories = (
        TrackedRepository.objects.for_team(team).select_related("repository").order_by("repository__full_name")
    )
    if run.params.get("repo_ids") is not None:
        repositories = repositories.filter(pk__in=run.params["repo_ids"])
    log = run.events.filter(kind__in=["log", "run", "receiver_failed"]).exclude(message="").order_by("-seq")[:LOG_LINES]
    return render(
        request,
        "onboarding/run_detail.html",
        {"team": team, "run": run, "steps": run.steps.order_by("idx"), "repositories": repositories, "log": log},
    )


@require_GET
@team_view()
def team_weeks(request: HttpRequest, team: Team) -> HttpResponse:
    weeks = WeeklyMetrics.objects.for_team(team).filter(scope=Scope.TEAM).order_by("-week")[:WEEKS]
    newest = Run.objects.filter(subject=f"{SUBJECT}{team.pk}", pipeline="onboarding").first()
    return render(
        request,
        "onboarding/team_weeks.html",
        {"team": team, "weeks": weeks, "insights": top_insights(team), "run": newest},
    )
