"""The answers of the API. Each one is JSON, also an error, and has rows of the token's
team only.

GET  /api/v1/weekly      200
POST /api/v1/weekly      405, {"error": …}, Allow: GET, HEAD
GET  /api/v1/nothing     404, {"error": …}
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import wraps
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt

from apps.metrics.api import cursor, tokens
from apps.metrics.api.document import KINDS, MOST, PAGE, document
from apps.metrics.figures.export import weekly_rows
from apps.metrics.figures.moments import are_impossible
from apps.metrics.forms import PullRequestsQuery, WeeklyQuery
from apps.metrics.insights.daily import newest
from apps.metrics.models import PullRequest, Scope
from apps.metrics.records import ChangeKind, PullRequestState
from apps.teams.models import Team

View = Callable[[HttpRequest, Team], JsonResponse]
READS = ("GET", "HEAD")


class BadQuery(ValueError):
    """A query parameter cannot be used; the message states what is expected."""


def answers_reads[**P](view: Callable[P, JsonResponse]) -> Callable[P, JsonResponse]:
    """Refuse any method but GET and HEAD, in JSON.

    No cookie counts here, so a page of another site can do nothing in a user's name,
    and a request needs no CSRF token.
    """

    @csrf_exempt
    @wraps(view)
    def checked(*args: P.args, **kwargs: P.kwargs) -> JsonResponse:
        request: Any = args[0]
        if request.method not in READS:
            text = f"The API is read-only: send {' or '.join(READS)}."
            return JsonResponse(
                {"error": text}, status=405, headers={"Allow": ", ".join(READS)}
            )
        return view(*args, **kwargs)

    return checked


@csrf_exempt
def nothing(request: HttpRequest, rest: str = "") -> JsonResponse:
    """Answer for an address that the API does not have."""
    return JsonResponse(
        {"error": "Not found. /api/v1/openapi.json lists all endpoints."}, status=404
    )


def with_token(view: View) -> Callable[[HttpRequest], JsonResponse]:
    """Call the view with the team of the request's token. Without one, answer 401."""

    @answers_reads
    @wraps(view)
    def gated(request: HttpRequest) -> JsonResponse:
        token = tokens.of(request.headers.get("Authorization", ""))
        if token is None:
            error = {
                "error": (
                    "Send a team's token: Authorization: Bearer fl_…. Owners and admins "
                    "create tokens on the team's API page."
                )
            }
            return JsonResponse(error, status=401, headers={"WWW-Authenticate": "Bearer"})
        try:
            return view(request, token.team)
        except BadQuery as bad:
            return JsonResponse({"error": str(bad)}, status=400)

    return gated


@with_token
def weekly(request: HttpRequest, team: Team) -> JsonResponse:
    asked = WeeklyQuery(request.GET).given
    by = asked.get("by", Scope.TEAM.value)
    if by not in Scope.values:
        raise BadQuery(f"by must be one of {', '.join(Scope.values)}.")
    first, last = _monday(asked, "from", date.min), _monday(asked, "to", date.max)
    rows = weekly_rows(team.pk, Scope(by), everything=True)
    items = [row for row in rows if first <= row["week_start"] <= last]
    return JsonResponse({"items": items, "next": None})


def _monday(asked: Mapping[str, str], name: str, otherwise: date) -> str:
    """Return the Monday of the week of a day, as a text."""
    if name not in asked:
        return otherwise.isoformat()
    try:
        day = date.fromisoformat(asked[name])
    except ValueError:
        day = None
    # Python also reads "20260209" and "2026-W07-1", which the document doesn't allow.
    if day is None or day.isoformat() != asked[name]:
        raise BadQuery(f"{name} must be a date like 2026-02-09.")
    return (day - timedelta(days=day.weekday())).isoformat()


@with_token
def pull_requests(request: HttpRequest, team: Team) -> JsonResponse:
    asked = PullRequestsQuery(request.GET).given
    pulls: Any = cursor.ordered(PullRequest.objects.for_team(team))
    if "state" in asked:
        if asked["state"] not in PullRequestState:
            raise BadQuery(f"state must be one of {', '.join(PullRequestState)}.")
        pulls = pulls.filter(state=asked["state"])
    pulls = _of_kind(pulls, asked.get("kind"))
    if "repository" in asked:
        if not asked["repository"]:
            raise BadQuery("repository must be a name like owner/name.")
        pulls = pulls.filter(repository__full_name__iexact=asked["repository"])
    limit = _number(asked.get("limit", str(PAGE)), "limit", MOST)
    if "before" in asked:
        try:
            pulls = pulls.filter(cursor.after(asked["before"]))
        except ValueError as error:
            raise BadQuery(str(error)) from None
    # One row more than the limit shows whether there is another page.
    rows = list(pulls.select_related("repository", "author", "analysis")[: limit + 1])
    following = None
    if len(rows) > limit:
        last = rows[limit - 1]
        following = cursor.encode(last.created_at, last.number, last.pk)
    return JsonResponse({"items": [_pull(row) for row in rows[:limit]], "next": following})


def _of_kind(pulls: Any, asked: str | None) -> Any:
    """Return the landings of a kind by the API's name for it; without one, all but
    direct commits.
    """
    if asked is None:
        return pulls.exclude(kind=ChangeKind.CHANGE)
    for kind, name in KINDS.items():
        if name == asked:
            return pulls.filter(kind=kind)
    raise BadQuery(f"kind must be one of {', '.join(KINDS.values())}.")


def _number(text: str, name: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and 1 <= int(text) <= most):
        raise BadQuery(f"{name} must be a whole number from 1 to {most}.")
    return int(text)


def _pull(pull: PullRequest) -> dict[str, Any]:
    analysis = getattr(pull, "analysis", None)
    return {
        "id": pull.pk,
        "repository": pull.repository.full_name,
        "kind": KINDS[ChangeKind(pull.kind)],
        "number": pull.number,
        "title": pull.title,
        "author": pull.author.login if pull.author else None,
        "state": pull.state,
        "created_at": pull.created_at,
        "updated_at": pull.updated_at,
        "merged_at": pull.merged_at,
        "closed_at": pull.closed_at,
        "additions": pull.additions,
        "deletions": pull.deletions,
        "ai_assisted": pull.ai_assisted,
        "ai_tools": pull.ai_tools,
        "summary": analysis.summary or None if analysis else None,
        "url": pull.url,
        "impossible_times": are_impossible(pull.created_at, pull.merged_at, pull.closed_at),
    }


@with_token
def insights(request: HttpRequest, team: Team) -> JsonResponse:
    items = [
        {
            "date": row.date,
            "rule": row.rule,
            "subject": row.subject,
            "title": row.title,
            "body": row.body,
            "advice": row.advice,
            "effect": row.effect,
            "pull_requests": list(row.evidence.get("pull_requests", ())),
        }
        for row in newest(team.pk)
    ]
    return JsonResponse({"items": items, "next": None})


@answers_reads
def openapi(request: HttpRequest) -> JsonResponse:
    """Return the document, which is the same for all teams and needs no token."""
    address = request.build_absolute_uri(reverse("metrics:api_openapi")).removesuffix(
        "/openapi.json"
    )
    return JsonResponse(document(address))
