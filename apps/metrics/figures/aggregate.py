"""Turn columns into the figures of every week of every subject, by numpy.

Pure functions; `apps.metrics.figures.definitions` has the formulas.
"""

from collections.abc import Sequence
from datetime import date, tzinfo
from typing import Any, NamedTuple

import numpy as np

from apps.metrics.figures.columns import Columns, first_by_pull
from apps.metrics.figures.definitions import phases, review_depth
from apps.metrics.models import Scope
from apps.metrics.weeks import WEEK, week_start

SHARES = (0.5, 0.75, 0.9)


class Figures(NamedTuple):
    """The figures of one week; the fields are the columns of `WeeklyMetrics` and of the
    export, in its order.

    `x_median`, `x_p75`, `x_p90` are over `x_n` values; sizes are over `merged` ones.
    `apps.metrics.figures.explanations` explains each.
    """

    opened: int
    merged: int
    time_to_merge_hours_median: float | None
    time_to_merge_hours_p75: float | None
    time_to_merge_hours_p90: float | None
    authors: int
    ai_assisted: int
    additions: int
    deletions: int
    reviews: int
    closed: int
    time_to_merge_hours_n: int
    coding_hours_median: float | None
    coding_hours_p75: float | None
    coding_hours_p90: float | None
    coding_hours_n: int
    pickup_hours_median: float | None
    pickup_hours_p75: float | None
    pickup_hours_p90: float | None
    pickup_hours_n: int
    review_hours_median: float | None
    review_hours_p75: float | None
    review_hours_p90: float | None
    review_hours_n: int
    merge_hours_median: float | None
    merge_hours_p75: float | None
    merge_hours_p90: float | None
    merge_hours_n: int
    cycle_hours_median: float | None
    cycle_hours_p75: float | None
    cycle_hours_p90: float | None
    cycle_hours_n: int
    size_lines_median: float | None
    size_lines_p75: float | None
    size_lines_p90: float | None
    review_depth: float | None
    reviewable: int
    without_approval: int
    reworked: int
    rework_cycles: int
    reverts: int
    reviewed: int
    reviewers: int
    review_gini: float | None
    ai_agent_authored: int
    ai_hinted: int
    ai_tools: str
    direct_commits: int


class Subject(NamedTuple):
    """Whose week: the team's, a repository's or a member's, by primary key."""

    scope: Scope
    pk: int | None = None

    def __str__(self) -> str:
        return self.scope.value if self.pk is None else f"{self.scope.value}:{self.pk}"


class Groups(NamedTuple):
    """One scope's groups: `keys` are its subjects' primary keys, ascending; a group is
    subject index * weeks + week.
    """

    scope: Scope
    keys: Any
    weeks: int

    @property
    def size(self) -> int:
        return len(self.keys) * self.weeks

    def of(self, keys: Any, week: Any) -> Any:
        """Return the group of each row, by its subject's key and week index; -1 without
        one.
        """
        place = np.searchsorted(self.keys, keys)
        place = np.minimum(place, max(len(self.keys) - 1, 0))
        known = (
            (week >= 0) & (self.keys[place] == keys)
            if len(self.keys)
            else np.zeros(len(keys), dtype=bool)
        )
        return np.where(known, place * self.weeks + week, -1)


