"""The rows of measures, `PullRequestFigures`: one for each pull request.

    read(pulls)                  the measures of a queryset's pull requests
    renew(team_id, keys)         the same, and what had to be computed is stored
    store(team_id, measured)     write what differs from the rows

Everything that shows a figure reads the measures here and aggregates them
(`apps.metrics.figures.aggregate`); only `apps.metrics.figures.compute` computes them.
A pull request without a row, or with a row of another version of the definitions, is
computed when it is read. So a page is right before the next aggregation.
"""

from collections.abc import Sequence
from datetime import UTC
from math import isnan
from typing import Any, NamedTuple

import numpy as np
import orjson
from django.db.models import F

from apps.metrics.figures.columns import (
    RawMoment,
    fetch,
    fetch_by_keys,
    keys,
    moments,
    numbers,
)
from apps.metrics.figures.compute import compute
from apps.metrics.figures.definitions import DEFINITIONS_VERSION, Verdict
from apps.metrics.figures.measures import Measured, Measures, Reviews
from apps.metrics.lookups import Among
from apps.metrics.models import PullRequest, PullRequestFigures
from apps.metrics.upsert import upsert

# Columns that are no measures but attributes, and are read from the pull request.
ATTRIBUTES = ("pk", "repository", "author")
STORED = tuple(name for name in Measures._fields if name not in ATTRIBUTES)
MOMENTS = tuple(name for name in STORED if name.endswith("_at"))
HOURS = tuple(name for name in STORED if name.endswith("_hours"))
COUNTS = ("additions", "deletions", "reviews", "rework_cycles")
NUMBERS = (*HOURS, *COUNTS, "without_approval")
FLAGS = ("by_bot", "is_revert", "ai_agent_authored", "ai_hinted")


def read(pulls: Any) -> Measured:
    """Return the measures of a queryset's pull requests, in the order of the database.

    One statement, and five more if some are not stored.
    """
    return _with_missing(_parsed(fetch(pulls.order_by().values_list(*_FIELDS))))


def read_by_keys(wanted: Any) -> Measured:
    """Return the measures of the pull requests with these keys. As `read`."""
    return _with_missing(_parsed(fetch_by_keys(_by_keys, wanted)))


def _by_keys(wanted: Any) -> Any:
    found = PullRequest.objects.across_teams().filter(Among("pk", wanted))
    return found.order_by().values_list(*_FIELDS)


def _field(name: str) -> Any:
    return RawMoment(F(f"figures__{name}")) if name in MOMENTS else f"figures__{name}"


_FIELDS: tuple[Any, ...] = (
    "pk",
    "repository_id",
    "author_id",
    *(_field(name) for name in STORED),
    "figures__counted_reviews",
    "figures__definitions_version",
)


class Row(NamedTuple):
    """The measures of one pull request that lists show."""

    time_to_merge_hours: float | None
    pickup_hours: float | None
    size_lines: float | None
    verdict: Verdict


