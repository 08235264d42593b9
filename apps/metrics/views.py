"""The pages of figures. They say the same in every window, and work without JavaScript; HTMX gets their changing part."""

import csv
import json
from collections.abc import Callable, Hashable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from apps.metrics import breakdown, findings, pull_list
from apps.metrics import dashboard as pages
from apps.metrics.analysis import correct
from apps.metrics.api import tokens
from apps.metrics.cards import cards
from apps.metrics.definitions import MIN_SAMPLE
from apps.metrics.export import columns, weekly_rows
from apps.metrics.llm import client, pace, wording
from apps.metrics.measures import MEASURES
from apps.metrics.models import (
    Analysis,
    AnalysisState,
    ApiToken,
    Insight,
    LlmSettings,
    LlmUse,
    PullRequest,
    Scope,
    TeamMember,
)
from apps.metrics.panels import Frame, member_panels, panels
from apps.metrics.records import PullRequestState
from apps.metrics.remembered import remembered, stamp_of
from apps.metrics.selection import USUAL, WINDOWS, Choices, Selection, choices
from apps.metrics.verdicts import WORDS
from apps.metrics.words import person
from apps.teams.access import team_view
from apps.teams.models import Team
from apps.teams.services import MANAGING

MOST_TOKENS = 2_000_000_000
STATES = [(state.value, state.value.capitalize()) for state in PullRequestState]
VERDICTS = [(verdict.value, word) for verdict, (word, _) in WORDS.items()]


