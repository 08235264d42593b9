"""The statements of the hot path, without the ORM's compiler in between.

Between two steps there are a completion and a claim. Built by the ORM, their statements
cost ten times what the database takes to run them (`docs/decisions/0005`), so these few
are built here. Values are converted by the models' own fields, as the ORM does. All
other queries use the ORM.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakKeyDictionary

import orjson
import psycopg
from django.db import DEFAULT_DB_ALIAS, connections, models, transaction
from django.db.models.base import ModelState
from psycopg.types.json import Jsonb

# Rows of one insert. SQLite takes at most 32,766 parameters a statement.
AT_ONCE = 500
# With more parameters, psycopg searches the text of the statement each time.
MOST_PARAMETERS = 50
# Fields whose values both databases store and return unchanged.
PLAIN = (models.CharField, models.TextField, models.IntegerField, models.FloatField)
_cursors: "WeakKeyDictionary[psycopg.Connection[Any], psycopg.Cursor[Any]]" = (
    WeakKeyDictionary()
)


@dataclass(frozen=True, slots=True)
class Sql:
    """A value that the database computes, with its parameters."""

    text: str
    params: tuple[Any, ...] = ()


class _Column(NamedTuple):
    name: str
    # None if values are stored and read unchanged.
    adapt: Callable[[Any], Any] | None
    convert: Callable[[Any], Any] | None


_Columns = Mapping[str, _Column]
# Names and the texts of their values.
Shape = tuple[tuple[str, str], ...]


@cache
def columns_of(model: type[models.Model], vendor: str) -> _Columns:
    """Return the columns of a model by field name, and those of foreign keys also by
    their `_id` name.
    """
    columns: dict[str, _Column] = {}
    for field in model._meta.concrete_fields:
        target = field.target_field if isinstance(field, models.ForeignKey) else field
        column = _Column(f'"{field.column}"', *_codec(target, vendor))
        columns |= {field.attname: column, field.name: column}
    return columns


def _codec(
    field: Any, vendor: str
) -> tuple[Callable[[Any], Any] | None, Callable[[Any], Any] | None]:
    """Return how a value becomes a parameter, and how a column that was read becomes a
    value.

    None means unchanged.
    """
    if isinstance(field, PLAIN):
        return None, None
    if isinstance(field, models.JSONField):
        return (_jsonb if vendor == "postgresql" else _dumps), _loads
    if vendor == "postgresql" and isinstance(field, models.UUIDField | models.DateTimeField):
        return None, None
    if isinstance(field, models.UUIDField):
        return (lambda value: value.hex if isinstance(value, UUID) else UUID(value).hex), UUID
    if isinstance(field, models.DateTimeField):
        return _sqlite_text, _sqlite_moment
    raise TypeError(f"{field} is of a kind that no statement of the hot path has had yet.")


def _dumps(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        # Lone surrogates and keys that are numbers: `json` supports them, the faster
        # encoder does not.
        return json.dumps(value)


def _jsonb(value: Any) -> Jsonb:
    return Jsonb(value, _dumps)


def _loads(text: str) -> Any:
    """Parse JSON; most columns contain an empty object or list, which needs no parser."""
    match text:
        case "{}":
            return {}
        case "[]":
            return []
    return json.loads(text)


def _sqlite_text(value: datetime) -> str:
    """Return a datetime as Django writes it on SQLite: in UTC, without an offset."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")


def _sqlite_moment(read: datetime | str) -> datetime:
    """Return an aware datetime from a column that Django's converter has parsed, or
    from the column's text.
    """
    return (datetime.fromisoformat(read) if isinstance(read, str) else read).replace(tzinfo=UTC)


def connection() -> Any:
    """Return this thread's connection.

    A look-up through the proxy `django.db.connection` takes as long as a short
    statement.
    """
    return connections[DEFAULT_DB_ALIAS]


def shape_of(values: Mapping[str, Any]) -> Shape:
    """Return the part of some values that the text of their statement depends on. It is
    the key of a cache, so that each text is built once.
    """
    return tuple(
        [
            (name, value.text if isinstance(value, Sql) else "%s")
            for name, value in values.items()
        ]
    )


def params_of(columns: _Columns, values: Mapping[str, Any]) -> list[Any]:
    params: list[Any] = []
    for name, value in values.items():
        if isinstance(value, Sql):
            params.extend(value.params)
        else:
            adapt = columns[name].adapt
            params.append(value if value is None or adapt is None else adapt(value))
    return params


