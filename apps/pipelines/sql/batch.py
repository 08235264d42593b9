"""Several changes of the hot path at once, with the rows that are written and read
together with them.

On PostgreSQL they are one statement, because a round trip to the server takes as long
as the work itself. Outside of a transaction block, the statement is a transaction of
its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db import models

from apps.pipelines.sql import statements
from apps.pipelines.sql.statements import Change, Shape


@dataclass(frozen=True, slots=True)
class Insertion:
    """Rows to insert together with changes, if every changed row that they refer to
    exists.

    A value may be an `Sql` with columns of a changed row: c0."title" belongs to the
    first change. `reads` names the columns that it uses of each change. PostgreSQL
    only.
    """

    model: type[models.Model]
    rows: Sequence[Mapping[str, Any]]
    reads: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows to read together with changes, as they were before these. PostgreSQL only."""

    model: type[models.Model]
    names: tuple[str, ...]
    where: Mapping[str, Any]
    order: str


def change(*changes: Change) -> list[list[Any] | None]:
    """Change rows one after the other, in this order. If the first row is missing,
    nothing is changed.

    Returns the named columns of each row after the change, None for a row that is
    missing.
    """
    return (
        change_in_one(changes)[0]
        if statements.in_one_statement()
        else statements.one_by_one(changes)
    )


def change_in_one(
    changes: Sequence[Change],
    *,
    insertion: Insertion | None = None,
    listing: Listing | None = None,
    async_commit: bool = False,
) -> tuple[list[list[Any] | None], list[list[Any]]]:
    """Do what `change` does in one statement of PostgreSQL, with rows to insert and to
    read.

    Returns the result of `change`, and the rows of the listing. With `async_commit` the
    change is visible at its commit and on disk a moment later; the database stays
    consistent.
    """
    conn = statements.connection()
    shapes = tuple(
        [
            (
                one.model,
                statements.shape_of(one.values),
                statements.shape_of(one.where),
                tuple(one.names),
            )
            for one in changes
        ]
    )
    params: list[Any] = []
    for one in changes:
        columns = statements.columns_of(one.model, conn.vendor)
        params += statements.params_of(columns, one.values) + statements.params_of(
            columns, one.where
        )
    inserted = listed = None
    if insertion:
        inserted = (
            insertion.model,
            tuple([statements.shape_of(row) for row in insertion.rows]),
            insertion.reads,
        )
        columns = statements.columns_of(insertion.model, conn.vendor)
        for row in insertion.rows:
            params += statements.params_of(columns, row)
    if listing:
        listed = (
            listing.model,
            listing.names,
            statements.shape_of(listing.where),
            listing.order,
        )
        params += statements.params_of(
            statements.columns_of(listing.model, conn.vendor), listing.where
        )
    row = statements.execute(
        conn, _text_at_once(shapes, inserted, listed, async_commit), params
    ).fetchone()
    found, place = [], 0
    for one in changes:
        end = place + 1 + len(one.names)
        converts = statements.converts(one.model, conn.vendor, tuple(one.names))
        found.append(
            statements.converted(row[place + 1 : end], converts) if row[place] else None
        )
        place = end
    return found, [
        _from_json(listing, values) for values in row[place] or ()
    ] if listing else []


def _from_json(listing: Listing, values: Sequence[Any]) -> list[Any]:
    """Return the values of a row that came as JSON, with datetimes parsed from their
    texts.
    """
    fields = map(listing.model._meta.get_field, listing.names)
    return [
        datetime.fromisoformat(value)
        if value and isinstance(field, models.DateTimeField)
        else value
        for field, value in zip(fields, values, strict=True)
    ]


@lru_cache(1000)
def _text_at_once(
    shapes: tuple[Any, ...], inserted: Any, listed: Any, async_commit: bool
) -> str:
    parts, results = [], []
    for place, (model, values, where, names) in enumerate(shapes):
        columns = statements.columns_of(model, "postgresql")
        text = statements.update_text(model, "postgresql", values, where)
        if place:
            # Each change waits for those before it, so that rows are always locked in
            # the same order.
            for n in range(place):
                text += f" AND (SELECT count(*) FROM c{n}) >= {int(n == 0)}"  # noqa: S608
        read = dict.fromkeys((*names, *(inserted[2][place] if inserted else ())))
        parts.append(
            f"c{place} AS ({text} RETURNING {', '.join(['TRUE AS there', *(columns[n].name for n in read)])})"
        )
        results += [f"c{place}.there", *(f"c{place}.{columns[name].name}" for name in names)]
    if inserted:
        parts.append(f"i AS ({_insertion_text(*inserted)})")
    if listed:
        results.append(f"({_listing_text(*listed)})")
    if async_commit:
        results.append("set_config('synchronous_commit', 'off', TRUE)")
    joins = " ".join(f"LEFT JOIN c{place} ON TRUE" for place in range(len(shapes)))
    return f"WITH {', '.join(parts)} SELECT {', '.join(results)} FROM (SELECT 1) one {joins}"  # noqa: S608


def _insertion_text(
    model: type[models.Model], rows: Sequence[Shape], reads: Sequence[Sequence[str]]
) -> str:
    columns = statements.columns_of(model, "postgresql")
    sources = ", ".join(f"c{place}" for place, names in enumerate(reads) if names)
    listed = statements.comma(columns, [name for name, _ in rows[0]])
    selects = [f"SELECT {', '.join(text for _, text in row)} FROM {sources}" for row in rows]  # noqa: S608
    return f'INSERT INTO "{model._meta.db_table}" ({listed}) {" UNION ALL ".join(selects)}'


def _listing_text(
    model: type[models.Model], names: Sequence[str], where: Shape, order: str
) -> str:
    columns = statements.columns_of(model, "postgresql")
    listed = statements.comma(columns, names)
    conditions = " AND ".join(statements.equations(columns, where))
    return (
        f"SELECT json_agg(json_build_array({listed}) ORDER BY {columns[order].name})"  # noqa: S608
        f' FROM "{model._meta.db_table}" WHERE {conditions}'
    )
