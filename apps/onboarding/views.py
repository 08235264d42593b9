"""Plain pages for a run and for the weeks; they show the rows as they are and work by reload."""

from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from apps.integrations.models import TrackedRepository
from apps.metrics.models import Scope, WeeklyMetrics
from apps.onboarding.services.runs import SUBJECT
from apps.onboarding.services.summary import top_insights
from apps.pipelines.models import Run
from apps.teams.models import Team
from apps.teams.services import can_watch
from apps.users.models import User

LOG_LINES = 100
WEEKS = 26


def team_for(request: HttpRequest, slug: str) -> Team:
    """The team of the address, for its members; to everybody else it does not exist."""
    team = get_object_or_404(Team, slug=slug)
    if not isinstance(request.user, User) or not can_watch(request.user, team):
        raise Http404
    return team


@require_GET
def landing(request: HttpRequest) -> HttpResponse:
    teams = Team.objects.of(request.user).order_by("name") if request.user.is_authenticated else Team.objects.none()
    return render(request, "onboarding/landing.html", {"teams": teams})


@require_GET
@login_required
def run_detail(request: HttpRequest, slug: str, run_id: UUID) -> HttpResponse:
    team = team_for(request, slug)
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
@login_required
def team_weeks(request: HttpRequest, slug: str) -> HttpResponse:
    team = team_for(request, slug)
    weeks = WeeklyMetrics.objects.for_team(team).filter(scope=Scope.TEAM).order_by("-week")[:WEEKS]
    newest = Run.objects.filter(subject=f"{SUBJECT}{team.pk}", pipeline="onboarding").first()
    return render(
        request,
        "onboarding/team_weeks.html",
        {"team": team, "weeks": weeks, "insights": top_insights(team), "run": newest},
    )
