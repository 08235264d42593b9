"""Compute the figures that summarize a finished onboarding.

[Figure("1,204", "pull requests"), Figure("18 h", "to merge, median"), …]
"""

from dataclasses import dataclass

import numpy as np

from apps.metrics.figures.pull_requests import read
from apps.metrics.formatting import NBSP, in_hours
from apps.metrics.models import PullRequest
from apps.metrics.records import PullRequestState
from apps.onboarding.services.runs import Totals
from apps.teams.models import Team


@dataclass(frozen=True, slots=True)
class Figure:
    """Hold one number and its label, ready to be shown."""

    value: str
    label: str


def median_hours_to_merge(team: Team) -> float | None:
    """Return the median time to merge over all of the team's merged pull requests; None
    without any.
    """
    pulls = PullRequest.objects.for_team(team).filter(state=PullRequestState.MERGED)
    hours = read(pulls).pulls.time_to_merge_hours
    known = hours[~np.isnan(hours)]
    return float(np.median(known)) if len(known) else None


def figures(team: Team, totals: Totals) -> list[Figure]:
    """Return up to four figures.

    AI-assisted is a lower bound: it is unknown whether AI helped with a pull request
    without a marker.
    """
    shown = [Figure(f"{totals['pull_requests']:,}", "pull requests")]
    hours = median_hours_to_merge(team)
    if hours is not None:
        shown.append(Figure(in_hours(hours), "to merge, median"))
    shown.append(Figure(f"{totals['reviews']:,}", "reviews"))
    if totals["pull_requests"]:
        share = totals["ai_assisted"] / totals["pull_requests"]
        shown.append(Figure(f"{share:.0%}".replace("%", f"{NBSP}%"), "AI-assisted (at least)"))
    return shown
