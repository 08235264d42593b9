"""Aggregate the measures of pull requests to the figures of groups: of every week of
every subject, or of any other grouping that a page needs.

Pure functions of columns. `apps.metrics.figures.declarations` declares the figures.
"""

from collections.abc import Callable, Sequence
from datetime import date, tzinfo
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from apps.metrics.figures.declarations import FIGURES, Aggregate, Figure
from apps.metrics.figures.definitions import Verdict, review_depth
from apps.metrics.figures.measures import Measured
from apps.metrics.models import Scope
from apps.metrics.weeks import WEEK, week_start

_SHARES = {Aggregate.MEDIAN: 0.5, Aggregate.P75: 0.75, Aggregate.P90: 0.9}
# The figures of which one alone makes a row of the weekly table.
_EVIDENT = ("opened", "merged", "closed", "direct_commits", "reviewed")


class Subject(NamedTuple):
    """Whose week: the team's, a repository's or a member's, by primary key."""

    scope: Scope
    pk: int | None = None

    def __str__(self) -> str:
        return self.scope.value if self.pk is None else f"{self.scope.value}:{self.pk}"


class Groups(NamedTuple):
    """Into which group each pull request falls by each of its moments; -1 for none.

    `load` has the group of each pair of `Aggregator.pairs`.
    """

    size: int
    opened_at: Any
    merged_at: Any
    closed_at: Any
    pushed_at: Any
    load: Any


