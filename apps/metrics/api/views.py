"""The answers of the interface. Every one is JSON, errors too, and of the token's team alone."""

from collections.abc import Callable
from datetime import date
from functools import wraps
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from apps.metrics.api import tokens
from apps.metrics.api.document import MOST, PAGE, document
from apps.metrics.export import weekly_rows
from apps.metrics.findings import newest
from apps.metrics.models import PullRequest, Scope
from apps.metrics.records import PullRequestState
from apps.teams.models import Team

View = Callable[[HttpRequest, Team], JsonResponse]


class BadQuery(ValueError):
    """A query parameter cannot be used; the message says what is expected."""


def with_token(view: View) -> Callable[[HttpRequest], JsonResponse]:
    """Give the view the token's team. No session counts here, so no page of another site can ask in a person's name."""

    @require_safe
    @wraps(view)
    def gated(request: HttpRequest) -> JsonResponse:
        token = tokens.of(request.headers.get("Authorization", ""))
        if token is None:
            error = {
                "error": "Send a team's token: Authorization: Bearer fl_…. Owners and admins make one on the team's pages."
            }
            return JsonResponse(error, status=401, headers={"WWW-Authenticate": "Bearer"})
        try:
            return view(request, token.team)
        except BadQuery as bad:
            return JsonResponse({"error": str(bad)}, status=400)

    return gated


@with_token
def weekly(request: HttpRequest, team: Team) -> JsonResponse:
    by = request.GET.get("by", Scope.TEAM)
    if by not in Scope.values:
        raise BadQuery(f"by is one of {', '.join(Scope.values)}.")
    first, last = (_week(request.GET.get(name, ""), name) for name in ("from", "to"))
    rows = weekly_rows(team.pk, Scope(by), everything=True)
    items = [row for row in rows if (not first or row["week"] >= first) and (not last or row["week"] <= last)]
    return JsonResponse({"items": items, "next": None})


def _week(text: str, name: str) -> str:
    try:
        year, number, _ = date.fromisoformat(text).isocalendar() if text else (0, 0, 0)
    except ValueError:
        raise BadQuery(f"{name} is a day like 2026-02-09.") from None
    return f"{year:04d}-W{number:02d}" if text else ""


@with_token
def pull_requests(request: HttpRequest, team: Team) -> JsonResponse:
    pulls: Any = PullRequest.objects.for_team(team)
    if state := request.GET.get("state", ""):
        if state not in PullRequestState:
            raise BadQuery(f"state is one of {', '.join(PullRequestState)}.")
        pulls = pulls.filter(state=state)
    if name := request.GET.get("repository", ""):
        pulls = pulls.filter(repository__full_name__iexact=name)
    limit = _number(request.GET.get("limit", str(PAGE)), "limit", MOST)
    if before := request.GET.get("before", ""):
        pulls = pulls.filter(pk__lt=_number(before, "before", 2**62))
    rows = list(pulls.select_related("repository", "author", "analysis").order_by("-pk")[: limit + 1])
    following = rows[limit - 1].pk if len(rows) > limit else None
    return JsonResponse({"items": [_pull(row) for row in rows[:limit]], "next": following})


def _number(text: str, name: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and 1 <= int(text) <= most):
        raise BadQuery(f"{name} is a whole number from 1 to {most}.")
    return int(text)


def _pull(pull: PullRequest) -> dict[str, Any]:
    analysis = getattr(pull, "analysis", None)
    return {
        "id": pull.pk, "repository": pull.repository.full_name, "number": pull.number, "title": pull.title,
        "author": pull.author.login if pull.author else None, "state": pull.state, "created_at": pull.created_at,
        "updated_at": pull.updated_at, "merged_at": pull.merged_at, "closed_at": pull.closed_at,
        "additions": pull.additions, "deletions": pull.deletions, "ai_assisted": pull.ai_assisted,
        "ai_tools": pull.ai_tools, "summary": analysis.summary or None if analysis else None, "url": pull.url,
    }  # fmt: skip


@with_token
def insights(request: HttpRequest, team: Team) -> JsonResponse:
    items = [
        {
            "date": row.date, "rule": row.rule, "subject": row.subject, "title": row.title, "body": row.body,
            "advice": row.advice, "effect": row.effect, "pull_requests": list(row.evidence.get("pull_requests", ())),
        }
        for row in newest(team.pk)
    ]  # fmt: skip
    return JsonResponse({"items": items, "next": None})


@require_safe
def openapi(request: HttpRequest) -> JsonResponse:
    """The document; it says nothing of anybody."""
    address = request.build_absolute_uri(reverse("metrics:api_openapi")).removesuffix("/openapi.json")
    return JsonResponse(document(address))