def _shown(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The page; for HTMX its part `content`."""
    if request.htmx:  # type: ignore[attr-defined]
        template += "#content"
    return render(request, template, context)


def _known(team: Team) -> tuple[UUID | None, Choices]:
    """The state of the team's data, and what may be chosen in it."""
    stamp = stamp_of(team.pk)
    return stamp, remembered(stamp, (team.pk, "choices"), lambda: choices(team.pk))


def _remembered[T](stamp: UUID | None, team: Team, page: str, asked: Hashable, make: Callable[[], T]) -> T:
    """What a page computed, as long as neither the data nor the day is another."""
    return remembered(stamp, (team.pk, team.slug, page, asked, timezone.now().date()), make)


def _light(figures: Frame) -> SimpleNamespace:
    """What a page needs of its figures once the panels are made: the weeks, and how many rows there were."""
    return SimpleNamespace(period=figures.period, rows=range(len(figures.rows)))


def _drill(team: Team, asked: Selection) -> str:
    """The address of what was merged by a selection; a week's date comes after it."""
    query = f"{replace(asked, weeks=USUAL).query}&".lstrip("&")
    return f"{reverse('metrics:pull_requests', args=[team.slug])}?{query}state=merged&week="


def _common(team: Team, known: Choices, asked: Selection) -> dict[str, Any]:
    return {
        "team": team,
        "choices": known,
        "selection": asked,
        "windows": WINDOWS,
        "standing": pages.standing(team.pk),
        "least": MIN_SAMPLE,
        "today": timezone.now().date(),
    }


@require_safe
@vary_on_headers("HX-Request")
@team_view()
def dashboard(request: HttpRequest, team: Team) -> HttpResponse:
    stamp, known = _known(team)
    asked = known.read(request.GET)
    context = _common(team, known, asked)
    if not remembered(stamp, (team.pk, "any"), PullRequest.objects.for_team(team).exists):
        return render(request, "metrics/empty.html", context)

    def make() -> dict[str, Any]:
        figures = replace(pages.frame(team.pk, asked, timezone.now()), drill=_drill(team, asked))
        return {
            "figures": _light(figures),
            "cards": (shown := cards(team.pk, asked)),
            "summary": wording.newest(team.pk, shown[0].insight.date) if shown and asked.is_whole else None,
            "dismissed": findings.dismissed(team.pk),
            "panels": panels(figures),
            "rows": pages.newest_merged(team.pk, figures, asked),
        }

    made = _remembered(stamp, team, "dashboard", asked, make)
    return _shown(request, "metrics/dashboard.html", context | made | {"verdicts": VERDICTS})


@require_safe
@vary_on_headers("HX-Request")
@team_view()
def pull_requests(request: HttpRequest, team: Team) -> HttpResponse:
    stamp, known = _known(team)
    search = pull_list.read(
        request.GET, known, ZoneInfo(team.time_zone), pull_list.evidence(team.pk, request.GET.get("finding", ""))
    )
    context = _common(team, known, search.selection)
    more = request.GET.get("more", "")
    context |= {
        "page": _remembered(stamp, team, "pulls", (search, more), lambda: pull_list.page(team.pk, search, more)),
        "search": search,
        "states": STATES,
        "sorts": [(name, words) for name, (words, _) in pull_list.SORTS.items()],
        "verdicts": VERDICTS,
    }
    if not request.htmx:  # type: ignore[attr-defined]
        return render(request, "metrics/pull_requests.html", context)
    part = "more" if "more" in request.GET else "results"
    return render(request, f"metrics/pull_requests.html#{part}", context)


@require_safe
@vary_on_headers("HX-Request")
@team_view()
def repositories(request: HttpRequest, team: Team) -> HttpResponse:
    stamp, known = _known(team)
    asked = Selection(weeks=known.read(request.GET).weeks)

    def make() -> dict[str, Any]:
        figures = pages.frame(team.pk, asked, timezone.now(), compare=False)
        return {"figures": _light(figures), "lines": breakdown.by_repository(team.pk, figures)}

    context = _common(team, known, asked) | _remembered(stamp, team, "repositories", asked, make)
    return _shown(request, "metrics/repositories.html", context)


def _people_table(title: str, team: Team, asked: Selection, lines: list[breakdown.Line]) -> str:
    """Kept as it is shown: to put hundreds of rows into words takes longer than to count them."""
    context = {"title": title, "team": team, "selection": asked, "lines": lines, "least": MIN_SAMPLE}
    return render_to_string("metrics/people_table.html", context) if lines else ""


@require_safe
@vary_on_headers("HX-Request")
@team_view()
def people(request: HttpRequest, team: Team) -> HttpResponse:
    stamp, known = _known(team)
    asked = Selection(weeks=known.read(request.GET).weeks)

    def make() -> dict[str, Any]:
        figures = pages.frame(team.pk, asked, timezone.now(), compare=False)
        lines = breakdown.by_member(team.pk, figures)
        return {
            "figures": _light(figures),
            "people": _people_table("People", team, asked, [line for line in lines if not line.is_bot]),
            "bots": _people_table("Bots", team, asked, [line for line in lines if line.is_bot]),
        }

    context = _common(team, known, asked) | _remembered(stamp, team, "people", asked, make)
    return _shown(request, "metrics/people.html", context)


@require_safe
@vary_on_headers("HX-Request")
@team_view()
def member(request: HttpRequest, team: Team, member_id: int) -> HttpResponse:
    """One person's weeks, pull requests and reviews."""
    who: TeamMember = get_object_or_404(TeamMember.objects.for_team(team), pk=member_id)
    stamp, known = _known(team)
    asked = pages.of_member(known.read(request.GET), who.pk)

    def make() -> dict[str, Any]:
        figures = replace(pages.frame(team.pk, asked, timezone.now()), drill=_drill(team, asked))
        return {
            "figures": _light(figures),
            "line": breakdown.of_member(team.pk, figures, who),
            "panels": member_panels(figures),
            "rows": pages.newest_merged(team.pk, figures, asked),
        }

    made = _remembered(stamp, team, "member", asked, make)
    context = _common(team, known, asked) | made | {"who": who, "name": person(who)}
    return _shown(request, "metrics/member.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@team_view(manage=True)
def api_tokens(request: HttpRequest, team: Team) -> HttpResponse:
    """The team's tokens for the JSON interface. A new one is shown on the page that answers, and never again."""
    made = None
    if request.method == "POST":
        if "revoke" in request.POST:
            ApiToken.objects.for_team(team).filter(pk=_number(request.POST["revoke"])).delete()
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


@require_safe
@team_view()
def measures(request: HttpRequest, team: Team) -> HttpResponse:
    """How each figure is measured."""
    context = {"team": team, "measures": list(MEASURES.items()), "least": MIN_SAMPLE}
    return render(request, "metrics/measures.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@team_view()
def dismiss(request: HttpRequest, team: Team) -> HttpResponse:
    """Tell the team no more of a finding. Any member may, and any member may take it back. A GET leads to the page."""
    if request.method != "POST":
        return _to_dashboard(team)
    insight = get_object_or_404(Insight.objects.for_team(team), pk=_number(request.POST.get("insight", "")))
    try:
        findings.dismiss(insight, request.POST.get("reason", ""), request.user, timezone.now())
    except ValueError:
        messages.error(request, "Say why, so that the others of the team know.")
    else:
        messages.success(request, f"“{insight.title}” is dismissed. It can be brought back below the findings.")
    return _to_dashboard(team)


@require_http_methods(["GET", "HEAD", "POST"])
@team_view()
def restore(request: HttpRequest, team: Team) -> HttpResponse:
    """Take a dismissal back. A GET leads to the page."""
    if request.method != "POST":
        return _to_dashboard(team)
    findings.restore(team.pk, request.POST.get("rule", ""), request.POST.get("subject", ""))
    messages.success(request, "The finding is back, as long as the numbers show it.")
    return _to_dashboard(team)


@require_http_methods(["GET", "HEAD", "POST"])
@team_view()
def correct_pull(request: HttpRequest, team: Team, pull_id: int) -> HttpResponse:
    """Say whether AI helped to write a pull request, against markers and model. A GET leads to the list."""
    pull = get_object_or_404(PullRequest.objects.for_team(team), pk=pull_id)
    back = f"{reverse('metrics:pull_requests', args=[team.slug])}?q={pull.number or ''}#pull-{pull.pk}"
    said = {"yes": True, "no": False, "undo": None}
    if request.method == "POST" and request.POST.get("assisted") in said:
        with transaction.atomic():
            correct(pull, said[request.POST["assisted"]], request.POST.get("note", ""), request.user)
        messages.success(request, "Kept. It counts from now on, whatever markers or model say.")
    return HttpResponseRedirect(back, status=303)


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


def _to_dashboard(team: Team) -> HttpResponse:
    return HttpResponseRedirect(reverse("metrics:dashboard", args=[team.slug]), status=303)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else 0


def _by(request: HttpRequest) -> Scope:
    asked = request.GET.get("by", "")
    return Scope(asked) if asked in Scope.values else Scope.TEAM


@require_safe
@team_view()
def chart_data(request: HttpRequest, team: Team, key: str, kind: str) -> HttpResponse:
    """The numbers of one chart of the dashboard, with the same choices in the address, as CSV or JSON."""
    _, known = _known(team)
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
