"""The statements of the hot path, without the ORM's compiler in between.

Between two steps lie a completion and a claim. Built by the ORM, their statements cost ten times what the database
takes to run them (`docs/decisions/0005`), so these few are put together here: values go in and come out by the models'
own fields, with the ORM's conversions. All else goes through the ORM.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from django.db import connection, models

# SQLite takes 32,766 parameters a statement.
AT_ONCE = 500
# Fields whose values both databases take and give as they are.
PLAIN = (models.CharField, models.TextField, models.IntegerField, models.FloatField)


@dataclass(frozen=True, slots=True)
class Sql:
    """A value that the database works out, with its parameters."""

    text: str
    params: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    # How a value becomes a parameter, and how what is read becomes a value; None where it stays as it is.
    adapt: Callable[[Any, Any], Any] | None
    convert: Callable[[Any], Any] | None


@cache
def _columns(model: type[models.Model], vendor: str) -> dict[str, _Column]:
    """The columns of a model by the names of its fields, those of foreign keys also by their `_id`."""
    columns: dict[str, _Column] = {}
    for field in model._meta.concrete_fields:
        expression = field.get_col(model._meta.db_table)
        functions = [*connection.ops.get_db_converters(expression), *expression.get_db_converters(connection)]
        column = _Column(
            name=connection.ops.quote_name(field.column or ""),
            adapt=None if isinstance(field, PLAIN) else field.get_db_prep_save,
            convert=_chain(functions, expression) if functions else None,
        )
        columns |= {field.attname: column, field.name: column}
    return columns


def _chain(functions: Sequence[Callable[..., Any]], expression: Any) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        for function in functions:
            value = function(value, expression, connection)
        return value

    return convert


def _quoted(model: type[models.Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)


def _pairs(columns: Mapping[str, _Column], values: Mapping[str, Any]) -> tuple[list[str], list[Any]]:
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
            params.append(column.adapt(value, connection) if column.adapt else value)
    return parts, params


def _update(
    model: type[models.Model], values: Mapping[str, Any], where: Mapping[str, Any]
) -> tuple[str, list[Any], Mapping[str, _Column]]:
    columns = _columns(model, connection.vendor)
    changes, new = _pairs(columns, values)
    conditions, old = _pairs(columns, where)
    text = f"UPDATE {_quoted(model)} SET {', '.join(changes)} WHERE {' AND '.join(conditions)}"  # noqa: S608
    return text, [*new, *old], columns


def _read(
    text: str, params: Sequence[Any], columns: Mapping[str, _Column], names: Sequence[str]
) -> list[tuple[Any, ...]]:
    converts = [columns[name].convert for name in names]
    with connection.cursor() as cursor:
        cursor.execute(text, params)
        return [
            tuple(convert(value) if convert else value for convert, value in zip(converts, row, strict=True))
            for row in cursor.fetchall()
        ]


def update(model: type[models.Model], values: Mapping[str, Any], **where: Any) -> int:
    """Change the rows whose columns have these values; returns how many there were."""
    text, params, _ = _update(model, values, where)
    with connection.cursor() as cursor:
        cursor.execute(text, params)
        count: int = cursor.rowcount
    return count


def update_values(
    model: type[models.Model], values: Mapping[str, Any], names: Sequence[str], **where: Any
) -> list[tuple[Any, ...]]:
    """Change the rows whose columns have these values; returns the named columns of each as they are now."""
    text, params, columns = _update(model, values, where)
    listed = ", ".join(columns[name].name for name in names)
    return _read(f"{text} RETURNING {listed}", params, columns, names)


def update_returning[M: models.Model](model: type[M], values: Mapping[str, Any], **where: Any) -> list[M]:
    """Change the rows whose columns have these values; returns them as they are now."""
    names = _all_names(model)
    return [model.from_db(connection.alias, names, row) for row in update_values(model, values, names, **where)]


@cache
def _all_names(model: type[models.Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


def select_values(
    model: type[models.Model], names: Sequence[str], *, order: str, **where: Any
) -> list[tuple[Any, ...]]:
    """The named columns of the rows whose columns have these values, in the order of one column."""
    columns = _columns(model, connection.vendor)
    conditions, params = _pairs(columns, where)
    listed = ", ".join(columns[name].name for name in names)
    text = f"SELECT {listed} FROM {_quoted(model)} WHERE {' AND '.join(conditions)}"  # noqa: S608
    return _read(f"{text} ORDER BY {columns[order].name}", params, columns, names)


def insert(
    model: type[models.Model], names: Sequence[str], rows: Sequence[Sequence[Any]], *, ignore_conflicts: bool = False
) -> None:
    """Insert rows, `AT_ONCE` in a statement. `names` are all columns but a key that the database gives."""
    columns = _columns(model, connection.vendor)
    adapts = [columns[name].adapt for name in names]
    listed, row = ", ".join(columns[name].name for name in names), f"({', '.join(['%s'] * len(names))})"
    ending = " ON CONFLICT DO NOTHING" if ignore_conflicts else ""
    for first in range(0, len(rows), AT_ONCE):
        some = rows[first : first + AT_ONCE]
        params = [
            adapt(value, connection) if adapt else value
            for values in some
            for adapt, value in zip(adapts, values, strict=True)
        ]
        text = f"INSERT INTO {_quoted(model)} ({listed}) VALUES {', '.join([row] * len(some))}{ending}"  # noqa: S608
        with connection.cursor() as cursor:
            cursor.execute(text, params)


def insert_models(rows: Sequence[models.Model]) -> None:
    """Insert new rows of one model. Keys that the database gives are not read back."""
    model, key = type(rows[0]), rows[0]._meta.pk
    names = [name for name in _all_names(model) if rows[0].pk is not None or key is None or name != key.attname]
    insert(model, names, [[getattr(row, name) for name in names] for row in rows])


def moment(value: datetime) -> Any:
    """A moment as a parameter of an `Sql`."""
    return connection.ops.adapt_datetimefield_value(value)


def seconds_after(value: datetime, column: str) -> Sql:
    """A moment plus the seconds that a column says."""
    if connection.vendor == "postgresql":
        return Sql(f'%s::timestamptz + make_interval(secs => "{column}")', (value,))
    # Django writes moments on SQLite as text without an offset, in UTC.
    return Sql(f"""strftime('%%Y-%%m-%%d %%H:%%M:%%f', %s, '+' || "{column}" || ' seconds')""", (moment(value),))


def commit_lazily() -> None:
    """Let the open transaction be visible at its commit, and on disk a moment later; the database stays consistent."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit TO off")
