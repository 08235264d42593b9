"""What a finished onboarding has to say: the figures, the findings, and what is missing. Shared by mail and pages."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from apps.metrics.definitions import median, time_to_merge_hours
from apps.metrics.models import Insight, PullRequest
from apps.metrics.records import ChangeKind, PullRequestState
from apps.onboarding.services.runs import Totals
from apps.teams.models import Team

FINDINGS = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its words, ready to be shown."""

    value: str
    label: str


def hours_in_words(hours: float) -> str:
    """A span of hours as people say it: minutes below one hour, days from two days on."""
    if hours < 1:
        return f"{round(hours * 60)} min"
    if hours < 48:
        return f"{hours:.0f} h" if hours >= 10 else f"{hours:.1f} h".replace(".0 h", " h")
    return f"{hours / 24:.0f} days"


def median_hours_to_merge(team: Team) -> float | None:
    """The median time to merge over all merged pull requests that are known of the team."""
    merged = PullRequest.objects.for_team(team).filter(
        state=PullRequestState.MERGED, merged_at__isnull=False, kind=ChangeKind.PULL_REQUEST
    )
    spans = [
        time_to_merge_hours(ChangeKind.PULL_REQUEST, created, landed)
        for created, landed in merged.values_list("created_at", "merged_at")
        if landed is not None
    ]
    return median([span for span in spans if span is not None])


def figures(team: Team, totals: Totals) -> list[Figure]:
    """Up to four figures. AI-assisted is a lower bound: a pull request without a marker is unknown, not without AI."""
    shown = [Figure(f"{totals['pull_requests']:,}", "pull requests")]
    hours = median_hours_to_merge(team)
    if hours is not None:
        shown.append(Figure(hours_in_words(hours), "to merge, median"))
    shown.append(Figure(f"{totals['reviews']:,}", "reviews"))
    if totals["pull_requests"]:
        share = totals["ai_assisted"] / totals["pull_requests"]
        shown.append(Figure(f"{share:.0%}".replace("%", " %"), "AI-assisted, at least"))
    return shown


def top_insights(team: Team) -> list[Insight]:
    """The strongest findings of the newest day: the strongest of each rule before the second of any."""
    insights: Any = Insight.objects.for_team(team)
    newest = insights.order_by("-date").values_list("date", flat=True).first()
    if newest is None:
        return []
    ranked = insights.filter(date=newest).order_by("-effect", "rule", "subject")
    seen: Counter[str] = Counter()
    turns: list[tuple[int, Insight]] = []
    for insight in ranked:
        turns.append((seen[insight.rule], insight))
        seen[insight.rule] += 1
    # Sorting keeps the order by strength within each turn.
    return [insight for _, insight in sorted(turns, key=lambda turn: turn[0])[:FINDINGS]]