def equations(columns: _Columns, shape: Shape) -> list[str]:
    return [f"{columns[name].name} = {text}" for name, text in shape]


def execute(conn: Any, text: str, params: Sequence[Any]) -> Any:
    """Run a statement through the driver itself and return the driver's cursor. If
    Django records or wraps queries, run it through Django's cursor.

    PostgreSQL gets the parameters apart from the text, so it parses and plans each text
    only once. The ORM's own cursors write the parameters into the text, because some of
    its statements need that.
    """
    conn.ensure_connection()
    conn.validate_no_broken_transaction()
    raw = conn.connection
    if conn.execute_wrappers or conn.queries_logged:
        cursor = conn._prepare_cursor(
            psycopg.Cursor(raw) if conn.vendor == "postgresql" else conn.create_cursor()
        )
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


@lru_cache(1000)
def update_text(
    model: type[models.Model],
    vendor: str,
    values: Shape,
    where: Shape,
    names: tuple[str, ...] = (),
) -> str:
    columns = columns_of(model, vendor)
    changes, conditions = equations(columns, values), equations(columns, where)
    text = f'UPDATE "{model._meta.db_table}" SET {", ".join(changes)} WHERE {" AND ".join(conditions)}'  # noqa: S608
    return f"{text} RETURNING {comma(columns, names)}" if names else text


@lru_cache(1000)
def converts(
    model: type[models.Model], vendor: str, names: tuple[str, ...]
) -> list[tuple[int, Any]]:
    """Return the positions of the columns that need a conversion after reading, each
    with its converter.
    """
    columns = columns_of(model, vendor)
    return [
        (place, convert)
        for place, name in enumerate(names)
        if (convert := columns[name].convert)
    ]


def converted(row: Sequence[Any], converts: Sequence[tuple[int, Any]]) -> list[Any]:
    values = list(row)
    for place, convert in converts:
        if values[place] is not None:
            values[place] = convert(values[place])
    return values


def update(model: type[models.Model], values: Mapping[str, Any], **where: Any) -> int:
    """Change the rows whose columns have these values. Returns how many there were."""
    conn = connection()
    columns = columns_of(model, conn.vendor)
    text = update_text(model, conn.vendor, shape_of(values), shape_of(where))
    count: int = execute(
        conn, text, params_of(columns, values) + params_of(columns, where)
    ).rowcount
    return count


def update_values(
    model: type[models.Model], values: Mapping[str, Any], names: Sequence[str], **where: Any
) -> list[list[Any]]:
    """Change the rows whose columns have these values. Returns the named columns of
    each after the change.
    """
    conn = connection()
    columns, named = columns_of(model, conn.vendor), tuple(names)
    text = update_text(model, conn.vendor, shape_of(values), shape_of(where), named)
    rows = execute(
        conn, text, params_of(columns, values) + params_of(columns, where)
    ).fetchall()
    return [converted(row, converts(model, conn.vendor, named)) for row in rows]


@dataclass(frozen=True, slots=True)
class Change:
    """One row of a model to change: the row whose columns have the values of `where`.
    The columns in `names` are returned.
    """

    model: type[models.Model]
    values: Mapping[str, Any]
    where: Mapping[str, Any]
    names: Sequence[str]


def in_one_statement() -> bool:
    """Return whether several changes are sent as one statement. On PostgreSQL each
    statement costs a round trip to the server.
    """
    return bool(connection().vendor == "postgresql")


def one_by_one(changes: Sequence[Change]) -> list[list[Any] | None]:
    """Change rows one after the other, in this order. If the first row is missing,
    nothing is changed.

    Returns the named columns of each row after the change, None for a row that is
    missing.
    """
    found: list[list[Any] | None] = []
    with nullcontext() if connection().in_atomic_block else transaction.atomic():
        for one in changes:
            rows = update_values(one.model, one.values, one.names, **one.where)
            found.append(rows[0] if rows else None)
            if found[0] is None:
                return [None] * len(changes)
    return found


def comma(columns: _Columns, names: Sequence[str]) -> str:
    return ", ".join([columns[name].name for name in names])


