"""Build the cards of insights: what was found, from how many cases, what to do, and the
pull requests that show it best.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.utils import timezone

from apps.metrics.figures.pull_requests import Row, rows_of
from apps.metrics.figures.selection import Selection
from apps.metrics.formatting import NBSP, in_hours, in_lines
from apps.metrics.insights.daily import top_insights
from apps.metrics.models import Insight, PullRequest

SHOWN = 2


@dataclass(frozen=True, slots=True)
class Example:
    """A pull request named as evidence.

    `query` finds it in the list of pull requests.
    """

    number: int | None
    title: str
    value: str
    query: str


@dataclass(frozen=True, slots=True)
class Card:
    insight: Insight
    cases: str
    examples: Sequence[Example]

    @property
    def shown_by(self) -> int:
        """Return how many pull requests are named as evidence."""
        return len(self.insight.evidence.get("pull_requests", ()))


def cards(team_id: int, selection: Selection) -> list[Card]:
    """Return the three strongest findings as cards, in at most four statements.

    Findings are about a team or a repository, never about a person, and about weeks of
    their own. So there are none on a page about a person or about other weeks.
    """
    if selection.author is not None or selection.people_only:
        return []
    subjects = None if selection.repository is None else [f"repository:{selection.repository}"]
    insights = top_insights(team_id, subjects=subjects)
    wanted = [key for insight in insights for key in insight.evidence.get("pull_requests", ())]
    found: Any = PullRequest.objects.for_team(team_id).filter(pk__in=wanted).in_bulk()
    measures = rows_of(list(found))
    return [
        Card(insight, _cases(insight), _examples(insight, found, measures))
        for insight in insights
    ]


def _cases(insight: Insight) -> str:
    """Return in words from how many cases the finding comes."""
    evidence = insight.evidence
    # Rules name the count of their cases differently.
    count = evidence.get("n_after") or evidence.get("n_large") or evidence.get("n")
    what = (
        "reviews"
        if insight.rule in ("bottleneck-reviewer", "review-concentration")
        else "pull requests"
    )
    return f"{count:,} {what}" if isinstance(count, int) else ""


def _examples(
    insight: Insight, found: Mapping[int, PullRequest], measures: Mapping[int, Row]
) -> list[Example]:
    """Return the pull requests that waited or took longest first."""
    pulls = [found[key] for key in insight.evidence.get("pull_requests", ()) if key in measures]
    measured = [(pull, *_measure(insight.rule, pull, measures[pull.pk])) for pull in pulls]
    measured.sort(key=lambda row: -row[1])  # keeps the rule's own order among equals
    return [
        Example(
            pull.number,
            pull.title,
            words,
            urlencode({"q": f"#{pull.number}", "repository": pull.repository_id})
            if pull.number
            else "",
        )
        for pull, _, words in measured[:SHOWN]
    ]


def _measure(rule: str, pull: PullRequest, row: Row) -> tuple[float, str]:
    """Return what makes a pull request an example, as a number to sort by and in
    words.
    """
    match rule:
        case "review-wait":
            wait = row.pickup_hours
            return (0.0, "") if wait is None else (wait, in_hours(wait))
        case "time-to-merge":
            hours = row.time_to_merge_hours
            return (0.0, "") if hours is None else (hours, in_hours(hours))
        case "large-pull-requests":
            lines = row.size_lines
            return (0.0, "") if lines is None else (lines, in_lines(lines))
        case "stale-pull-requests":
            days = (timezone.now() - pull.updated_at).days
            return days, f"{days:,}{NBSP}days"
        case "ai-share":
            return 0.0, ", ".join(pull.ai_tools)
        case _:
            return 0.0, ""
