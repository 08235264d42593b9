"""Prepare what a live page shows while the figures form: the newest weeks and one
finding, as data of a run's events.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django.db.models import Max

from apps.metrics.figures.declarations import NAMES
from apps.metrics.figures.moments import possible_condition
from apps.metrics.figures.weekly import Subject, figures_of, recompute, zone_of
from apps.metrics.insights import Finding
from apps.metrics.insights.daily import find
from apps.metrics.models import PullRequest, Scope
from apps.metrics.records import ChangeKind
from apps.metrics.run_events import InsightEvent, WeeksEvent
from apps.metrics.weeks import WEEK, week_of

WEEKS = 13
# Rules whose cases are whole once the list of pull requests is; the others wait for
# reviews and commits.
EARLY_RULES = {"time-to-merge", "large-pull-requests", "stale-pull-requests"}
SHOWN = 3


def newest_weeks(team_id: int, now: datetime) -> list[date]:
    """Return the newest 13 weeks, ascending, up to this one or to the last in which
    something landed.
    """
    merged = PullRequest.objects.for_team(team_id).filter(possible_condition("merged_at"))
    last = merged.aggregate(last=Max("merged_at"))["last"]
    newest = week_of(min(now, last) if last else now, zone_of(team_id))
    return [newest - back * WEEK for back in reversed(range(WEEKS))]


def write_newest(team_id: int, now: datetime) -> None:
    """Make the weekly table right for the newest weeks, from what has been read.

    The caller holds the transaction.
    """
    recompute(team_id, newest_weeks(team_id, now), afresh=False)


def weeks_event(
    team_id: int, now: datetime, *, preliminary: bool, whole_from: datetime | None = None
) -> WeeksEvent:
    """Return the series of the first charts.

    Weeks that end before `whole_from` still grow; None: all are whole.
    """
    weeks, zone = newest_weeks(team_id, now), zone_of(team_id)
    found = figures_of(team_id, weeks)
    points = []
    for week in weeks:
        figures = dict(zip(NAMES, found.get((Subject(Scope.TEAM), week), ()), strict=False))
        point = {
            "week": week.isoformat(),
            "merged": figures.get("merged", 0),
            "median": figures.get("time_to_merge_hours_median"),
            "p75": figures.get("time_to_merge_hours_p75"),
        }
        points.append(point)
    return WeeksEvent(
        weeks=points,
        so_far=weeks[-1] == week_of(now, zone),
        whole_from=week_of(whole_from, zone).isoformat() if whole_from else None,
        preliminary=preliminary,
        counted=PullRequest.objects.for_team(team_id).exclude(kind=ChangeKind.CHANGE).count(),
    )


def insight_event(
    team_id: int, found: Sequence[Finding], *, preliminary: bool
) -> InsightEvent | None:
    """Return the strongest insight with the first of its evidence; None if there is
    none.
    """
    if not found:
        return None
    best = found[0]
    return InsightEvent(
        title=best.title,
        body=best.body,
        of=len(found),
        evidence=_named(team_id, best.evidence),
        preliminary=preliminary,
    )


def early_finding(team_id: int, now: datetime) -> list[Finding]:
    """Return the findings of the rules that need only the list of pull requests.

    It only reads.
    """
    return [finding for finding in find(team_id, now) if finding.rule in EARLY_RULES]


def _named(team_id: int, evidence: Mapping[str, Any]) -> list[dict[str, Any]]:
    keys = list(evidence.get("pull_requests", ()))[:SHOWN]
    pulls = (
        PullRequest.objects.for_team(team_id)
        .filter(pk__in=keys)
        .select_related("repository")
        .in_bulk()
    )
    return [
        {
            "number": pulls[key].number,
            "title": pulls[key].title,
            "repository": pulls[key].repository.full_name,
        }
        for key in keys
        if key in pulls
    ]
