"""The statements of the hot path, without the ORM's compiler in between.

Between two steps lie a completion and a claim. Built by the ORM, their statements cost ten times what the database
takes to run them (`docs/decisions/0005`), so these few are put together here: values go in and come out by the models'
own fields, with the ORM's conversions. All else goes through the ORM.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

import psycopg
from django.db import DEFAULT_DB_ALIAS, connections, models
from psycopg.types.json import Jsonb

# SQLite takes 32,766 parameters a statement.
AT_ONCE = 500
# Fields whose values both databases take and give as they are.
PLAIN = (models.CharField, models.TextField, models.IntegerField, models.FloatField)
_cursors: "WeakKeyDictionary[psycopg.Connection[Any], psycopg.Cursor[Any]]" = WeakKeyDictionary()


@dataclass(frozen=True, slots=True)
class Sql:
    """A value that the database works out, with its parameters."""

    text: str
    params: tuple[Any, ...] = ()


class _Column(NamedTuple):
    name: str
    # Where a value does not stay as it is.
    adapt: Callable[[Any], Any] | None
    convert: Callable[[Any], Any] | None


_Columns = Mapping[str, _Column]


@cache
def _columns(model: type[models.Model], vendor: str) -> _Columns:
    """The columns of a model by the names of its fields, those of foreign keys also by their `_id`."""
    columns: dict[str, _Column] = {}
    for field in model._meta.concrete_fields:
        target = field.target_field if isinstance(field, models.ForeignKey) else field
        column = _Column(f'"{field.column}"', *_codec(target, vendor))
        columns |= {field.attname: column, field.name: column}
    return columns


def _codec(field: Any, vendor: str) -> tuple[Callable[[Any], Any] | None, Callable[[Any], Any] | None]:
    """How a value becomes a parameter and how what is read becomes a value. None stays None."""
    if isinstance(field, PLAIN):
        return None, None
    if isinstance(field, models.JSONField):
        return (Jsonb if vendor == "postgresql" else json.dumps), json.loads
    if vendor == "postgresql" and isinstance(field, models.UUIDField | models.DateTimeField):
        return None, None
    if isinstance(field, models.UUIDField):
        return (lambda value: value.hex if isinstance(value, UUID) else UUID(value).hex), UUID
    if isinstance(field, models.DateTimeField):
        return _sqlite_text, _sqlite_moment
    raise TypeError(f"{field} is of a kind that no statement of the hot path has had yet.")


def _sqlite_text(value: datetime) -> str:
    """A moment as Django writes it on SQLite: in UTC, without saying so."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def _sqlite_moment(read: datetime | str) -> datetime:
    """What Django's own converter has made of a column of a table, or the text that stands in it."""
    return (datetime.fromisoformat(read) if isinstance(read, str) else read).replace(tzinfo=UTC)


def _connection() -> Any:
    """This thread's connection. To ask the proxy `django.db.connection` for it takes as long as a short statement."""
    return connections[DEFAULT_DB_ALIAS]


def _adapted(column: _Column, value: Any) -> Any:
    return value if value is None or column.adapt is None else column.adapt(value)


