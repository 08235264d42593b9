"""The numbers behind charts and tables, for other programs."""

import csv
import json
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.metrics import dashboard as pages
from apps.metrics.export import columns, weekly_rows
from apps.metrics.models import Scope
from apps.metrics.panels import panels
from apps.teams.access import team_view
from apps.teams.models import Team


def _by(request: HttpRequest) -> Scope:
    asked = request.GET.get("by", "")
    return Scope(asked) if asked in Scope.values else Scope.TEAM


@require_safe
@team_view()
def chart_data(request: HttpRequest, team: Team, key: str, kind: str) -> HttpResponse:
    """The numbers of one chart of the dashboard, with the same choices in the address, as CSV or JSON."""
    _, known = pages.known(team)
    asked = known.read(request.GET)
    shown = {panel.key: panel for panel in panels(pages.frame(team.pk, asked, timezone.now(), compare=False))}
    if key not in shown:
        raise Http404("There is no such chart.")
    panel, headers = shown[key], {"Content-Disposition": f'attachment; filename="{team.slug}-{key}.{kind}"'}
    if kind == "json":
        rows = [dict(zip(panel.columns, row, strict=True)) for row in panel.values]
        return JsonResponse({"title": panel.title, "measured": panel.measured, "weeks": rows}, headers=headers)
    response = HttpResponse(content_type="text/csv; charset=utf-8", headers=headers)
    writer = csv.writer(response, lineterminator="\n")
    writer.writerow(panel.columns)
    writer.writerows(panel.values)
    return response


@require_safe
@team_view()
def weekly_csv(request: HttpRequest, team: Team) -> HttpResponse:
    """The weekly table as `export_weekly` prints it, `?by=team|repository|member`, made safe for spreadsheets."""
    by = _by(request)
    response = HttpResponse(content_type="text/csv; charset=utf-8", headers=_download(team, by, "csv"))
    writer = csv.DictWriter(response, columns(by), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _inert(value) for name, value in row.items()} for row in weekly_rows(team.pk, by))
    return response


@require_safe
@team_view()
def weekly_json(request: HttpRequest, team: Team) -> HttpResponse:
    """The same as JSON, word for word."""
    by = _by(request)
    rows = json.dumps(list(weekly_rows(team.pk, by)), indent=2, ensure_ascii=False)
    return HttpResponse(rows, content_type="application/json", headers=_download(team, by, "json"))


def _download(team: Team, by: Scope, kind: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{team.slug}-weekly-by-{by.value}.{kind}"'}


def _inert(value: Any) -> Any:
    """Names come from outside, and a spreadsheet would take one that begins so for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