def tally(
    columns: Columns, weeks: Sequence[date], zone: tzinfo
) -> dict[tuple[Subject, date], Figures]:
    """Compute the figures of these weeks, for each subject that has any in a week.

    Args:
        weeks: Mondays, ascending.
        zone: the time zone in which the weeks begin.
    """
    pulls, reviews = columns
    n = len(pulls.pk)
    opened, merged, closed = (
        week_index(at, weeks, zone) for at in (pulls.created, pulls.merged, pulls.closed)
    )
    pushed = week_index(pulls.pushed, weeks, zone)
    reader = Reader(columns, merged)
    found: dict[tuple[Subject, date], Figures] = {}
    # A reviewer counts once for each pull request, however many reviews they gave it.
    counted = np.unique(
        np.stack([reviews.pull[reviews.counts], reviews.reviewer[reviews.counts]]), axis=1
    )
    for scope, keys in (
        (Scope.TEAM, np.zeros(n, dtype=np.int64)),
        (Scope.REPOSITORY, pulls.repository),
        (Scope.MEMBER, pulls.author),
    ):
        by_member = scope == Scope.MEMBER
        # A member who only reviewed has a row, too.
        everybody = np.concatenate([keys, counted[1]]) if by_member else keys
        groups = Groups(
            scope,
            np.unique(everybody[everybody != 0]) if by_member else np.unique(keys),
            len(weeks),
        )
        into = groups.of(keys, merged)
        # A member's review load is what they reviewed; a team's and a repository's is
        # what was reviewed in it.
        load = groups.of(counted[1], merged[counted[0]]) if by_member else into[counted[0]]
        others = (groups.of(keys, week) for week in (opened, closed, pushed))
        rows = reader.figures(groups, into, counted, load, *others)
        for group, figures in rows:
            key = int(groups.keys[group // groups.weeks])
            found[
                Subject(scope, key if scope != Scope.TEAM else None),
                weeks[group % groups.weeks],
            ] = figures
    return found


def week_index(at: Any, weeks: Sequence[date], zone: tzinfo) -> Any:
    """Return the index of the week in which each moment is; -1 for none.

    The weeks are ascending and may have gaps. Their bounds are the zone's midnights.
    """
    # The bounds come from the zone, because a week with a change of the clocks is not
    # 168 hours long.
    starts = np.array([week_start(week, zone).timestamp() for week in weeks]).astype(
        "datetime64[s]"
    )
    ends = np.array([week_start(week + WEEK, zone).timestamp() for week in weeks]).astype(
        "datetime64[s]"
    )
    place = np.searchsorted(starts, at, side="right") - 1
    inside = ~np.isnat(at) & (place >= 0)
    # Any valid index will do for the others, whose result is -1 in any case.
    place = np.where(inside, place, 0)
    return np.where(inside & (at < ends[place]), place, -1)


class Spreads:
    """Percentiles of one column in any grouping.

    The values are ranked once, so that each grouping only has to sort integers.
    """

    def __init__(self, values: Any, rows: Any) -> None:
        """Rank the values, NaN left out. `rows` are the indices of the values."""
        kept = ~np.isnan(values)
        self.rows = rows[kept]
        order = np.argsort(values[kept])
        self.ascending = values[kept][order]
        self.rank = np.empty(len(order), dtype=np.int64)
        self.rank[order] = np.arange(len(order))

    def of(self, groups: Any, count: int) -> list[list[Any]]:
        """Return a list for each of SHARES with the groups' values at that share, and
        the number of values of each group. A value is None if its group is empty.

        `groups` are those of all rows, with -1 for none.
        """
        group = groups[self.rows]
        inside = group >= 0
        size = max(len(self.ascending), 1)
        # One integer holds group and rank, so that one sort orders all groups at once.
        keys = np.sort(group[inside] * size + self.rank[inside])
        values = self.ascending[keys % size] if len(keys) else np.zeros(1)
        n = np.bincount(group[inside], minlength=count)
        # The index at which each group begins in `values`.
        first = np.cumsum(n) - n
        empty = n == 0
        lists: list[list[Any]] = []
        for share in SHARES:
            rank = np.maximum(n - 1, 0) * share
            below = np.floor(rank).astype(np.int64)
            low = values[np.where(empty, 0, first + below)]
            high = values[
                np.where(empty, 0, first + np.minimum(below + 1, np.maximum(n - 1, 0)))
            ]
            lists.append(_or_none(low + (high - low) * (rank - below), empty))
        return [*lists, n.tolist()]


class Reader:
    """Compute once what is the same in every grouping.

    Its rows are the merged pull requests of the weeks.
    """

    def __init__(self, columns: Columns, merged: Any) -> None:
        pulls, reviews = columns
        self.pulls, self.merged = pulls, merged
        n = len(pulls.pk)
        rows = np.flatnonzero(merged >= 0)
        self.lines = pulls.additions + pulls.deletions
        self.received = np.bincount(reviews.pull, minlength=n)
        # The lines of a release were counted before, so its reviews are in no depth.
        self.of_sized = np.where(
            pulls.is_release, 0, np.bincount(reviews.pull[reviews.counts], minlength=n)
        )
        # Bots and releases need no approval. Without details, a missing one would mean
        # nothing.
        approved = first_by_pull(reviews, reviews.approves, n)
        read = (merged >= 0) & ~pulls.is_release & pulls.has_detail & ~pulls.by_bot
        self.reviewable = read
        self.unapproved = read & ~(approved <= pulls.merged)
        self.cycles = np.where(read, pulls.cycles, 0)
        to_merge = (pulls.merged - pulls.begun) / np.timedelta64(1, "h")
        human = np.flatnonzero(read)
        # A review before the pull request was created has an impossible time.
        on_time = reviews.at >= pulls.created[reviews.pull]
        first = first_by_pull(reviews, reviews.counts & on_time, n)
        approved_on_time = first_by_pull(reviews, reviews.approves & on_time, n)
        moments = (pulls.first_commit, pulls.begun, first, approved_on_time, pulls.merged)
        parts = phases(*(column[human] for column in moments))
        self.to_merge = Spreads(to_merge[rows], rows)
        self.phases = [Spreads(values, human) for values in parts]
        self.tools = _Tools(pulls.ai_tools, pulls.ai_assisted)
        sized = rows[~pulls.is_release[rows]]
        self.size = Spreads(self.lines[sized].astype(float), sized)

    def figures(
        self,
        groups: Groups,
        into: Any,
        counted: Any,
        load: Any,
        opened: Any,
        closed: Any,
        pushed: Any,
    ) -> list[tuple[int, Figures]]:
        """Return the groups in which anything happened, by number, with their
        figures.
        """
        pulls, count = self.pulls, groups.size
        total = _Totals(into, count)
        n_opened, n_merged, n_closed = (
            _tally(which, count) for which in (opened, into, closed)
        )
        n_direct = _tally(pushed, count)
        reviewers, concentration = _load(into[counted[0]], counted[1], count)
        reviewed = _tally(load, count)
        time_to_merge = self.to_merge.of(into, count)
        coding, pickup, review, merge, cycle = (
            spread.of(into, count) for spread in self.phases
        )
        counted_reviews, lines = total.sum(self.of_sized), total.sum(self.lines)
        fields: tuple[list[Any], ...] = (
            n_opened,
            n_merged,
            *time_to_merge[:3],
            _distinct(into, pulls.author, count),
            total.sum(pulls.ai_assisted),
            total.sum(pulls.additions),
            total.sum(pulls.deletions),
            total.sum(self.received),
            n_closed,
            time_to_merge[3],
            *coding,
            *pickup,
            *review,
            *merge,
            *cycle,
            *self.size.of(into, count)[:3],
            [review_depth(some, of) for some, of in zip(counted_reviews, lines, strict=True)],
            total.sum(self.reviewable),
            total.sum(self.unapproved),
            total.sum(self.cycles > 0),
            total.sum(self.cycles),
            total.sum(pulls.is_revert),
            reviewed,
            reviewers,
            concentration,
            total.sum(pulls.ai_agent),
            total.sum(pulls.ai_hinted),
            self.tools.of(into, count),
            n_direct,
        )
        rows = zip(*fields, strict=True)
        touched = zip(n_opened, n_merged, n_closed, n_direct, reviewed, rows, strict=True)
        return [
            (group, Figures(*row)) for group, (*some, row) in enumerate(touched) if any(some)
        ]


class _Totals:
    """Sum values over the rows of each group."""

    def __init__(self, groups: Any, count: int) -> None:
        self.rows = np.flatnonzero(groups >= 0)
        self.groups, self.count = groups[self.rows], count

    def sum(self, values: Any) -> list[int]:
        """Return the sums, which are exact for whole numbers below 2**53."""
        summed = np.bincount(self.groups, weights=values[self.rows], minlength=self.count)
        whole: list[int] = summed.astype(np.int64).tolist()
        return whole


def _tally(groups: Any, count: int) -> list[int]:
    counts: list[int] = np.bincount(groups[groups >= 0], minlength=count).tolist()
    return counts


def _or_none(values: Any, empty: Any) -> list[Any]:
    listed: list[Any] = values.tolist()
    for place in np.flatnonzero(empty).tolist():
        listed[place] = None
    return listed


def _distinct(groups: Any, people: Any, count: int) -> list[int]:
    """Count the different people of each group. 0, no known person, counts as one."""
    inside = groups >= 0
    pairs = np.unique(groups[inside] * (people.max(initial=0) + 1) + people[inside])
    counts: list[int] = np.bincount(
        pairs // (people.max(initial=0) + 1), minlength=count
    ).tolist()
    return counts


def _load(groups: Any, reviewers: Any, count: int) -> tuple[list[int], list[float | None]]:
    """Return how many reviewers each group has, and the Gini coefficient of their
    loads.

    There is one row for each pull request and reviewer.
    """
    inside = groups >= 0
    # One integer holds group and reviewer, so that `unique` counts the pairs.
    base = reviewers.max(initial=0) + 1
    pairs, loads = np.unique(groups[inside] * base + reviewers[inside], return_counts=True)
    group = pairs // base
    order = np.lexsort((loads, group))
    group, loads = group[order], loads[order]
    n = np.bincount(group, minlength=count)
    place = np.arange(len(group)) - (np.cumsum(n) - n)[group] + 1
    # This is `definitions.gini` for all groups at once.
    weighted = np.bincount(group, weights=place * loads, minlength=count)
    total = np.bincount(group, weights=loads, minlength=count)
    empty = n == 0
    safe_n, safe_total = np.where(empty, 1, n), np.where(empty, 1, total)
    return n.tolist(), _or_none(
        2 * weighted / (safe_n * safe_total) - (safe_n + 1) / safe_n, empty
    )


class _Tools:
    """Count the tools of each group, by name, like `claude=3 codex=1`.

    There is one row for each pull request and tool.
    """

    def __init__(self, tools: Any, assisted: Any) -> None:
        rows = np.flatnonzero(assisted)
        pairs = [
            (row, name)
            for row, names in zip(rows.tolist(), tools[rows].tolist(), strict=True)
            for name in names or ()
        ]
        self.names = sorted({name for _, name in pairs})
        number = {name: n for n, name in enumerate(self.names)}
        self.rows = np.array([row for row, _ in pairs], dtype=np.int64)
        self.tools = np.array([number[name] for _, name in pairs], dtype=np.int64)

    def of(self, groups: Any, count: int) -> list[str]:
        group = groups[self.rows]
        inside, size = group >= 0, max(len(self.names), 1)
        pairs, counts = np.unique(group[inside] * size + self.tools[inside], return_counts=True)
        listed = [""] * count
        for pair, n in zip(pairs.tolist(), counts.tolist(), strict=True):
            place, said = pair // size, f"{self.names[pair % size]}={n}"
            listed[place] = f"{listed[place]} {said}" if listed[place] else said
        return listed
