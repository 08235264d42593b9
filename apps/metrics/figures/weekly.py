"""The weekly table: figures per team, repository and member, recomputed from the rows
for the weeks asked for.

    recompute(team_id)                    every week that the team touched
    recompute(team_id, {week, …})         those weeks only (Mondays), e.g. `IngestResult.weeks`
    recompute_outdated(team_id)           the weeks whose rows are of another version of the definitions
    run_aggregation(ctx, team_id)         the first as a step, a unit of weeks at a time

A week is touched by what was opened, merged or closed in it, so a pull request changes
the rows of at most three weeks, and by a direct commit that landed in it. A member's
row counts the pull requests and direct commits of which they are the author, and in
`reviewed` the pull requests of others that they reviewed. Rows that have no data any
more are removed, rows that are right already are left alone, so running it again writes
nothing. Work in progress is not in the table: one old open pull request would touch
every week since.

It also stores the measures of the pull requests of these weeks
(`apps.metrics.figures.pull_requests`), which all pages read.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
from django.db.models import Exists, F, OuterRef, Q

from apps.metrics.figures.aggregate import Subject, week_index, weekly
from apps.metrics.figures.columns import RawMoment, fetch, fetch_text, moments
from apps.metrics.figures.compute import compute, touched
from apps.metrics.figures.declarations import NAMES
from apps.metrics.figures.definitions import DEFINITIONS_VERSION
from apps.metrics.figures.joined import apply_joins
from apps.metrics.figures.measures import Measured
from apps.metrics.figures.moments import possible
from apps.metrics.figures.pull_requests import read_by_keys, renew, store
from apps.metrics.gc import without_gc
from apps.metrics.ingest.identities import apply_bot_rule
from apps.metrics.models import PRReview, PullRequest, Scope, WeeklyMetrics
from apps.metrics.records import ChangeKind
from apps.metrics.upsert import upsert
from apps.metrics.weeks import WEEK, week_of, week_start
from apps.pipelines import portions
from apps.pipelines.context import StepContext
from apps.pipelines.outcomes import Done, Missing, Partial
from apps.teams.models import Team
from apps.teams.zones import zone_or_utc

__all__ = [
    "Subject",
    "figures_of",
    "recompute",
    "recompute_outdated",
    "run_aggregation",
    "touched_weeks",
    "units",
    "weeks_of_members",
]

# Weeks of one unit, and the gap between two weeks up to which they are still read
# together.
UNIT_WEEKS = 26
_GAP = 4 * WEEK


def zone_of(team_id: int) -> ZoneInfo:
    """Return the team's time zone; UTC if this machine doesn't know it."""
    return zone_or_utc(Team.objects.values_list("time_zone", flat=True).get(pk=team_id))


class _Moments(NamedTuple):
    """The moments at which a team's pull requests were opened, merged, and closed:
    three rows of moments, by their keys.

    A direct commit has only the moment when it landed.
    """

    pk: Any
    at: Any

    def between(self, since: datetime, until: datetime) -> Any:
        """Return the keys, ascending, of the pull requests with a moment in this
        time.
        """
        low, high = (
            np.datetime64(end.astimezone(UTC).replace(tzinfo=None), "us")
            for end in (since, until)
        )
        return np.sort(self.pk[((self.at >= low) & (self.at < high)).any(axis=0)])


def _moments_of(team_id: int) -> _Moments:
    fields = [RawMoment(F(name)) for name in ("created_at", "merged_at", "closed_at")]
    rows = fetch(
        PullRequest.objects.for_team(team_id).order_by().values_list("pk", "kind", *fields)
    )
    pk, kind, *columns = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    at = possible(np.stack([moments(column) for column in columns]))
    is_direct = np.array(kind, dtype="U12") == ChangeKind.CHANGE
    at[0, is_direct] = at[2, is_direct] = np.datetime64("NaT", "us")
    return _Moments(np.array(pk, dtype=np.int64), at)


def touched_weeks(team_id: int, known: _Moments | None = None) -> list[date]:
    """Return every week with a pull request opened, merged, or closed, or with a row in
    the table, ascending.
    """
    zone = zone_of(team_id)
    weeks = set(
        WeeklyMetrics.objects.for_team(team_id).values_list("week", flat=True).distinct()
    )
    at = (known or _moments_of(team_id)).at.ravel()
    at = at[~np.isnat(at)]
    if len(at):
        first, last = (end.replace(tzinfo=UTC) for end in (at.min().item(), at.max().item()))
        begin, end = week_of(first, zone), week_of(last, zone)
        span = [begin + n * WEEK for n in range((end - begin) // WEEK + 1)]
        weeks |= {span[n] for n in np.unique(week_index(at, span, zone)).tolist()}
    return sorted(weeks)


def weeks_of_members(team_id: int, members: Sequence[int]) -> set[date]:
    """Return the weeks (Mondays) of everything that these members (primary keys) wrote
    or reviewed.
    """
    reviewed = PRReview.objects.for_team(team_id).filter(
        reviewer__in=members, pull_request=OuterRef("pk")
    )
    pulls = (
        PullRequest.objects.for_team(team_id)
        .filter(Q(author__in=members) | Q(Exists(reviewed)))
        .order_by()
    )
    zone = zone_of(team_id)
    weeks: set[date] = set()
    for moments_of_one in pulls.values_list("created_at", "merged_at", "closed_at"):
        weeks |= {week_of(moment, zone) for moment in moments_of_one if moment is not None}
    return weeks


def units(weeks: Iterable[date]) -> Iterator[list[date]]:
    """Yield the weeks, ascending, in groups that are read and written together.

    The weeks of a group are close together, and span at most half a year.
    """
    unit: list[date] = []
    for week in sorted(weeks):
        if unit and (week - unit[-1] > _GAP or week - unit[0] >= UNIT_WEEKS * WEEK):
            yield unit
            unit = []
        unit.append(week)
    if unit:
        yield unit


@without_gc()
def recompute(team_id: int, weeks: Iterable[date] | None = None, *, afresh: bool = True) -> int:
    """Make the table right for these weeks (Mondays; None: all). The caller holds the
    transaction.

    Args:
        afresh: compute the measures of all pull requests of these weeks; otherwise only
            those that are not stored or outdated.

    Returns how many rows were written or removed.
    """
    known = _moments_of(team_id) if weeks is None else None
    wanted = touched_weeks(team_id, known) if weeks is None else weeks
    written = 0
    for unit in units(wanted):
        keys = _keys(team_id, unit, known)
        if afresh:
            measured = compute(keys)
            store(team_id, measured)
        else:
            measured = renew(team_id, keys)
        written += _write_weeks(team_id, unit, measured)
    return written


def run_aggregation(ctx: StepContext, team_id: int) -> Done | Partial:
    """Compute every touched week, as the body of a step. It continues after the
    cursor's week.
    """
    # Both change whose work counts, so they come before any week is computed.
    apply_bot_rule(team_id)
    apply_joins(team_id)
    weeks = touched_weeks(team_id)
    after = ctx.cursor.get("after", "")
    done = sum(week.isoformat() <= after for week in weeks)
    missing: list[Missing] = list(ctx.cursor.get("missing", []))
    for unit in units(weeks[done:]):
        with ctx.unit(
            total=len(weeks), unit="weeks", message="Computing weekly figures"
        ) as work:
            for portion in portions.of(ctx, unit, _weeks_name):
                if portion.skipped:
                    missing.append(Missing(what=portion.name, why=portion.why))
                    continue
                with portion.watched():
                    recompute(team_id, portion.items)
            done += len(unit)
            work.cursor, work.done = {"after": unit[-1].isoformat(), "missing": missing}, done
    result = {"weeks": len(weeks)}
    return Partial(missing, result) if missing else Done(result)


def _weeks_name(weeks: Sequence[date]) -> str:
    first = f"Figures of the week of {weeks[0].isoformat()}"
    return first if len(weeks) == 1 else f"{first} and {len(weeks) - 1} more"


def recompute_outdated(team_id: int) -> int:
    """Make the weeks right whose rows were computed by another version of the
    definitions. As `recompute`.
    """
    rows = WeeklyMetrics.objects.for_team(team_id).exclude(
        definitions_version=DEFINITIONS_VERSION
    )
    return recompute(team_id, set(rows.values_list("week", flat=True)))


def figures_of(
    team_id: int, weeks: Sequence[date]
) -> dict[tuple[Subject, date], tuple[Any, ...]]:
    """Return the figures of these weeks (ascending) by the rows as they are now, for
    each subject that has any, without writing them.
    """
    return weekly(read_by_keys(_keys(team_id, weeks)), weeks, zone_of(team_id))


def _keys(team_id: int, weeks: Sequence[date], known: _Moments | None = None) -> Any:
    zone = zone_of(team_id)
    since, until = week_start(weeks[0], zone), week_start(weeks[-1] + WEEK, zone)
    return known.between(since, until) if known else touched(team_id, since, until)


def _write_weeks(team_id: int, weeks: Sequence[date], measured: Measured) -> int:
    wanted = weekly(measured, weeks, zone_of(team_id))
    stored = {
        (subject, week): (pk, *values) for pk, subject, week, *values in _stored(team_id, weeks)
    }
    iso, names = (
        {week: week.isoformat() for week in weeks},
        {subject: str(subject) for subject, _ in wanted},
    )
    named = {
        (names[subject], iso[week]): (subject, numbers)
        for (subject, week), numbers in wanted.items()
    }
    changed = [
        _row(team_id, subject, place, numbers)
        for place, (subject, numbers) in sorted(named.items())
        # Rows that are right already are not written again.
        if stored.get(place, (0,))[1:] != (DEFINITIONS_VERSION, *numbers)
    ]
    upsert(
        WeeklyMetrics,
        _COLUMNS,
        changed,
        unique=("team_id", "subject", "week"),
        update=("definitions_version", *NAMES),
    )
    vanished = [values[0] for place, values in stored.items() if place not in named]
    # A statement has a limited number of parameters.
    for start in range(0, len(vanished), 1000):
        WeeklyMetrics.objects.for_team(team_id).filter(
            pk__in=vanished[start : start + 1000]
        ).delete()
    return len(changed) + len(vanished)


def _stored(team_id: int, weeks: Sequence[date]) -> list[Any]:
    """Return the table's rows of these weeks as the database returns them.

    Converting them to Python objects takes longer than computing them.
    """
    listed = ", ".join(["id", "subject", "CAST(week AS TEXT)", "definitions_version", *NAMES])
    # The scopes are named so that the database can use its index.
    scopes, marks = (
        ", ".join(f"'{scope}'" for scope in Scope.values),
        ", ".join(["%s"] * len(weeks)),
    )
    return fetch_text(
        f"SELECT {listed} FROM {WeeklyMetrics._meta.db_table}"  # noqa: S608 - our own names
        f" WHERE team_id = %s AND scope IN ({scopes}) AND week IN ({marks})",
        [team_id, *(week.isoformat() for week in weeks)],
    )


_COLUMNS = (
    "team_id",
    "subject",
    "week",
    "scope",
    "repository_id",
    "member_id",
    "definitions_version",
    *NAMES,
)


def _row(
    team_id: int, subject: Subject, place: tuple[str, str], numbers: tuple[Any, ...]
) -> tuple[Any, ...]:
    return (
        team_id,
        *place,
        subject.scope.value,
        subject.pk if subject.scope == Scope.REPOSITORY else None,
        subject.pk if subject.scope == Scope.MEMBER else None,
        DEFINITIONS_VERSION,
        *numbers,
    )
