"""The event log of a run. Events are numbered under the run's row, and written in the
transaction of the change that they describe.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cache, lru_cache
from types import SimpleNamespace
from typing import Any

from django.db import models, transaction
from psycopg.types.json import Jsonb

from apps.masking import storable
from apps.pipelines import clock
from apps.pipelines.models import Event, Run, StepRun
from apps.pipelines.sql import batch, statements
from apps.pipelines.sql.batch import Insertion, Listing
from apps.pipelines.sql.statements import Change, Sql
from apps.pipelines.stream import hints

# The fields of a step's row and of a run's row that their events contain.
STEP = (
    "idx",
    "title",
    "queue",
    "state",
    "attempt",
    "failures",
    "max_failures",
    "done",
    "total",
    "unit",
    "message",
    "error",
    "cause",
    "remedy",
    "missing",
    "parked_at",
    "parked_until",
    "started_at",
    "attempt_started_at",
    "finished_at",
    "active_seconds",
)
RUN = (
    "state",
    "generation",
    "percent",
    "eta_seconds",
    "missing",
    "error",
    "created_at",
    "generation_started_at",
    "finished_at",
    "cause",
    "remedy",
    "act",
    "acted_by_name",
    "acted_at",
)
FIELDS: dict[type[models.Model], tuple[str, ...]] = {StepRun: ("key", *STEP), Run: RUN}
# The most characters of a line in a run's log.
LONGEST_LINE = 800
COLUMNS = ("run_id", "seq", "at", "kind", "key", "message", "level", "data")


@dataclass(frozen=True, slots=True)
class Entry:
    """An event to write. Its message is masked and shortened, because it may quote the
    answer of another server.
    """

    kind: str
    key: str = ""
    message: str = ""
    level: str = "info"
    data: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.message:
            object.__setattr__(self, "message", _line(self.message))


@lru_cache(1000)
def _line(message: str) -> str:
    """Return a message as the log stores it.

    The result is cached: the engine's own messages repeat, and masking takes longer
    than a look-up.
    """
    return storable(message, LONGEST_LINE)


@dataclass(frozen=True, slots=True)
class Words:
    """A message with values of a row that only the change itself reads. It has a form
    for Python and one for SQL, in which {row} is the row.
    """

    of: Callable[[Any], str]
    sql: str


@dataclass(frozen=True, slots=True)
class RowSnapshot:
    """An event with the whole state of a row after a change. `place` is the index of
    that change in the list of changes.
    """

    place: int
    message: Words | None = None
    data: dict[str, Any] = field(default_factory=dict)


def append(run_id: Any, entries: Sequence[Entry]) -> int:
    """Write events and return the run's new sequence number.

    The caller's transaction then holds the run's row.
    """
    if not entries:
        return Run.objects.values_list("seq", flat=True).get(pk=run_id)
    # The update locks the run's row until the commit, so numbers rise in the order of
    # commits.
    more = statements.Sql(f"seq + {len(entries)}")
    [(last,)] = statements.update_values(Run, {"seq": more}, ["seq"], id=run_id)
    write(run_id, last, entries)
    return int(last)


def write(run_id: Any, last: int, entries: Sequence[Entry]) -> None:
    """Write events with the newest numbers of a run: `last` and those before it.

    The caller has reserved these numbers.
    """
    at, before = clock.now(), last - len(entries)
    statements.insert(
        Event,
        COLUMNS,
        [
            (run_id, seq, at, entry.kind, entry.key, entry.message, entry.level, entry.data)
            for seq, entry in enumerate(entries, before + 1)
        ],
    )
    hints.after_commit(run_id, before)


def update_with_events(
    changes: Sequence[Change],
    told: Sequence[Entry | RowSnapshot],
    *,
    listing: Listing | None = None,
    async_commit: bool = False,
) -> tuple[list[list[Any] | None], list[list[Any]]]:
    """Change rows and write events about them in one transaction, on PostgreSQL in one
    statement, which saves round trips.

    The last change is that of the run: it adds the number of events to `seq` and names
    it. If the first change finds no row, nothing is written. Returns the named columns
    of each changed row, None for a row that is missing, and the rows of the listing.
    `async_commit`: see `batch.change_in_one`.
    """
    run_id, numbers = changes[-1].where["id"], changes[-1].names.index("seq")
    if statements.in_one_statement():
        rows, listed = batch.change_in_one(
            changes,
            insertion=_insertion(changes, told),
            listing=listing,
            async_commit=async_commit,
        )
        if rows[-1] is not None:
            hints.after_commit(run_id, rows[-1][numbers] - len(told))
        return rows, listed
    with transaction.atomic():
        reads = _reads(changes, told)
        # The events show more columns than the caller asked for. They are read with the
        # same statement and cut off again below.
        wide = [
            replace(one, names=tuple(dict.fromkeys((*one.names, *read))))
            for one, read in zip(changes, reads, strict=True)
        ]
        rows = statements.one_by_one(wide)
        if rows[-1] is None:
            return rows, []
        write(
            run_id,
            rows[-1][numbers],
            [_entry(one, wide, rows) if isinstance(one, RowSnapshot) else one for one in told],
        )
        rows = [row and row[: len(one.names)] for row, one in zip(rows, changes, strict=True)]
        if listing is None:
            return rows, []
        where = {"order": listing.order, **listing.where}
        return rows, statements.select_values(listing.model, listing.names, **where)


def _reads(
    changes: Sequence[Change], told: Sequence[Entry | RowSnapshot]
) -> tuple[tuple[str, ...], ...]:
    """Return the columns of each changed row that the events show."""
    shown = {one.place for one in told if isinstance(one, RowSnapshot)}
    return tuple(
        [FIELDS[one.model] if place in shown else () for place, one in enumerate(changes)]
    )


def _entry(
    shown: RowSnapshot, changes: Sequence[Change], rows: Sequence[Sequence[Any] | None]
) -> Entry:
    """Return the event for a row that has been read."""
    model, names = changes[shown.place].model, changes[shown.place].names
    row = SimpleNamespace(**dict(zip(names, rows[shown.place] or (), strict=True)))
    message = shown.message.of(row) if shown.message else ""
    entry = step_entry(row, message) if model is StepRun else run_entry(row, message)
    entry.data.update(shown.data)
    return entry


def _insertion(changes: Sequence[Change], told: Sequence[Entry | RowSnapshot]) -> Insertion:
    """Return the events as rows that the database builds from the changed rows."""
    run, at = f"c{len(changes) - 1}", clock.now()
    rows = []
    for before, one in zip(range(len(told) - 1, -1, -1), told, strict=True):
        head = {"run_id": Sql(f'{run}."id"'), "seq": Sql(f'{run}."seq" - {before}'), "at": at}
        if isinstance(one, RowSnapshot):
            rows.append(head | _shown_in_sql(one, changes[one.place].model))
        else:
            rows.append(head | {name: getattr(one, name) for name in COLUMNS[3:]})
    reads = _reads(changes, told)
    return Insertion(Event, rows, (*reads[:-1], ("id", "seq", *reads[-1])))


def _shown_in_sql(shown: RowSnapshot, model: type[models.Model]) -> dict[str, Any]:
    row, is_step = f"c{shown.place}", model is StepRun
    data = Sql(
        _data_in_sql(row, model) + (" || %s" if shown.data else ""),
        (Jsonb(shown.data),) if shown.data else (),
    )
    return {
        "kind": "step" if is_step else "run",
        "key": Sql(f'{row}."key"') if is_step else "",
        "message": Sql(shown.message.sql.format(row=row)) if shown.message else "",
        "level": "info",
        "data": data,
    }


@cache
def _data_in_sql(row: str, model: type[models.Model]) -> str:
    def value(name: str) -> str:
        is_float = isinstance(model._meta.get_field(name), models.FloatField)
        # Three digits, as in `_plain`, so that both ways of writing an event give the
        # same data.
        return f'round({row}."{name}"::numeric, 3)' if is_float else f'{row}."{name}"'

    # PostgreSQL writes a datetime in JSON as ISO 8601 with its offset, as `_plain`
    # does.
    names = STEP if model is StepRun else RUN
    return f"jsonb_build_object({', '.join(f"'{name}', {value(name)}" for name in names)})"


def step_entry(step: Any, message: str = "", level: str = "info") -> Entry:
    """Return the whole current state of a step. Times are ISO 8601 with their offset."""
    return Entry(
        "step", step.key, message, level, {name: _plain(getattr(step, name)) for name in STEP}
    )


def run_entry(run: Any, message: str = "", level: str = "info") -> Entry:
    """Return the whole current state of a run. Times are ISO 8601 with their offset."""
    return Entry("run", "", message, level, {name: _plain(getattr(run, name)) for name in RUN})


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return round(value, 3) if isinstance(value, float) else value
