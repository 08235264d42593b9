"""Insert or update many rows of a model in one statement, as tuples: what `bulk_create`
does, without an instance for each row.

A sync writes six rows for each pull request; building and reading model instances was
three quarters of its time (`python -m benchmarks.ingest`).
"""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC
from typing import Any

import orjson
from django.db import connection, models

Row = tuple[Any, ...]

# SQLite takes 32,766.
MOST_PARAMETERS = 30_000


def upsert(
    model: type[models.Model],
    columns: Sequence[str],
    rows: Sequence[Row],
    *,
    unique: Sequence[str],
    update: Sequence[str],
    returning: Sequence[str] = (),
) -> list[Row]:
    """Insert rows; if one with the same `unique` columns exists, update its `update`
    columns.

    Columns that are not given get their defaults. The caller holds the transaction.

    Args:
        rows: the values of `columns`, which are attnames.
        returning: the columns whose values are returned of each row.
    """
    found: list[Row] = []
    if not rows:
        return found
    tail = _conflict(model, tuple(unique), tuple(update), tuple(returning))
    write = _by_json if connection.vendor == "postgresql" else _by_parameters
    with connection.cursor() as cursor:
        for _ in write(cursor, model, tuple(columns), rows, tail):
            if returning:
                found += cursor.fetchall()
    return found


def _by_parameters(
    cursor: Any,
    model: type[models.Model],
    columns: tuple[str, ...],
    rows: Sequence[Row],
    tail: str,
) -> Iterator[None]:
    """Insert with a parameter for each value, which SQLite reads faster than JSON."""
    makers = [(place, make) for place, make in enumerate(_preparing(model, columns)) if make]
    constants = [value for _, value in _defaults(model, columns)]
    size = MOST_PARAMETERS // (len(columns) + len(constants))
    head, places = (
        _head(model, columns),
        f"({', '.join('?' * (len(columns) + len(constants)))})",
    )
    for start in range(0, len(rows), size):
        part = rows[start : start + size]
        values: list[Any] = []
        for row in part:
            given = [*row, *constants]
            for place, make in makers:
                if given[place] is not None:
                    given[place] = make(given[place])
            values += given
        _execute(cursor, f"{head} VALUES {', '.join([places] * len(part))} {tail}", values)
        yield


def _execute(cursor: Any, text: str, values: list[Any]) -> None:
    """Run a statement by the driver itself, unless queries are logged or wrapped.

    Django would search the text of the statement for each parameter.
    """
    if connection.execute_wrappers or connection.queries_logged:
        cursor.execute(text.replace("?", "%s"), values)
        return
    with connection.wrap_database_errors:
        # Django's cursor derives from this class, which takes the "?" of the text as
        # they are.
        sqlite3.Cursor.execute(cursor.cursor, text, values)


def _by_json(
    cursor: Any,
    model: type[models.Model],
    columns: tuple[str, ...],
    rows: Sequence[Row],
    tail: str,
) -> Iterator[None]:
    """Insert with all values as one JSON text.

    With a parameter for each value, psycopg would need longer than PostgreSQL for
    everything else.
    """
    defaults = _defaults(model, columns)
    of = {field.attname: field for field in model._meta.concrete_fields}
    types = ", ".join(
        f"c{place} {of[name].rel_db_type(connection) if of[name].is_relation else of[name].db_type(connection)}"
        for place, name in enumerate(columns)
    )
    names = ", ".join([f"c{place}" for place in range(len(columns))] + ["%s"] * len(defaults))
    text = orjson.dumps(
        [{f"c{place}": value for place, value in enumerate(row)} for row in rows]
    )
    # PostgreSQL cannot use a bare text as the JSON that this function takes.
    cursor.execute(
        f"{_head(model, columns)} SELECT {names} FROM json_to_recordset(%s::json) AS rows({types}) {tail}",  # noqa: S608
        [*(value for _, value in defaults), text.decode()],
    )
    yield


def _defaults(model: type[models.Model], columns: Sequence[str]) -> list[tuple[Any, Any]]:
    """Return the fields that are not given, with their defaults as the driver takes
    them.
    """
    return [
        (field, field.get_db_prep_save(field.get_default(), connection))
        for field in model._meta.concrete_fields
        if not field.primary_key and field.attname not in columns
    ]


def _preparing(
    model: type[models.Model], columns: Sequence[str]
) -> list[Callable[[Any], Any] | None]:
    """Return for each column the function that prepares a value for SQLite's driver;
    None if the value needs no preparation.
    """
    of = {field.attname: field for field in model._meta.concrete_fields}
    return [_maker(of[name]) for name in columns]


def _maker(field: Any) -> Callable[[Any], Any] | None:
    if isinstance(field, models.DateTimeField):
        return lambda value: str(value.astimezone(UTC).replace(tzinfo=None))
    if isinstance(field, models.JSONField):
        return lambda value: field.get_db_prep_save(value, connection)
    # Not every driver accepts a member of an enumeration as text.
    return str if isinstance(field, models.CharField | models.TextField) else None


def _columns(model: type[models.Model]) -> dict[str, str]:
    """Return the database's names of columns by the attnames of their fields."""
    return {field.attname: str(field.column) for field in model._meta.concrete_fields}


def _head(model: type[models.Model], columns: Sequence[str]) -> str:
    quote, of = connection.ops.quote_name, _columns(model)
    names = [of[name] for name in columns] + [
        str(field.column) for field, _ in _defaults(model, columns)
    ]
    return f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(map(quote, names))})"


def _conflict(
    model: type[models.Model],
    unique: tuple[str, ...],
    update: tuple[str, ...],
    returning: tuple[str, ...],
) -> str:
    quote, of = connection.ops.quote_name, _columns(model)
    renewed = ", ".join(f"{quote(of[name])} = excluded.{quote(of[name])}" for name in update)
    back = f" RETURNING {', '.join(quote(of[name]) for name in returning)}" if returning else ""
    return f"ON CONFLICT ({', '.join(quote(of[name]) for name in unique)}) DO UPDATE SET {renewed}{back}"
