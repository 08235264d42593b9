"""The pages of figures.

The state of a page is in its address, so it is the same in every browser window. The
pages work without JavaScript; HTMX replaces only the part that changes.
"""

from collections.abc import Callable, Hashable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_safe
from django.views.decorators.vary import vary_on_headers

from apps.metrics.accounts import bot_decisions, joins
from apps.metrics.accounts.landing_bots import landed_elsewhere
from apps.metrics.ai.apply_markers import correct
from apps.metrics.ai.explain import WORDS
from apps.metrics.cache import remembered
from apps.metrics.figures.declarations import MEASURES
from apps.metrics.figures.definitions import MIN_SAMPLE
from apps.metrics.figures.selection import USUAL, WINDOWS, Choices, Selection
from apps.metrics.formatting import person
from apps.metrics.forms import ChoiceQuery, CorrectionForm, DismissForm, ListQuery, RestoreForm
from apps.metrics.insights import daily
from apps.metrics.llm import continuing, wording
from apps.metrics.models import (
    GHOST_KEY,
    Insight,
    PullRequest,
    TeamMember,
)
from apps.metrics.pages import breakdown, pull_request_list
from apps.metrics.pages import dashboard as pages
from apps.metrics.pages.insight_cards import cards
from apps.metrics.pages.panels import Frame, member_panels, panels
from apps.metrics.records import PullRequestState
from apps.teams import states
from apps.teams.access import team_view
from apps.teams.models import Team
from apps.teams.services import MANAGING

STATES = [(state.value, state.value.capitalize()) for state in PullRequestState]
VERDICTS = [(verdict.value, word) for verdict, (word, _) in WORDS.items()]


