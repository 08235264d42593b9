"""The start page. It explains the product by an example; users who are signed in get
the list of their teams instead.
"""

from datetime import date, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.metrics.charts.weekly import Week, line_chart
from apps.onboarding.pipeline import ANALYSE, INSIGHTS, METRICS, NOTIFY, SYNC
from apps.teams import states
from apps.teams.models import Team

# Hours to merge of the example's weeks, median and p75. They are made up, and the page
# states that.
HOURS = [
    (29, 64),
    (27, 60),
    (30, 66),
    (26, 58),
    (24, 55),
    (25, 57),
    (23, 52),
    (22, 49),
    (24, 54),
    (21, 48),
    (19, 44),
]


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        own = Team.objects.of(request.user).order_by("name")
        teams = [(team, states.of_team(team.pk).state) for team in own]
        return render(request, "onboarding/teams.html", {"teams": teams})
    return render(request, "onboarding/landing.html", _example(timezone.now().date()))


def _example(today: date) -> dict[str, Any]:
    """Return the context of an example: a run of the real steps, partly done."""
    monday = today - timedelta(days=today.weekday())
    weeks = [
        Week(monday - timedelta(weeks=len(HOURS) - 1 - index), median, high)
        for index, (median, high) in enumerate(HOURS)
    ]
    chart = line_chart(
        weeks,
        unit="h",
        label="Example: the median time to merge falls from 29 to 19 hours in eleven weeks.",
        width=420,
        height=150,
        latest_so_far=True,
    )
    steps = [
        {"title": SYNC.title, "state": "done", "count": "2,054 of 2,054", "percent": 100},
        {"title": ANALYSE.title, "state": "running", "count": "588 of 2,054", "percent": 29},
        {"title": METRICS.title, "state": "waiting", "count": "", "percent": 0},
        {"title": INSIGHTS.title, "state": "waiting", "count": "", "percent": 0},
        {"title": NOTIFY.title, "state": "waiting", "count": "", "percent": 0},
    ]
    return {"chart": chart, "steps": steps, "percent": 74}