def instance[M: models.Model](model: type[M], row: Sequence[Any]) -> M:
    """Build a model from a row with the columns of `all_names`, as `from_db` does. The
    signals of `__init__` are not sent, because they have no receivers.
    """
    made = model.__new__(model)
    made.__dict__.update(zip(all_names(model), row, strict=True))
    made._state = ModelState()
    made._state.adding, made._state.db = False, DEFAULT_DB_ALIAS
    return made


@cache
def all_names(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


def select_values(
    model: type[models.Model], names: Sequence[str], *, order: str, **where: Any
) -> list[list[Any]]:
    """Return the named columns of the rows whose columns have these values, ordered by
    one column.
    """
    conn = connection()
    columns, named = columns_of(model, conn.vendor), tuple(names)
    text = _select_text(model, conn.vendor, named, shape_of(where), order)
    rows = execute(conn, text, params_of(columns, where)).fetchall()
    return [converted(row, converts(model, conn.vendor, named)) for row in rows]


@lru_cache(1000)
def _select_text(
    model: type[models.Model], vendor: str, names: tuple[str, ...], where: Shape, order: str
) -> str:
    columns = columns_of(model, vendor)
    text = f'SELECT {comma(columns, names)} FROM "{model._meta.db_table}"'  # noqa: S608
    return (
        f"{text} WHERE {' AND '.join(equations(columns, where))} ORDER BY {columns[order].name}"
    )


def insert(
    model: type[models.Model],
    names: Sequence[str],
    rows: Sequence[Sequence[Any]],
    *,
    ignore_conflicts: bool = False,
) -> None:
    """Insert rows, `AT_ONCE` in a statement.

    `names` are all columns except a key that the database generates.
    """
    conn = connection()
    if conn.vendor == "postgresql" and len(rows) * len(names) > MOST_PARAMETERS:
        given = [dict(zip(names, row, strict=True)) for row in rows]
        text = _json_insert_text(model, tuple(names), ignore_conflicts)
        execute(conn, text, [_dumps(given)])
        return
    columns = columns_of(model, conn.vendor)
    adapts = [columns[name].adapt for name in names]
    for first in range(0, len(rows), AT_ONCE):
        some = rows[first : first + AT_ONCE]
        params = [
            value if value is None or adapt is None else adapt(value)
            for values in some
            for adapt, value in zip(adapts, values, strict=True)
        ]
        execute(
            conn,
            _insert_text(model, conn.vendor, tuple(names), len(some), ignore_conflicts),
            params,
        )


@lru_cache(1000)
def _insert_text(
    model: type[models.Model],
    vendor: str,
    names: tuple[str, ...],
    count: int,
    ignore_conflicts: bool,
) -> str:
    row = f"({', '.join(['%s'] * len(names))})"
    ending = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    listed = comma(columns_of(model, vendor), names)
    return f'INSERT INTO "{model._meta.db_table}" ({listed}) VALUES {", ".join([row] * count)}{ending}'  # noqa: S608


@cache
def _json_insert_text(
    model: type[models.Model], names: tuple[str, ...], ignore_conflicts: bool
) -> str:
    """Return the text of an insert that gets all rows as one JSON parameter."""
    fields = {field.attname: field for field in model._meta.concrete_fields}
    types = ", ".join(f'"{name}" {fields[name].db_type(connection())}' for name in names)
    listed = comma(columns_of(model, "postgresql"), names)
    given = ", ".join(f'"{name}"' for name in names)
    ending = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    return (
        f'INSERT INTO "{model._meta.db_table}" ({listed})'  # noqa: S608
        f" SELECT {given} FROM json_to_recordset(%s::json) AS rows({types}){ending}"
    )


def insert_models(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model. Keys that the database generates are not read back."""
    model, key = type(rows[0]), rows[0]._meta.pk
    names = [
        name
        for name in all_names(model)
        if rows[0].pk is not None or key is None or name != key.attname
    ]
    insert(model, names, [[getattr(row, name) for name in names] for row in rows])


def moment(value: datetime) -> Any:
    """Return a datetime as a parameter of an `Sql`."""
    return value if connection().vendor == "postgresql" else _sqlite_text(value)


def seconds_after(value: datetime, column: str) -> Sql:
    """Return the expression for a datetime plus the seconds in a column."""
    if connection().vendor == "postgresql":
        return Sql(f'%s::timestamptz + make_interval(secs => "{column}")', (value,))
    return Sql(
        f"""strftime('%%Y-%%m-%%d %%H:%%M:%%f', %s, '+' || "{column}" || ' seconds')""",
        (moment(value),),
    )