def _shown(request: HttpRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """Render the page; for HTMX only its part `content`."""
    if request.htmx:  # type: ignore[attr-defined]
        template += "#content"
    return render(request, template, context)


def _remembered[T](
    stamp: UUID | None, team: Team, page: str, asked: Hashable, make: Callable[[], T]
) -> T:
    """Return what a page computed, until the data or the day changes."""
    return remembered(stamp, (team.pk, team.slug, page, asked, timezone.now().date()), make)


def _light(figures: Frame) -> SimpleNamespace:
    """Return what a page needs of its figures once the panels are made: the weeks, and
    how many rows there were.
    """
    return SimpleNamespace(
        period=figures.period,
        rows=range(figures.now.merged),
        direct=range(figures.now.direct_commits),
    )


def _drill(team: Team, asked: Selection) -> str:
    """Return the start of the address of the pull requests that a selection contains.

    The caller appends a week's date.
    """
    query = f"{replace(asked, weeks=USUAL).query}&".lstrip("&")
    return f"{reverse('metrics:pull_requests', args=[team.slug])}?{query}state=merged&week="


def _common(stamp: UUID | None, team: Team, known: Choices, asked: Selection) -> dict[str, Any]:
    team_state = states.of_team(team.pk)
    return {
        "team": team,
        "choices": known,
        "selection": asked,
        "windows": WINDOWS,
        "team_state": team_state,
        "impossible_times": remembered(
            stamp, (team.pk, "impossible"), lambda: pages.count_impossible(team.pk)
        ),
        "landed_elsewhere": remembered(
            stamp, (team.pk, "elsewhere"), lambda: landed_elsewhere(team.pk)
        ),
        "read_at": team_state.read_at(asked.repository),
        "least": MIN_SAMPLE,
        "today": timezone.now().date(),
    }


@require_safe
@vary_on_headers("HX-Request")
@team_view()
def dashboard(request: HttpRequest, team: Team) -> HttpResponse:
    stamp, known = pages.known(team)
    asked = known.read(ChoiceQuery(request.GET).values)
    context = _common(stamp, team, known, asked)
    if not remembered(stamp, (team.pk, "any"), PullRequest.objects.for_team(team).exists):
        return render(request, "metrics/empty.html", context)

    def make() -> dict[str, Any]:
        figures = replace(
            pages.frame(team.pk, asked, timezone.now()), link_prefix=_drill(team, asked)
        )
        return {
            "figures": _light(figures),
            "cards": (shown := cards(team.pk, asked)),
            "summary": wording.newest(team.pk, shown[0].insight.date)
            if shown and asked.is_whole
            else None,
            "dismissed": daily.dismissed(team.pk),
            "panels": panels(figures),
            "rows": pages.newest_merged(team.pk, figures, asked),
        }

    made = _remembered(stamp, team, "dashboard", asked, make)
    context |= made | continuing.context_of(team.pk)
    return _shown(request, "metrics/dashboard.html", context | {"verdicts": VERDICTS})


@require_safe
@vary_on_headers("HX-Request")
@team_view()
def pull_requests(request: HttpRequest, team: Team) -> HttpResponse:
    stamp, known = pages.known(team)
    query = ListQuery(request.GET)
    asked = query.values
    finding = pull_request_list.evidence(team.pk, asked["finding"])
    search = pull_request_list.read(asked, known, team.zone, finding)
    context = _common(stamp, team, known, search.selection)
    more = asked["more"]
    context |= {
        "page": _remembered(
            stamp,
            team,
            "pulls",
            (search, more),
            lambda: pull_request_list.page(team.pk, search, more),
        ),
        "search": search,
        "states": STATES,
        "sorts": [(name, words) for name, (words, _) in pull_request_list.SORTS.items()],
        "verdicts": VERDICTS,
    }
    if not request.htmx:  # type: ignore[attr-defined]
        return render(request, "metrics/pull_requests.html", context)
    part = "more" if query.has("more") else "results"
    return render(request, f"metrics/pull_requests.html#{part}", context)


@require_safe
@vary_on_headers("HX-Request")
@team_view()
def repositories(request: HttpRequest, team: Team) -> HttpResponse:
    stamp, known = pages.known(team)
    asked = Selection(weeks=known.read(ChoiceQuery(request.GET).values).weeks)

    def make() -> dict[str, Any]:
        figures = pages.frame(team.pk, asked, timezone.now(), compare=False)
        lines = breakdown.by_repository(team.pk, figures.now)
        return {
            "figures": _light(figures),
            "lines": lines,
            "has_direct": figures.now.direct_commits > 0,
        }

    context = _common(stamp, team, known, asked) | _remembered(
        stamp, team, "repositories", asked, make
    )
    return _shown(request, "metrics/repositories.html", context)


def _people_table(title: str, team: Team, asked: Selection, lines: list[breakdown.Line]) -> str:
    """Render the table of people, and keep it as HTML.

    Formatting hundreds of rows takes longer than computing them.
    """
    context = {
        "title": title,
        "team": team,
        "selection": asked,
        "lines": lines,
        "least": MIN_SAMPLE,
    }
    context["has_direct"] = any(line.direct for line in lines)
    return render_to_string("metrics/people_table.html", context) if lines else ""


def _accounts(team: Team) -> dict[str, Any]:
    """Return what admins can decide, and have decided, about accounts."""
    return {
        "suggestions": bot_decisions.suggestions(team.pk),
        "decided": bot_decisions.decided(team.pk),
        "same_names": joins.same_names(team.pk),
        "kept_apart": joins.same_names(team.pk, apart=True),
        "joined": joins.joined_people(team.pk),
    }


@require_safe
@vary_on_headers("HX-Request")
@team_view()
def people(request: HttpRequest, team: Team) -> HttpResponse:
    stamp, known = pages.known(team)
    asked = Selection(weeks=known.read(ChoiceQuery(request.GET).values).weeks)

    def make() -> dict[str, Any]:
        figures = pages.frame(team.pk, asked, timezone.now(), compare=False)
        lines = breakdown.by_member(team.pk, figures.now)
        return {
            "figures": _light(figures),
            "people": _people_table(
                "People", team, asked, [line for line in lines if not line.is_bot]
            ),
            "bots": _people_table("Bots", team, asked, [line for line in lines if line.is_bot]),
        }

    context = _common(stamp, team, known, asked) | _remembered(
        stamp, team, "people", asked, make
    )
    context |= remembered(stamp, (team.pk, "accounts"), lambda: _accounts(team))
    context["can_manage"] = request.role in MANAGING  # type: ignore[attr-defined]
    return _shown(request, "metrics/people.html", context)


@require_safe
@vary_on_headers("HX-Request")
@team_view()
def member(request: HttpRequest, team: Team, member_id: int) -> HttpResponse:
    """Show one person's weeks, pull requests, and reviews."""
    who: TeamMember = get_object_or_404(TeamMember.objects.for_team(team), pk=member_id)
    if who.joined_into_id is not None:
        return HttpResponseRedirect(
            reverse("metrics:member", args=[team.slug, who.joined_into_id])
        )
    stamp, known = pages.known(team)
    asked = pages.of_member(known.read(ChoiceQuery(request.GET).values), who.pk)

    def make() -> dict[str, Any]:
        figures = replace(
            pages.frame(team.pk, asked, timezone.now()), link_prefix=_drill(team, asked)
        )
        return {
            "figures": _light(figures),
            "line": breakdown.of_member(team.pk, figures.now, who),
            "panels": member_panels(figures),
            "rows": pages.newest_merged(team.pk, figures, asked),
        }

    made = _remembered(stamp, team, "member", asked, make)
    context = _common(stamp, team, known, asked) | made | {"who": who, "name": person(who)}
    context["can_manage"] = request.role in MANAGING and who.key != GHOST_KEY  # type: ignore[attr-defined]
    return _shown(request, "metrics/member.html", context)


@require_safe
@team_view()
def measures(request: HttpRequest, team: Team) -> HttpResponse:
    """Show how each figure is measured."""
    context = {"team": team, "measures": list(MEASURES.items()), "least": MIN_SAMPLE}
    return render(request, "metrics/measures.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@team_view()
def dismiss(request: HttpRequest, team: Team) -> HttpResponse:
    """Hide a finding from the team.

    Any member may hide one, and any member may restore it. A GET leads to the page.
    """
    if request.method != "POST":
        return _to_dashboard(team)
    asked = DismissForm(request.POST).values
    insight = get_object_or_404(Insight.objects.for_team(team), pk=asked["insight"] or 0)
    try:
        daily.dismiss(insight, asked["reason"], request.user, timezone.now())
    except ValueError:
        messages.error(request, "Enter a reason for your team.")
    else:
        messages.success(
            request,
            f"“{insight.title}” is dismissed. You can restore it below the insights.",
        )
    return _to_dashboard(team)


@require_http_methods(["GET", "HEAD", "POST"])
@team_view()
def restore(request: HttpRequest, team: Team) -> HttpResponse:
    """Remove a dismissal, so that the team sees the findings again. A GET leads to the
    page.
    """
    if request.method != "POST":
        return _to_dashboard(team)
    asked = RestoreForm(request.POST).values
    daily.restore(team.pk, asked["rule"], asked["subject"])
    messages.success(
        request, "Insight restored. It is shown as long as the numbers support it."
    )
    return _to_dashboard(team)


@require_http_methods(["GET", "HEAD", "POST"])
@team_view()
def correct_pull(request: HttpRequest, team: Team, pull_id: int) -> HttpResponse:
    """Store a member's decision whether AI helped with a pull request, over the markers
    and the model.

    A GET leads to the list.
    """
    pull = get_object_or_404(PullRequest.objects.for_team(team), pk=pull_id)
    back = f"{reverse('metrics:pull_requests', args=[team.slug])}?q={pull.number or ''}#pull-{pull.pk}"
    said = {"yes": True, "no": False, "undo": None}
    asked = CorrectionForm(request.POST).values
    if request.method == "POST" and asked["assisted"] in said:
        with transaction.atomic():
            correct(pull, said[asked["assisted"]], asked["note"], request.user)
        messages.success(request, "Saved. Your correction overrides markers and model.")
    return HttpResponseRedirect(back, status=303)


def _to_dashboard(team: Team) -> HttpResponse:
    return HttpResponseRedirect(reverse("metrics:dashboard", args=[team.slug]), status=303)