def weekly(
    measured: Measured, weeks: Sequence[date], zone: tzinfo
) -> dict[tuple[Subject, date], tuple[Any, ...]]:
    """Return the figures of these weeks, in the order of `FIGURES`, for each subject
    that has any in a week.

    Args:
        weeks: Mondays, ascending.
        zone: the time zone in which the weeks begin.
    """
    pulls = measured.pulls
    aggregator = Aggregator(measured)
    by_week = [
        week_index(at, weeks, zone)
        for at in (pulls.opened_at, pulls.merged_at, pulls.closed_at, pulls.pushed_at)
    ]
    merged = by_week[1]
    pairs = aggregator.pairs
    found: dict[tuple[Subject, date], tuple[Any, ...]] = {}
    for scope in Scope:
        owners = _owners(scope, measured)
        # A member's review load is what they reviewed, and a member who only reviewed
        # has a row, too; a team's and a repository's load is what was reviewed in it.
        by_member = scope == Scope.MEMBER
        loaded = pairs.reviewer if by_member else owners[pairs.pull]
        subjects = np.unique(np.concatenate([owners, loaded]))
        if by_member:
            subjects = subjects[subjects != 0]
        placed = Placing(subjects, len(weeks))
        opened_at, merged_at, closed_at, pushed_at = (
            placed.groups(owners, week) for week in by_week
        )
        load = placed.groups(loaded, merged[pairs.pull])
        size = len(subjects) * len(weeks)
        groups = Groups(size, opened_at, merged_at, closed_at, pushed_at, load)
        for group, row in _evident(aggregator.columns(groups)):
            key = int(subjects[group // len(weeks)])
            subject = Subject(scope, key if scope != Scope.TEAM else None)
            found[subject, weeks[group % len(weeks)]] = row
    return found


def _owners(scope: Scope, measured: Measured) -> Any:
    pulls = measured.pulls
    if scope == Scope.TEAM:
        return np.zeros(len(measured), dtype=np.int64)
    return pulls.repository if scope == Scope.REPOSITORY else pulls.author


class Placing(NamedTuple):
    """Places rows into the groups of subjects and weeks: a group is subject index *
    weeks + week. The subjects' keys ascend.
    """

    subjects: Any
    weeks: int

    def groups(self, keys: Any, week: Any) -> Any:
        """Return the group of each row; -1 without one."""
        if not len(self.subjects):
            return np.full(len(keys), -1)
        place = np.searchsorted(self.subjects, keys)
        place = np.minimum(place, len(self.subjects) - 1)
        is_known = (week >= 0) & (self.subjects[place] == keys)
        return np.where(is_known, place * self.weeks + week, -1)


def _evident(columns: dict[str, list[Any]]) -> list[tuple[int, tuple[Any, ...]]]:
    """Return the groups in which anything happened, by number, with their figures."""
    rows = zip(*columns.values(), strict=True)
    evident = zip(*(columns[name] for name in _EVIDENT), strict=True)
    return [
        (group, row)
        for group, (row, some) in enumerate(zip(rows, evident, strict=True))
        if any(some)
    ]


def week_index(at: Any, weeks: Sequence[date], zone: tzinfo) -> Any:
    """Return the index of the week in which each moment is; -1 for none.

    The weeks are ascending and may have gaps. Their bounds are the zone's midnights.
    """
    # The bounds come from the zone, because a week with a change of the clocks is not
    # 168 hours long.
    starts = _midnights(weeks, zone)
    ends = _midnights([week + WEEK for week in weeks], zone)
    place = np.searchsorted(starts, at, side="right") - 1
    is_inside = ~np.isnat(at) & (place >= 0)
    # Any valid index will do for the others, whose result is -1 in any case.
    place = np.where(is_inside, place, 0)
    return np.where(is_inside & (at < ends[place]), place, -1)


def _midnights(weeks: Sequence[date], zone: tzinfo) -> Any:
    starts = [week_start(week, zone).timestamp() for week in weeks]
    return np.array(starts).astype("datetime64[s]")


class Pairs(NamedTuple):
    """Pull requests and their reviewers, each pair once, however many reviews it had.

    `pull` is an index into the pull requests.
    """

    pull: Any
    reviewer: Any


class Quantiles:
    """Quantiles of one column in any grouping.

    The values are ranked once, so that each grouping only has to sort integers.
    """

    def __init__(self, values: Any) -> None:
        """Rank the values, NaN left out."""
        self._rows = np.flatnonzero(~np.isnan(values))
        known = values[self._rows]
        order = np.argsort(known)
        self._ascending = known[order]
        self._rank = np.empty(len(order), dtype=np.int64)
        self._rank[order] = np.arange(len(order))

    def of(self, groups: Any, count: int, share: float) -> list[float | None]:
        """Return each group's value at this share, None if the group is empty.

        It is interpolated as `definitions.percentile` does. `groups` has the group of
        each row of the column, with -1 for none.
        """
        group = groups[self._rows]
        is_inside = group >= 0
        size = max(len(self._ascending), 1)
        # One integer holds group and rank, so that one sort orders all groups at once.
        places = np.sort(group[is_inside] * size + self._rank[is_inside])
        values = self._ascending[places % size] if len(places) else np.zeros(1)
        n = np.bincount(group[is_inside], minlength=count)
        # The index at which each group begins in `values`.
        first = np.cumsum(n) - n
        is_empty = n == 0
        last = np.maximum(n - 1, 0)
        rank = last * share
        below = np.floor(rank).astype(np.int64)
        low = values[np.where(is_empty, 0, first + below)]
        high = values[np.where(is_empty, 0, first + np.minimum(below + 1, last))]
        return _or_none(low + (high - low) * (rank - below), is_empty)


class Aggregator:
    """Compute the figures of any groups of the same pull requests."""

    def __init__(self, measured: Measured) -> None:
        self.measured = measured
        self._quantiles: dict[str, Quantiles] = {}
        self._makers: dict[Aggregate, Callable[[Groups, Figure], list[Any]]] = {
            Aggregate.EVENTS: self._events,
            Aggregate.SUM: self._sum,
            Aggregate.KNOWN: self._known,
            Aggregate.POSITIVE: self._positive,
            Aggregate.DISTINCT: self._distinct,
            Aggregate.MEDIAN: self._quantile,
            Aggregate.P75: self._quantile,
            Aggregate.P90: self._quantile,
            Aggregate.DEPTH: self._depth,
            Aggregate.LOAD: self._load,
            Aggregate.REVIEWERS: self._reviewers,
            Aggregate.GINI: self._gini,
            Aggregate.TOOLS: self._tools,
        }

    @cached_property
    def pairs(self) -> Pairs:
        reviews = self.measured.reviews
        base = reviews.reviewer.max(initial=0) + 1
        unique = np.unique(reviews.pull * base + reviews.reviewer)
        return Pairs(unique // base, unique % base)

    def columns(
        self, groups: Groups, figures: Sequence[Figure] = FIGURES
    ) -> dict[str, list[Any]]:
        """Return the values of the groups by the figures' names, in their order."""
        return {
            figure.name: self._makers[figure.aggregate](groups, figure) for figure in figures
        }

    def values(self, name: str) -> Any:
        """Return a column of the measures, or one that is derived from them:
        `ai_assisted` (whether the verdict is that) or `counted_reviews` (their number).
        """
        pulls = self.measured.pulls
        if name == "ai_assisted":
            return pulls.ai_verdict == Verdict.ASSISTED
        if name == "counted_reviews":
            return np.bincount(self.measured.reviews.pull, minlength=len(self.measured))
        return getattr(pulls, name)

    def _events(self, groups: Groups, figure: Figure) -> list[int]:
        return _counts(getattr(groups, figure.column), groups.size)

    def _sum(self, groups: Groups, figure: Figure) -> list[int]:
        return self._total(groups, np.nan_to_num(self.values(figure.column)))

    def _known(self, groups: Groups, figure: Figure) -> list[int]:
        return self._total(groups, ~np.isnan(self.values(figure.column)))

    def _positive(self, groups: Groups, figure: Figure) -> list[int]:
        return self._total(groups, self.values(figure.column) > 0)

    @staticmethod
    def _total(groups: Groups, values: Any) -> list[int]:
        """Return the sums, which are exact for whole numbers below 2**53."""
        rows = np.flatnonzero(groups.merged_at >= 0)
        into = groups.merged_at[rows]
        summed = np.bincount(into, weights=values[rows], minlength=groups.size)
        whole: list[int] = summed.astype(np.int64).tolist()
        return whole

    def _distinct(self, groups: Groups, figure: Figure) -> list[int]:
        """Count different values. 0, no known person, counts as one."""
        values = self.values(figure.column)
        is_inside = groups.merged_at >= 0
        base = values.max(initial=0) + 1
        pairs = np.unique(groups.merged_at[is_inside] * base + values[is_inside])
        counts: list[int] = np.bincount(pairs // base, minlength=groups.size).tolist()
        return counts

    def _quantile(self, groups: Groups, figure: Figure) -> list[float | None]:
        if figure.column not in self._quantiles:
            self._quantiles[figure.column] = Quantiles(self.values(figure.column))
        ranked = self._quantiles[figure.column]
        return ranked.of(groups.merged_at, groups.size, _SHARES[figure.aggregate])

    def _depth(self, groups: Groups, figure: Figure) -> list[float | None]:
        size = self.measured.pulls.size_lines
        counted = self.values("counted_reviews")
        # The lines of a release were counted before, so its reviews are in no depth.
        reviews = self._total(groups, np.where(np.isnan(size), 0, counted))
        lines = self._total(groups, np.nan_to_num(size))
        return [review_depth(*of_group) for of_group in zip(reviews, lines, strict=True)]

    def _load(self, groups: Groups, figure: Figure) -> list[int]:
        return _counts(groups.load, groups.size)

    def _reviewers(self, groups: Groups, figure: Figure) -> list[int]:
        group, _ = self._loads(groups)
        return _counts(group, groups.size)

    def _loads(self, groups: Groups) -> tuple[Any, Any]:
        """Return the group and the load of each reviewer, by group and ascending load."""
        group = groups.merged_at[self.pairs.pull]
        is_inside = group >= 0
        # One integer holds group and reviewer, so that `unique` counts the pairs.
        base = self.pairs.reviewer.max(initial=0) + 1
        pairs, loads = np.unique(
            group[is_inside] * base + self.pairs.reviewer[is_inside], return_counts=True
        )
        owner = pairs // base
        order = np.lexsort((loads, owner))
        return owner[order], loads[order]

    def _gini(self, groups: Groups, figure: Figure) -> list[float | None]:
        """Compute `definitions.gini` for all groups at once."""
        group, loads = self._loads(groups)
        n = np.bincount(group, minlength=groups.size)
        rank = np.arange(len(group)) - (np.cumsum(n) - n)[group] + 1
        weighted = np.bincount(group, weights=rank * loads, minlength=groups.size)
        total = np.bincount(group, weights=loads, minlength=groups.size)
        is_empty = n == 0
        safe_n, safe_total = np.where(is_empty, 1, n), np.where(is_empty, 1, total)
        values = 2 * weighted / (safe_n * safe_total) - (safe_n + 1) / safe_n
        return _or_none(values, is_empty)

    @cached_property
    def _used_tools(self) -> tuple[list[str], Any, Any]:
        """Return the names of the tools, and a row and a tool for each use."""
        tools = self.measured.pulls.ai_tools
        uses = [
            (row, name)
            for row in np.flatnonzero(tools != "").tolist()
            for name in tools[row].split()
        ]
        names = sorted({name for _, name in uses})
        number = {name: place for place, name in enumerate(names)}
        rows = np.array([row for row, _ in uses], dtype=np.int64)
        return names, rows, np.array([number[name] for _, name in uses], dtype=np.int64)

    def _tools(self, groups: Groups, figure: Figure) -> list[str]:
        names, rows, tools = self._used_tools
        group = groups.merged_at[rows]
        is_inside, size = group >= 0, max(len(names), 1)
        pairs, counts = np.unique(
            group[is_inside] * size + tools[is_inside], return_counts=True
        )
        listed: list[list[str]] = [[] for _ in range(groups.size)]
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            listed[pair // size].append(f"{names[pair % size]}={count}")
        return [" ".join(uses) for uses in listed]


def _counts(groups: Any, count: int) -> list[int]:
    counts: list[int] = np.bincount(groups[groups >= 0], minlength=count).tolist()
    return counts


def _or_none(values: Any, is_empty: Any) -> list[Any]:
    listed: list[Any] = values.tolist()
    for place in np.flatnonzero(is_empty).tolist():
        listed[place] = None
    return listed