def _pairs(columns: _Columns, values: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
    """`column = placeholder` for each value, and the parameters."""
    parts: list[str] = []
    params: list[Any] = []
    for name, value in values.items():
        column = columns[name]
        if isinstance(value, Sql):
            parts.append(f"{column.name} = {value.text}")
            params.extend(value.params)
        else:
            parts.append(f"{column.name} = %s")
            params.append(_adapted(column, value))
    return parts, params


def _execute(conn: Any, text: str, params: Sequence[Any]) -> Any:
    """Run a statement by the driver itself, unless somebody watches what Django runs; returns the driver's cursor.

    PostgreSQL gets the parameters apart from the text, so that it parses and plans each text but once. The ORM's own
    cursors write them into the text, as some of its statements need.
    """
    conn.ensure_connection()
    conn.validate_no_broken_transaction()
    raw = conn.connection
    if conn.execute_wrappers or conn.queries_logged:
        cursor = conn._prepare_cursor(psycopg.Cursor(raw) if conn.vendor == "postgresql" else conn.create_cursor())
        cursor.execute(text, params)
        return cursor
    with conn.wrap_database_errors:
        if conn.vendor != "postgresql":
            return raw.execute(_with_question_marks(text), params)
        if (cursor := _cursors.get(raw)) is None:
            cursor = _cursors[raw] = psycopg.Cursor(raw)
        return cursor.execute(text, params)


@lru_cache(1000)
def _with_question_marks(text: str) -> str:
    return text.replace("%s", "?").replace("%%", "%")


def _update(
    columns: _Columns, model: type[models.Model], values: Mapping[str, Any], where: Mapping[str, Any]
) -> tuple[str, list[Any]]:
    changes, new = _pairs(columns, values)
    conditions, old = _pairs(columns, where)
    text = f'UPDATE "{model._meta.db_table}" SET {", ".join(changes)} WHERE {" AND ".join(conditions)}'  # noqa: S608
    return text, new + old


def _read(conn: Any, columns: _Columns, names: Sequence[str], text: str, params: Sequence[Any]) -> list[list[Any]]:
    converts = [(place, convert) for place, name in enumerate(names) if (convert := columns[name].convert)]
    rows = [list(row) for row in _execute(conn, text, params).fetchall()]
    for row in rows:
        for place, convert in converts:
            if row[place] is not None:
                row[place] = convert(row[place])
    return rows


def update(model: type[models.Model], values: Mapping[str, Any], **where: Any) -> int:
    """Change the rows whose columns have these values; returns how many there were."""
    conn = _connection()
    count: int = _execute(conn, *_update(_columns(model, conn.vendor), model, values, where)).rowcount
    return count


def update_values(
    model: type[models.Model], values: Mapping[str, Any], names: Sequence[str], **where: Any
) -> list[list[Any]]:
    """Change the rows whose columns have these values; returns the named columns of each as they are now."""
    conn = _connection()
    columns = _columns(model, conn.vendor)
    text, params = _update(columns, model, values, where)
    return _read(conn, columns, names, f"{text} RETURNING {_listed(columns, names)}", params)


@dataclass(frozen=True, slots=True)
class Change:
    """One row of a model to change: the row whose columns are as `where` says, of which the named ones come back."""

    model: type[models.Model]
    values: Mapping[str, Any]
    where: Mapping[str, Any]
    names: Sequence[str]


def change(*changes: Change, lazily: bool = False) -> list[list[Any] | None]:
    """Change one row after the other, in this order. Where the first isn't there, nothing is changed.

    Returns the named columns of each as they are now, None for a row that isn't there. On PostgreSQL it is one
    statement, because there a way to the server and back takes as long as the work. `lazily`: the open transaction is
    visible at its commit and on disk a moment later; the database stays consistent.
    """
    conn = _connection()
    if conn.vendor == "postgresql":
        return _change_at_once(conn, changes, lazily)
    found: list[list[Any] | None] = []
    for one in changes:
        rows = update_values(one.model, one.values, one.names, **one.where)
        found.append(rows[0] if rows else None)
        if found[0] is None:
            return [None] * len(changes)
    return found


def _change_at_once(conn: Any, changes: Sequence[Change], lazily: bool) -> list[list[Any] | None]:
    parts, params, listed, joins, converts = [], [], [], [], []
    for place, one in enumerate(changes):
        columns = _columns(one.model, conn.vendor)
        text, given = _update(columns, one.model, one.values, one.where)
        if place:
            # Each one waits for those before it, so that rows are always locked in the same order.
            before = " AND ".join(f"(SELECT count(*) FROM c{n}) >= {int(n == 0)}" for n in range(place))  # noqa: S608
            text += f" AND {before}"
        names = [f"{columns[name].name} AS c{place}_{number}" for number, name in enumerate(one.names)]
        parts.append(f"c{place} AS ({text} RETURNING TRUE AS there, {', '.join(names)})")
        joins.append(f"LEFT JOIN c{place} ON TRUE")
        listed.append(f"c{place}.*")
        params += given
        converts.append([columns[name].convert for name in one.names])
    off = ", set_config('synchronous_commit', 'off', TRUE)" if lazily else ""
    text = f"WITH {', '.join(parts)} SELECT {', '.join(listed)}{off} FROM (SELECT 1) one {' '.join(joins)}"  # noqa: S608
    row = list(_execute(conn, text, params).fetchone())
    found: list[list[Any] | None] = []
    for functions in converts:
        there, values, row = row[0], row[1 : 1 + len(functions)], row[1 + len(functions) :]
        read = [
            function(value) if function and value is not None else value
            for function, value in zip(functions, values, strict=True)
        ]
        found.append(read if there else None)
    return found


def _listed(columns: _Columns, names: Sequence[str]) -> str:
    return ", ".join([columns[name].name for name in names])


def instance[M: models.Model](model: type[M], row: Sequence[Any]) -> M:
    """A model of a row whose columns are those of `all_names`."""
    return model.from_db(DEFAULT_DB_ALIAS, all_names(model), row)


@cache
def all_names(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


def select_values(model: type[models.Model], names: Sequence[str], *, order: str, **where: Any) -> list[list[Any]]:
    """The named columns of the rows whose columns have these values, in the order of one column."""
    conn = _connection()
    columns = _columns(model, conn.vendor)
    conditions, params = _pairs(columns, where)
    text = f'SELECT {_listed(columns, names)} FROM "{model._meta.db_table}" WHERE {" AND ".join(conditions)}'  # noqa: S608
    return _read(conn, columns, names, f"{text} ORDER BY {columns[order].name}", params)


def insert(
    model: type[models.Model], names: Sequence[str], rows: Sequence[Sequence[Any]], *, ignore_conflicts: bool = False
) -> None:
    """Insert rows, `AT_ONCE` in a statement. `names` are all columns but a key that the database gives."""
    conn = _connection()
    columns = _columns(model, conn.vendor)
    given = [columns[name] for name in names]
    start = f'INSERT INTO "{model._meta.db_table}" ({_listed(columns, names)}) VALUES '  # noqa: S608
    row = f"({', '.join(['%s'] * len(names))})"
    ending = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    for first in range(0, len(rows), AT_ONCE):
        some = rows[first : first + AT_ONCE]
        params = [_adapted(column, value) for values in some for column, value in zip(given, values, strict=True)]
        _execute(conn, f"{start}{', '.join([row] * len(some))}{ending}", params)


def insert_models(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model. Keys that the database gives are not read back."""
    model, key = type(rows[0]), rows[0]._meta.pk
    names = [name for name in all_names(model) if rows[0].pk is not None or key is None or name != key.attname]
    insert(model, names, [[getattr(row, name) for name in names] for row in rows])


def moment(value: datetime) -> Any:
    """A moment as a parameter of an `Sql`."""
    return value if _connection().vendor == "postgresql" else _sqlite_text(value)


def seconds_after(value: datetime, column: str) -> Sql:
    """A moment plus the seconds that a column says."""
    if _connection().vendor == "postgresql":
        return Sql(f'%s::timestamptz + make_interval(secs => "{column}")', (value,))
    return Sql(f"""strftime('%%Y-%%m-%%d %%H:%%M:%%f', %s, '+' || "{column}" || ' seconds')""", (moment(value),))
