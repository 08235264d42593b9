"""The weekly table: figures per team, repository and member, recomputed from the rows for the weeks asked for.

    recompute(team_id)                    every week that the team touched
    recompute(team_id, {week, …})         those weeks only (Mondays), e.g. `IngestResult.weeks`
    run_aggregation(ctx, team_id)         the same as a step, a unit of weeks at a time

A member's row counts the pull requests of which they are the author. Rows that have no data any more are removed, rows
that are right already are left alone, so running it again writes nothing.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any, NamedTuple

from django.db.models import Count

from apps.metrics.definitions import (
    DEFINITIONS_VERSION,
    WEEK,
    Figures,
    Merged,
    figures,
    time_to_merge_hours,
    week_of,
    week_start,
)
from apps.metrics.models import PRReview, PullRequest, Scope, WeeklyMetrics
from apps.metrics.records import PullRequestState, ReviewState
from apps.pipelines.context import StepContext
from apps.pipelines.outcomes import Done

# Weeks of one unit, and the gap between two weeks up to which they are still read together.
UNIT_WEEKS = 26
_GAP = 4 * WEEK

_FIGURES = list(Figures._fields)


class Subject(NamedTuple):
    """Whose week: the team's, a repository's or a member's, by primary key."""

    scope: Scope
    pk: int | None = None

    def __str__(self) -> str:
        return self.scope.value if self.pk is None else f"{self.scope.value}:{self.pk}"


def touched_weeks(team_id: int) -> list[date]:
    """Every week with a pull request opened or merged, or with a row in the table, ascending."""
    weeks = set(WeeklyMetrics.objects.for_team(team_id).values_list("week", flat=True).distinct())
    for created_at, merged_at in (
        PullRequest.objects.for_team(team_id).values_list("created_at", "merged_at").iterator(chunk_size=10_000)
    ):
        weeks.add(week_of(created_at))
        if merged_at is not None:
            weeks.add(week_of(merged_at))
    return sorted(weeks)


def units(weeks: Iterable[date]) -> Iterator[list[date]]:
    """The weeks, ascending, in units that are read and written together: near to each other and at most half a year."""
    unit: list[date] = []
    for week in sorted(weeks):
        if unit and (week - unit[-1] > _GAP or week - unit[0] >= UNIT_WEEKS * WEEK):
            yield unit
            unit = []
        unit.append(week)
    if unit:
        yield unit


def recompute(team_id: int, weeks: Iterable[date] | None = None) -> int:
    """Make the table right for these weeks (Mondays; None: all). The caller holds the transaction.

    Returns how many rows were written or removed.
    """
    return sum(_recompute_unit(team_id, unit) for unit in units(touched_weeks(team_id) if weeks is None else weeks))


def run_aggregation(ctx: StepContext, team_id: int) -> Done:
    """The body of a step: every touched week, newest data last, going on after the cursor's week."""
    weeks = touched_weeks(team_id)
    after = ctx.cursor.get("after", "")
    done = sum(week.isoformat() <= after for week in weeks)
    for unit in units(weeks[done:]):
        with ctx.unit(total=len(weeks), unit="weeks", message="Computing weekly figures") as work:
            _recompute_unit(team_id, unit)
            done += len(unit)
            work.cursor, work.done = {"after": unit[-1].isoformat()}, done
    return Done(result={"weeks": len(weeks)})


def _recompute_unit(team_id: int, weeks: Sequence[date]) -> int:
    wanted = compute(team_id, weeks)
    stored = {
        (subject, week): (pk, *values)
        for pk, subject, week, *values in WeeklyMetrics.objects.for_team(team_id)
        .filter(week__in=weeks)
        .values_list("pk", "subject", "week", "definitions_version", *_FIGURES)
    }
    changed = [
        _row(team_id, subject, week, numbers)
        for (subject, week), numbers in wanted.items()
        if stored.get((str(subject), week), (0,))[1:] != (DEFINITIONS_VERSION, *numbers)
    ]
    WeeklyMetrics.objects.bulk_create(
        sorted(changed, key=lambda row: (row.subject, row.week)),
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["team", "subject", "week"],
        update_fields=["definitions_version", *_FIGURES],
    )
    kept = {(str(subject), week) for subject, week in wanted}
    vanished = [values[0] for place, values in stored.items() if place not in kept]
    for start in range(0, len(vanished), 1000):
        WeeklyMetrics.objects.for_team(team_id).filter(pk__in=vanished[start : start + 1000]).delete()
    return len(changed) + len(vanished)


def _row(team_id: int, subject: Subject, week: date, numbers: Figures) -> WeeklyMetrics:
    return WeeklyMetrics(
        team_id=team_id,
        scope=subject.scope,
        subject=str(subject),
        repository_id=subject.pk if subject.scope == Scope.REPOSITORY else None,
        member_id=subject.pk if subject.scope == Scope.MEMBER else None,
        week=week,
        definitions_version=DEFINITIONS_VERSION,
        **numbers._asdict(),
    )


def compute(team_id: int, weeks: Sequence[date]) -> dict[tuple[Subject, date], Figures]:
    """The figures of these weeks, read from the rows: of each subject that has any."""
    asked = set(weeks)
    opened: dict[tuple[Subject, date], int] = defaultdict(int)
    merged: dict[tuple[Subject, date], list[Merged]] = defaultdict(list)
    for created_at, repository, author in _pulls(team_id, "created_at", weeks).values_list(
        "created_at", "repository_id", "author_id"
    ):
        week = week_of(created_at)
        if week in asked:
            for subject in _subjects(repository, author):
                opened[subject, week] += 1
    for week, repository, pull in _merged(team_id, weeks):
        if week in asked:
            for subject in _subjects(repository, pull.author):
                merged[subject, week].append(pull)
    return {place: figures(opened.get(place, 0), merged.get(place, [])) for place in opened.keys() | merged.keys()}


def _subjects(repository: int, author: int | None) -> Iterator[Subject]:
    yield Subject(Scope.TEAM)
    yield Subject(Scope.REPOSITORY, repository)
    if author is not None:
        yield Subject(Scope.MEMBER, author)


def _pulls(team_id: int, moment: str, weeks: Sequence[date]) -> Any:
    """The pull requests whose `moment` lies between the first and the last of the weeks."""
    bounds = {f"{moment}__gte": week_start(weeks[0]), f"{moment}__lt": week_start(weeks[-1] + WEEK)}
    return PullRequest.objects.for_team(team_id).filter(**bounds)


def _merged(team_id: int, weeks: Sequence[date]) -> Iterator[tuple[date, int, Merged]]:
    pulls = _pulls(team_id, "merged_at", weeks).filter(state=PullRequestState.MERGED)
    reviews: dict[int, int] = dict(
        PRReview.objects.for_team(team_id)
        .filter(pull_request__in=pulls.values("pk"))
        .exclude(state=ReviewState.PENDING)
        .values_list("pull_request_id")
        .annotate(received=Count("pk"))
    )
    for pk, repository, kind, created_at, merged_at, author, ai_assisted, additions, deletions in pulls.values_list(
        "pk",
        "repository_id",
        "kind",
        "created_at",
        "merged_at",
        "author_id",
        "ai_assisted",
        "additions",
        "deletions",
    ):
        hours = time_to_merge_hours(kind, created_at, merged_at)
        pull = Merged(author, hours, bool(ai_assisted), additions, deletions, reviews.get(pk, 0))
        yield week_of(merged_at), repository, pull
