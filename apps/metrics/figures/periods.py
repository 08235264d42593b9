"""The figures of a period, for pages: of the whole, and of each of its weeks.

now = merged_in(team_id, period, selection)
now.merged                               1204
now.summary("time_to_merge_hours")       Summary(median=18.2, p75=50.1, n=1180)
now.summaries("pickup_hours")            one for each week
now.by_week("ai_assisted")               [3, 5, …]
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from apps.metrics.figures.aggregate import Aggregator, Groups, Placing, week_index
from apps.metrics.figures.declarations import FIGURES, Aggregate, Figure
from apps.metrics.figures.definitions import Summary, Verdict
from apps.metrics.figures.measures import Measured
from apps.metrics.figures.pull_requests import read
from apps.metrics.figures.selection import Period, Selection
from apps.metrics.models import PRReview, PullRequest
from apps.metrics.records import PullRequestState

_BY_NAME = {figure.name: figure for figure in FIGURES}


@dataclass(frozen=True)
class PeriodFigures:
    """The pull requests merged and the direct commits pushed in a period.

    `is_wanted`, a column, narrows them down; None for all of them.
    """

    period: Period
    measured: Measured
    is_wanted: Any = None

    @cached_property
    def aggregator(self) -> Aggregator:
        return Aggregator(self.measured)

    @cached_property
    def _weeks(self) -> Groups:
        pulls, period = self.measured.pulls, self.period
        merged = week_index(pulls.merged_at, period.weeks, period.zone)
        pushed = week_index(pulls.pushed_at, period.weeks, period.zone)
        if self.is_wanted is not None:
            merged = np.where(self.is_wanted, merged, -1)
        none = np.full(len(self.measured), -1)
        load = merged[self.aggregator.pairs.pull]
        return Groups(len(period.weeks), none, merged, none, pushed, load)

    @cached_property
    def _whole(self) -> Groups:
        columns = (np.where(column >= 0, 0, -1) for column in self._weeks[1:])
        return Groups(1, *columns)

    @cached_property
    def is_merged(self) -> Any:
        """Return which of the pull requests were merged in the period."""
        return self._weeks.merged_at >= 0

    @property
    def merged(self) -> int:
        return int(self.whole("merged"))

    @property
    def direct_commits(self) -> int:
        return int(self.whole("direct_commits"))

    def whole(self, name: str) -> Any:
        """Return the declared figure of this name over all weeks."""
        return self._columns(self._whole, [_BY_NAME[name]])[name][0]

    def by_week(self, name: str) -> list[Any]:
        """Return the declared figure of this name for each week."""
        return self._columns(self._weeks, [_BY_NAME[name]])[name]

    def summary(self, column: str) -> Summary:
        """Return the summary of a column of the measures over all weeks."""
        return self._summaries(self._whole, column)[0]

    def summaries(self, column: str) -> list[Summary]:
        """Return the summary of a column of the measures for each week."""
        return self._summaries(self._weeks, column)

    def verdicts_by_week(self, verdict: Verdict) -> list[int]:
        """Return how many pull requests have this verdict, for each week."""
        has_verdict = self.measured.pulls.ai_verdict == verdict
        return self.narrowed(has_verdict).by_week("merged")

    def narrowed(self, is_wanted: Any) -> "PeriodFigures":
        """Return the figures of those pull requests for which a column is true."""
        if self.is_wanted is not None:
            is_wanted = is_wanted & self.is_wanted
        return replace(self, is_wanted=is_wanted)

    def values(self, column: str) -> list[float]:
        """Return the known values of a column of the measures."""
        known: list[float] = self.aggregator.values(column)[self._has(column)].tolist()
        return known

    def known_with_size(self, column: str) -> tuple[list[float], list[float]]:
        """Return the known values of a column, and the changed lines of each; 0 lines
        for a release.
        """
        size = np.nan_to_num(self.measured.pulls.size_lines)[self._has(column)].tolist()
        return self.values(column), size

    def _has(self, column: str) -> Any:
        return self.is_merged & ~np.isnan(self.aggregator.values(column))

    def by_subject(
        self, owners: Any, reviewers: Any, figures: Sequence[Figure]
    ) -> dict[int, dict[str, Any]]:
        """Return figures over all weeks by owner: a repository or an author.

        Args:
            owners: the owner of each pull request, 0 for none.
            reviewers: who has the load of each pair of `Aggregator.pairs`.
            figures: the figures that are wanted.
        """
        subjects = np.unique(np.concatenate([owners, reviewers]))
        subjects = subjects[subjects != 0]
        whole, placed = self._whole, Placing(subjects, 1)
        groups = Groups(
            len(subjects),
            whole.opened_at,
            placed.groups(owners, whole.merged_at),
            whole.closed_at,
            placed.groups(owners, whole.pushed_at),
            placed.groups(reviewers, whole.load),
        )
        columns = self._columns(groups, figures)
        rows = zip(*columns.values(), strict=True)
        return {
            key: dict(zip(columns, row, strict=True))
            for key, row in zip(subjects.tolist(), rows, strict=True)
        }

    def merged_per_week(self, owners: Any) -> dict[int, list[int]]:
        """Return how many each owner merged in each week."""
        weeks = len(self.period.weeks)
        subjects = np.unique(owners)
        group = Placing(subjects, weeks).groups(owners, self._weeks.merged_at)
        counts = np.bincount(group[group >= 0], minlength=len(subjects) * weeks)
        rows = counts.reshape(len(subjects), weeks).tolist()
        return dict(zip(subjects.tolist(), rows, strict=True))

    def _columns(self, groups: Groups, figures: Sequence[Figure]) -> dict[str, list[Any]]:
        return self.aggregator.columns(groups, figures)

    def _summaries(self, groups: Groups, column: str) -> list[Summary]:
        columns = self._columns(groups, summary_figures(column))
        return [Summary(*row) for row in zip(*columns.values(), strict=True)]


def summary_figures(column: str) -> list[Figure]:
    """Return the figures of a `Summary` of a column of the measures."""
    aggregates = (Aggregate.MEDIAN, Aggregate.P75, Aggregate.KNOWN)
    return [Figure(f"{column} {one.value}", "", one, column) for one in aggregates]


def merged_in(team_id: int, period: Period, selection: Selection) -> PeriodFigures:
    """Return the figures of what was merged in a period's weeks."""
    pulls: Any = PullRequest.objects.for_team(team_id).filter(
        selection.condition,
        state=PullRequestState.MERGED,
        merged_at__gte=period.since,
        merged_at__lt=period.until,
    )
    return PeriodFigures(period, read(pulls))


def reviewed_by(team_id: int, period: Period, member: int) -> int:
    """Return how many pull requests merged in the period a member reviewed."""
    pulls: Any = PullRequest.objects.for_team(team_id).filter(
        state=PullRequestState.MERGED,
        merged_at__gte=period.since,
        merged_at__lt=period.until,
        pk__in=PRReview.objects.for_team(team_id)
        .filter(reviewer=member)
        .values("pull_request"),
    )
    figures = PeriodFigures(period, read(pulls))
    pairs = figures.aggregator.pairs
    is_theirs = (pairs.reviewer == member) & figures.is_merged[pairs.pull]
    return int(is_theirs.sum())
