"""Render the live page's parts as HTML, for the page itself and for the stream that
updates it.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.template.loader import render_to_string
from django.urls import reverse

from apps.metrics.charts.weekly import Week, bar_chart, line_chart
from apps.metrics.llm import continuing
from apps.metrics.run_events import (
    BudgetEvent,
    InsightEvent,
    RepositoryEvent,
    SummariesEvent,
    WeeksEvent,
)
from apps.onboarding.live import Live, live
from apps.onboarding.state import credentials
from apps.onboarding.state.kinds import Kind
from apps.onboarding.state.runs import moment
from apps.onboarding.titles import tab_of
from apps.pipelines.models import RunState
from apps.pipelines.projection import LOG, LogLine, Name, Projection
from apps.teams.models import Team
from apps.teams.run_subjects import team_of

WIDTH, HEIGHT = 424, 168
# The parts that show each kind of event, in the page's order.
SHOWN_BY = {
    "run": ("title", "progress", "note"),
    "states": ("title", "progress", "note", "repositories"),
    "step": ("progress", "note"),
    BudgetEvent.kind: ("progress",),
    WeeksEvent.kind: ("charts",),
    InsightEvent.kind: ("insight",),
    SummariesEvent.kind: ("summaries",),
}
# The step that may leave pull requests to the background reading.
ANALYSE = ("step", "analyse")
PARTS = ("title", "progress", "note", "repositories", "charts", "insight", "summaries", "log")


def addresses(team: Team, run_id: Any) -> dict[str, str]:
    """Return the addresses of the page's links and buttons."""
    of_run = {"slug": team.slug, "run_id": run_id}
    names = {
        "page": "detail",
        "events": "events",
        "retry": "retry",
        "cancel": "cancel",
        "pause": "pause",
        "resume": "resume",
        "workers_url": "workers",
    }
    return {
        name: reverse(f"onboarding:run_{view}", kwargs=of_run) for name, view in names.items()
    } | {
        # Open to every member: the parts of the page are the same for all viewers of
        # the run.
        "connect": reverse("onboarding:sources", kwargs={"slug": team.slug}) + "#token",
        "choose": reverse("onboarding:sources", kwargs={"slug": team.slug}),
        "dashboard": reverse("metrics:dashboard", kwargs={"slug": team.slug}),
    }


def context_of(projection: Projection, team: Team) -> dict[str, Any]:
    """Return the context from which all parts are rendered."""
    run = projection.run
    failed_at = moment(run.get("finished_at")) if run.get("state") == RunState.FAILED else None
    shown = live(
        projection, team.name, token_replaced=credentials.replaced_after(team.pk, failed_at)
    )
    return {
        "live": shown,
        "charts": charts(shown.weeks),
        "team": team,
        "tab": tab_of(Kind(shown.now.kind), shown.state, shown.percent, team),
        "run_id": projection.run_id,
        **addresses(team, projection.run_id),
    }


def render(projection: Projection, since: int | None) -> str:
    """Return what the stream sends: what has changed after that event number, or, for
    None, every part.

    Of a list (steps, repositories, log), only the rows that changed are sent, so that a
    frame weighs the same however long the list is.
    """
    team = team_of(projection.subject)
    context = context_of(projection, team)
    changed: frozenset[Name] = frozenset()
    if since is None:
        parts = [_part(name) for name in PARTS]
        parts += [{"name": "step", "step": step} for step in context["live"].steps]
    else:
        changed = projection.changed_since(since)
        parts = _changed(context["live"], changed)
        if LOG in changed:
            parts.append(_log(projection.log, since))
    if since is None or ANALYSE in changed:
        context |= continuing.context_of(team.pk)
        parts.append(_part("ai_progress"))
    html = render_to_string("onboarding/live/fragments.html", context | {"parts": parts})
    # Indentation makes a stream heavier, and each line costs a prefix.
    return " ".join(line.strip() for line in html.splitlines() if line.strip())


def _log(log: Sequence[LogLine], since: int) -> dict[str, Any]:
    """Return the part that adds the new lines; the whole log if the page has none of
    the lines before them.
    """
    lines = [line for line in log if line.seq > since]
    # All lines are newer than the page, so it may lack lines that are no longer kept.
    if len(lines) == len(log):
        return _part("log")
    return {"name": "log_lines", "lines": lines}


def _part(name: str) -> dict[str, Any]:
    return {"name": name, "template": f"onboarding/live/{name}.html"}


def _changed(shown: Live, changed: frozenset[Name]) -> list[dict[str, Any]]:
    kinds = {kind for kind, _ in changed}
    names = {part for kind in kinds for part in SHOWN_BY.get(kind, ())}
    rows = [row for row in shown.repositories if (RepositoryEvent.kind, row.name) in changed]
    # With its end, a run's repositories may be retried.
    if "states" in kinds or ("run" in kinds and not shown.is_live):
        names.add("repositories")
        rows = []
    if "run" in kinds and not shown.is_live:
        names |= {"charts", "insight"}
    # The step above the repositories sums them up.
    summed = shown.sync_at if RepositoryEvent.kind in kinds else None
    # A change of state may change the words of every row.
    every = "states" in kinds
    steps = [
        {"name": "step", "step": step}
        for step in shown.steps
        if every or ("step", step.key) in changed or step.key == summed
    ]
    return [
        *(_part(name) for name in PARTS if name in names),
        *steps,
        *({"name": "repository", "row": row} for row in rows),
    ]


def charts(weeks: WeeksEvent | None) -> dict[str, Any]:
    """Return the first charts as SVG; empty before the first weeks are in."""
    if weeks is None:
        return {}
    rows = [(date.fromisoformat(row["week"]), row) for row in weeks.weeks]
    missing = date.fromisoformat(weeks.whole_from) if weeks.whole_from else None
    spans = [Week(week, row["median"], row["p75"]) for week, row in rows]
    counts = [Week(week, row["merged"]) for week, row in rows]
    so_far = weeks.so_far
    return {
        "preliminary": weeks.preliminary,
        "counted": weeks.counted,
        "merge": line_chart(
            spans,
            unit="h",
            label="Time to merge",
            latest_so_far=so_far,
            missing_before=missing,
            width=WIDTH,
            height=HEIGHT,
        ),
        "merged": bar_chart(
            counts,
            label="Merged pull requests",
            latest_so_far=so_far,
            missing_before=missing,
            width=WIDTH,
            height=HEIGHT,
        ),
        "rows": [(week, row) for week, row in reversed(rows)],
    }
