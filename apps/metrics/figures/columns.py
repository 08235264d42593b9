"""Read columns of many rows: one numpy array for each field.

Moments are datetime64[us] in UTC, NaT for none; people are primary keys, 0 for none.
They are read as the database has them (text in SQLite, a number in PostgreSQL), because
a datetime object for each of some hundred thousand moments would take longer than all
the arithmetic.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from django.db import connection
from django.db.models import Func, TextField, Value
from django.db.models.functions import Cast, NullIf

from apps.metrics.lookups import one_parameter


class RawMoment(Func):
    """A moment as the database stores or counts it, for `moments`: text, or
    microseconds since 1970.
    """

    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(
            compiler, connection, template="CAST(%(expressions)s AS TEXT)", **extra
        )

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        template = "(EXTRACT(EPOCH FROM %(expressions)s) * 1000000)::bigint"
        return self.as_sql(compiler, connection, template=template, **extra)


def raw_list(name: str) -> NullIf:
    """Return the expression for a JSON list as text; null for an empty one, which most
    are and which needs no parsing.
    """
    return NullIf(Cast(name, TextField()), Value("[]", TextField()))


def moments(raw: Sequence[Any]) -> Any:
    """Return what `RawMoment` read as datetime64[us]; None becomes NaT."""
    if any(isinstance(value, str) for value in raw):
        return np.array(raw, dtype="datetime64[us]")
    # NumPy represents NaT by the smallest integer.
    never = np.iinfo(np.int64).min
    return np.array([never if value is None else value for value in raw], dtype=np.int64).view(
        "datetime64[us]"
    )


def numbers(raw: Sequence[float | None]) -> Any:
    """Return numbers as float64; None becomes NaN."""
    return np.array(raw, dtype=np.float64)


def keys(raw: Sequence[int | None]) -> Any:
    """Return primary keys as int64; None becomes 0."""
    return np.array([key or 0 for key in raw], dtype=np.int64)


def fetch(queryset: Any) -> list[Any]:
    """Return a queryset's rows as the database returns them, all at once and not a
    hundred at a time as Django does.
    """
    return fetch_text(*queryset.query.sql_with_params())


def fetch_by_keys(make: Callable[[Any], Any], wanted: Any) -> list[Any]:
    """Return the rows of the queryset that `make` builds from keys with `Among`.

    Its SQL is built only once.
    """
    text, params, place = _text_of(make, connection.vendor)
    return fetch_text(text, [*params[:place], one_parameter(wanted), *params[place + 1 :]])


@cache
def _text_of(make: Callable[[Any], Any], vendor: str) -> tuple[str, tuple[Any, ...], int]:
    """Return SQL, parameters, and the index of the parameter for the keys."""
    # A key that no row has marks the place of the parameter.
    no_key = np.array([-1])
    text, params = make(no_key).query.sql_with_params()
    return text, tuple(params), list(params).index(one_parameter(no_key))


def fetch_text(sql: str, params: Sequence[Any]) -> list[Any]:
    """Return a statement's rows as the database returns them."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[Any] = cursor.fetchall()
        return rows
