"""The page of a run, the actions on it, and the state of a team's setup for other pages
and programs.
"""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from apps.metrics.llm import continuing
from apps.metrics.run_events import RepositoryEvent
from apps.onboarding import lost_access
from apps.onboarding.forms import RetryForm
from apps.onboarding.fragments import addresses, context_of
from apps.onboarding.journey import see_other
from apps.onboarding.services.journey import newest_run
from apps.onboarding.services.notifications import recipients
from apps.onboarding.state import as_json, kind_of_run, run_state, with_workers
from apps.onboarding.state.runs import silent_queues
from apps.onboarding.titles import tab_of
from apps.pipelines import engine
from apps.pipelines.exceptions import NotAllowed
from apps.pipelines.models import Run
from apps.pipelines.projection import project
from apps.pipelines.stream.views import silence_limit
from apps.pipelines.worker import health
from apps.teams import states
from apps.teams.access import team_view
from apps.teams.models import Team
from apps.teams.run_subjects import subject_of
from apps.teams.services import MANAGING

ALREADY = "This was already done, by someone else or by an earlier click. Nothing was changed."
NOT_YOURS = "Only owners and admins of the team may do this. Ask one of them."


def run_of(team: Team, run_id: UUID) -> Run:
    return get_object_or_404(
        Run.objects.select_related("started_by"), pk=run_id, subject=subject_of(team.pk)
    )


@require_GET
@team_view()
def run_detail(request: HttpRequest, team: Team, run_id: UUID) -> HttpResponse:
    return _page(request, team, run_of(team, run_id))


def _page(
    request: HttpRequest, team: Team, run: Run, *, said: str = "", status: int = 200
) -> HttpResponse:
    """Render the run's page; for HTMX only its live part."""
    projection = project(run.pk)
    context = context_of(projection, team) | {
        "run": run,
        "months": run.params.get("months"),
        "since": _first_day(run),
        "can_manage": request.role in MANAGING,  # type: ignore[attr-defined]
        "recipients": [user.email for user in recipients(run)],
        "said": {"words": said, "state": "state-partial"} if said else None,
        "silence": silence_limit(),
        "made_at": timezone.now(),
        "lost_access": lost_access.address_of(request.user, team, run.pk),  # type: ignore[arg-type]
        **continuing.context_of(team.pk),
        **_workers(run, projection.seq),
    }
    template = "onboarding/run.html#live" if _htmx(request) else "onboarding/run.html"
    return render(request, template, context, status=status)


def _first_day(run: Run) -> date | None:
    """Return the first day of what the run reads, if it was started with one."""
    since = run.params.get("since")
    return date.fromisoformat(since) if since else None


def _htmx(request: HttpRequest) -> bool:
    return bool(request.htmx)  # type: ignore[attr-defined]


def _act(
    request: HttpRequest, team: Team, run_id: UUID, act: Callable[[Run, Any], Any]
) -> HttpResponse:
    """Do something to a run, and show the run.

    If it is not allowed, or not possible any more, the page states that, and nothing
    changes.
    """
    run = run_of(team, run_id)
    if request.method != "POST":  # the way back from the log-in page after a session has ended
        return see_other("onboarding:run_detail", team, run_id=run_id)
    said, status = "", 200
    if request.role not in MANAGING:  # type: ignore[attr-defined]
        if not _htmx(request):
            raise PermissionDenied(NOT_YOURS)
        said, status = NOT_YOURS, 403
    else:
        try:
            act(run, request.user)
            if run_of(team, run_id).seq == run.seq:
                said = ALREADY
        except NotAllowed as reason:
            said = str(reason)
    if _htmx(request):
        return _page(request, team, run_of(team, run_id), said=said, status=status)
    if said:
        messages.warning(request, said)
    return see_other("onboarding:run_detail", team, run_id=run_id)


@require_http_methods(["GET", "HEAD", "POST"])
@team_view()
def run_retry(request: HttpRequest, team: Team, run_id: UUID) -> HttpResponse:
    """Retry from the step that failed; with `repository`, only for those that are
    named.
    """
    names = RetryForm(request.POST).values["repository"]
    return _act(
        request, team, run_id, lambda run, user: engine.retry(run, names or None, by=user)
    )


@require_http_methods(["GET", "HEAD", "POST"])
@team_view()
def run_cancel(request: HttpRequest, team: Team, run_id: UUID) -> HttpResponse:
    return _act(request, team, run_id, lambda run, user: engine.cancel(run, by=user))


@require_http_methods(["GET", "HEAD", "POST"])
@team_view()
def run_pause(request: HttpRequest, team: Team, run_id: UUID) -> HttpResponse:
    return _act(request, team, run_id, lambda run, user: engine.pause(run, by=user))


@require_http_methods(["GET", "HEAD", "POST"])
@team_view()
def run_resume(request: HttpRequest, team: Team, run_id: UUID) -> HttpResponse:
    return _act(request, team, run_id, lambda run, user: engine.resume(run, by=user))


@require_GET
@team_view()
def run_workers(request: HttpRequest, team: Team, run_id: UUID) -> HttpResponse:
    """Return whether a worker serves the run, and the number of its newest event.

    The run's page polls it.
    """
    run = run_of(team, run_id)
    tab = tab_of(kind_of_run(run), run.state, run.percent, team)
    context = _workers(run, run.seq) | addresses(team, run.pk) | {"tab": tab}
    return render(request, "onboarding/live/workers.html", context)


def _workers(run: Run, seq: int) -> dict[str, Any]:
    """Return the queues that the run needs now and that no worker serves."""
    missing = silent_queues(run)
    seen = [age for age in missing.values() if age is not None]
    silent = (
        {"queues": list(missing), "seconds": round(max(seen)) if seen else None}
        if missing
        else None
    )
    disk_problem = health.disk_problem() if run.is_live else ""
    return {
        "silent": silent,
        "stalled": with_workers(run_state(project(run.pk), ""), run).state if silent else None,
        "disk_problem": disk_problem,
        "seq": seq,
        "every": 4 if run.is_live else 20,
        "debug": settings.DEBUG,
    }


@require_GET
@team_view()
def indicator(request: HttpRequest, team: Team) -> HttpResponse:
    """Render the progress of a run for the header of the team's other pages.

    They poll it, because a stream in every tab would use up the browser's connections.
    """
    address = lost_access.address_of(request.user, team)  # type: ignore[arg-type]
    return render(request, "onboarding/indicator.html", {"team": team, "lost_access": address})


@require_GET
@team_view()
def sync_status(request: HttpRequest, team: Team) -> JsonResponse:
    """Return the newest run as JSON; `run` is null if the team has none."""
    run = newest_run(team)
    told = as_json(states.of_team(team.pk))
    if run is None:
        nothing = {
            "run": None,
            "seq": 0,
            "state": "not_started",
            "percent": 0,
            "eta_seconds": None,
        }
        return JsonResponse({**nothing, "steps": [], "repositories": [], "team": told})
    projection = project(run.pk)
    return JsonResponse(
        {
            "run": str(run.pk),
            "seq": projection.seq,
            "state": projection.run["state"],
            "percent": projection.run["percent"],
            "eta_seconds": projection.run["eta_seconds"],
            "steps": [
                {key: step[key] for key in ("key", "state", "done", "total")}
                for step in projection.steps
            ],
            "repositories": [
                {
                    "name": name,
                    **{
                        key: getattr(row, key)
                        for key in ("sync_status", "last_sync_error", "done", "total")
                    },
                }
                for name, row in RepositoryEvent.all_in(projection).items()
            ],
            "team": told,
        },
        headers={"Cache-Control": "no-store"},
    )
