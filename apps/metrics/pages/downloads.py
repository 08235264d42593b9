"""The numbers behind charts and tables, for other programs."""

import json

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.metrics.csv_files import download
from apps.metrics.figures.export import columns, weekly_rows
from apps.metrics.forms import ChoiceQuery, DownloadQuery
from apps.metrics.models import Scope
from apps.metrics.pages import dashboard as pages
from apps.metrics.pages.panels import panels
from apps.teams.access import team_view
from apps.teams.models import Team


def _by(request: HttpRequest) -> Scope:
    asked = DownloadQuery(request.GET).values["by"]
    return Scope(asked) if asked in Scope.values else Scope.TEAM


@require_safe
@team_view()
def chart_data(request: HttpRequest, team: Team, key: str, kind: str) -> HttpResponse:
    """Return the numbers of one chart of the dashboard as CSV or JSON.

    The address has the same choices as the dashboard's.
    """
    _, known = pages.known(team)
    asked = known.read(ChoiceQuery(request.GET).values)
    shown = {
        panel.key: panel
        for panel in panels(pages.frame(team.pk, asked, timezone.now(), compare=False))
    }
    if key not in shown:
        raise Http404("There is no such chart.")
    panel = shown[key]
    filename = f"{team.slug}-{key}.{kind}"
    if kind == "json":
        headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
        rows = [dict(zip(panel.columns, row, strict=True)) for row in panel.values]
        return JsonResponse(
            {"title": panel.title, "measured": panel.measured, "weeks": rows}, headers=headers
        )
    return download(filename, panel.columns, panel.values)


@require_safe
@team_view()
def weekly_csv(request: HttpRequest, team: Team) -> HttpResponse:
    """Return the weekly table, `?by=team|repository|member`, as `export_weekly` prints
    it, with `week_start`.
    """
    by = _by(request)
    rows = (list(row.values()) for row in weekly_rows(team.pk, by, dates=True))
    return download(_filename(team, by, "csv"), columns(by, dates=True), rows)


@require_safe
@team_view()
def weekly_json(request: HttpRequest, team: Team) -> HttpResponse:
    """Return the weekly table as JSON."""
    by = _by(request)
    rows = json.dumps(list(weekly_rows(team.pk, by, dates=True)), indent=2, ensure_ascii=False)
    headers = {"Content-Disposition": f'attachment; filename="{_filename(team, by, "json")}"'}
    return HttpResponse(rows, content_type="application/json", headers=headers)


def _filename(team: Team, by: Scope, kind: str) -> str:
    return f"{team.slug}-weekly-by-{by.value}.{kind}"