def rows_of(wanted: Sequence[int]) -> dict[int, Row]:
    """Return the measures of the pull requests with these keys, by key, without those
    that don't exist any more.
    """
    pulls = read_by_keys(np.array(sorted(wanted), dtype=np.int64)).pulls
    columns = (
        pulls.pk,
        pulls.time_to_merge_hours,
        pulls.pickup_hours,
        pulls.size_lines,
        pulls.ai_verdict,
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {
        pk: Row(known(took), known(waited), known(lines), Verdict(verdict))
        for pk, took, waited, lines, verdict in rows
    }


def known(value: float) -> float | None:
    """Return a value of a column of numbers; None for NaN."""
    return None if isnan(value) else value


class _Parsed(NamedTuple):
    measured: Measured
    is_current: Any


def _parsed(rows: Sequence[Any]) -> _Parsed:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(_FIELDS)
    pk, repository, author, *stored, reviews, versions = columns
    measures = Measures(
        np.array(pk, dtype=np.int64),
        np.array(repository, dtype=np.int64),
        keys(author),
        *(_column(name, raw) for name, raw in zip(STORED, stored, strict=True)),
    )
    is_current = numbers(versions) == DEFINITIONS_VERSION
    return _Parsed(Measured(measures, _reviews(reviews)), is_current)


def _column(name: str, raw: Sequence[Any]) -> Any:
    if name in MOMENTS:
        return moments(raw)
    if name in NUMBERS:
        return numbers(raw)
    if name in FLAGS:
        return np.array(raw, dtype=bool)
    default = Verdict.UNREAD.value if name == "ai_verdict" else ""
    return np.array([value or default for value in raw], dtype=object)


def _reviews(texts: Sequence[str | None]) -> Reviews:
    """Return the counted reviews that are stored as JSON texts."""
    # Most have none, and one text is parsed faster than some ten thousand.
    places = [place for place, text in enumerate(texts) if text not in (None, "[]")]
    lists = orjson.loads(f"[{','.join(texts[place] or '' for place in places)}]")
    counts = np.array([len(one) for one in lists], dtype=np.int64)
    rows = np.array([row for one in lists for row in one], dtype=np.int64).reshape(-1, 3)
    return Reviews(
        pull=np.repeat(np.array(places, dtype=np.int64), counts),
        reviewer=rows[:, 0],
        at=rows[:, 1].astype("datetime64[s]"),
        approves=rows[:, 2] == 1,
    )


def renew(team_id: int, wanted: Any) -> Measured:
    """Return the measures of the pull requests with these keys, and store those that
    were computed for it; the caller holds the transaction.
    """
    parsed = _parsed(fetch_by_keys(_by_keys, wanted))
    measured = _with_missing(parsed)
    if not parsed.is_current.all():
        store(team_id, measured)
    return measured


def _with_missing(parsed: _Parsed) -> Measured:
    """Return what was read, with what is not stored computed."""
    if parsed.is_current.all():
        return parsed.measured
    pulls, reviews = parsed.measured
    places = np.flatnonzero(~parsed.is_current)
    places = places[np.argsort(pulls.pk[places])]
    computed = compute(pulls.pk[places])
    # One that was deleted meanwhile keeps its empty measures, which count nowhere.
    places = places[np.isin(pulls.pk[places], computed.pulls.pk)]
    for name in STORED:
        getattr(pulls, name)[places] = getattr(computed.pulls, name)
    kept = parsed.is_current[reviews.pull]
    added = computed.reviews._replace(pull=places[computed.reviews.pull])
    joined = (
        np.concatenate([column[kept], new]) for column, new in zip(reviews, added, strict=True)
    )
    return Measured(pulls, Reviews(*joined))


def store(team_id: int, measured: Measured) -> int:
    """Write the rows that differ from what is stored; the caller holds the transaction.

    Returns how many were written.
    """
    pulls, reviews = measured
    stored, is_current = _parsed(fetch_by_keys(_by_keys, pulls.pk))
    order = np.argsort(stored.pulls.pk)
    # A pull request that was removed meanwhile has no row to compare with.
    place = np.searchsorted(stored.pulls.pk, pulls.pk, sorter=order)
    place = order[np.minimum(place, max(len(order) - 1, 0))] if len(order) else place
    texts = _texts(len(pulls.pk), reviews)
    stored_texts = _texts(len(stored.pulls.pk), stored.reviews)
    if not len(order):
        return 0
    is_there = stored.pulls.pk[place] == pulls.pk
    is_same = is_current[place] & (stored_texts[place] == texts)
    for name in STORED:
        is_same &= _equal(getattr(stored.pulls, name)[place], getattr(pulls, name))
    changed = np.flatnonzero(is_there & ~is_same)
    _write(team_id, pulls, texts, changed)
    return len(changed)


def _equal(one: Any, other: Any) -> Any:
    if one.dtype == object:
        return one == other
    missing = np.isnat if one.dtype.kind == "M" else np.isnan
    if one.dtype == bool:
        return one == other
    return (one == other) | (missing(one) & missing(other))


def _texts(count: int, reviews: Reviews) -> Any:
    """Return the counted reviews of each pull request as they are stored."""
    lists: list[list[Any]] = [[] for _ in range(count)]
    seconds = reviews.at.astype(np.int64).tolist()
    columns = (reviews.pull.tolist(), reviews.reviewer.tolist(), seconds)
    approves = reviews.approves.astype(np.int64).tolist()
    for pull, reviewer, at, approved in zip(*columns, approves, strict=True):
        lists[pull].append((at, reviewer, approved))
    texts = np.empty(count, dtype=object)
    for place, rows in enumerate(lists):
        texts[place] = str([[who, at, approved] for at, who, approved in sorted(rows)])
    return texts


def _values(name: str, column: Any) -> list[Any]:
    """Return a column as values that a model's field takes."""
    values: list[Any] = column.tolist()
    if name in MOMENTS:
        return [value and value.replace(tzinfo=UTC) for value in values]
    if name in COUNTS:
        return [None if isnan(value) else int(value) for value in values]
    if name == "without_approval":
        return [None if isnan(value) else bool(value) for value in values]
    return [known(value) for value in values] if name in HOURS else values


def _write(team_id: int, pulls: Measures, texts: Any, changed: Any) -> None:
    columns = [_values(name, getattr(pulls, name)[changed]) for name in STORED]
    rows = zip(pulls.pk[changed].tolist(), *columns, texts[changed].tolist(), strict=True)
    upsert(
        PullRequestFigures,
        ("pull_request_id", *STORED, "counted_reviews", "team_id", "definitions_version"),
        [(*row, team_id, DEFINITIONS_VERSION) for row in rows],
        unique=("pull_request_id",),
        update=(*STORED, "counted_reviews", "definitions_version"),
    )
