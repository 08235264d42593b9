"""The page that compares two choices of pull requests."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe
from django.views.decorators.vary import vary_on_headers

from apps.metrics.cache import remembered
from apps.metrics.csv_files import download
from apps.metrics.forms import CompareQuery, FormatQuery
from apps.metrics.pages import compared_groups
from apps.metrics.pages import dashboard as pages
from apps.teams.access import team_view
from apps.teams.models import Team


@require_safe
@vary_on_headers("HX-Request")
@team_view()
def comparison(request: HttpRequest, team: Team) -> HttpResponse:
    """Show two groups side by side, or download their numbers.

    The sides are in the address:
    `?a_from=…&a_to=…&a_repository=…&a_author=…&a_verdict=…` and the same for b. With
    `as=csv` or `as=json` it is a download.
    """
    now = timezone.now()
    stamp, known = pages.known(team)
    first, second, newest = compared_groups.read(
        CompareQuery(request.GET).values, known, team.pk, now
    )

    def make() -> dict[str, Any]:
        one, other = (
            compared_groups.figures_of(team.pk, first),
            compared_groups.figures_of(team.pk, second),
        )
        return {
            "lines": compared_groups.lines(first, second, one, other),
            "chart": compared_groups.chart(one, other),
            "table": compared_groups.table(one, other),
            "values": compared_groups.values(one, other),
        }

    made = remembered(stamp, (team.pk, "compare", first, second), make)
    if kind := FormatQuery(request.GET).values["as"]:
        return _numbers(team, kind, made["values"])
    context = {
        "team": team,
        "query": compared_groups.query_of(first, second),
        "choices": known,
        "sides": [
            ("a", "A", first, first.words(known)),
            ("b", "B", second, second.words(known)),
        ],
        "presets": compared_groups.presets(known, first, second, newest),
        "verdicts": [
            (verdict.value, words) for verdict, words in compared_groups.VERDICTS.items()
        ],
        "no_cause": compared_groups.NO_CAUSE if first.verdict or second.verdict else "",
        "today": now.date(),
    }
    template = "metrics/compare.html" + ("#content" if request.htmx else "")  # type: ignore[attr-defined]
    return render(request, template, context | made)


def _numbers(
    team: Team, kind: str, values: list[tuple[str, str, str, float | None, float | None, int]]
) -> HttpResponse:
    """Return the chart's numbers as CSV or JSON."""
    filename = f"{team.slug}-compare.{kind}"
    if kind == "json":
        headers = {"Content-Disposition": f'attachment; filename="{filename}"'}
        rows = [dict(zip(compared_groups.COLUMNS, row, strict=True)) for row in values]
        return JsonResponse({"weeks": rows}, headers=headers)
    return download(filename, compared_groups.COLUMNS, values)
