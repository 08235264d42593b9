"""Read the rows behind the weekly figures into columns: one numpy array for each field,
in as few statements as there are tables.

Moments are datetime64[us] in UTC, NaT for none; people are primary keys, 0 for none.
They are read as the database has them (text in SQLite, a number in PostgreSQL), because
a datetime object for each of some hundred thousand moments would take longer than all
the arithmetic.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import orjson
from django.db import connection
from django.db.models import Case, F, Func, Min, Q, TextField, Value, When
from django.db.models.functions import Cast, NullIf

from apps.metrics.figures.definitions import BY_OTHERS, rework_cycles
from apps.metrics.figures.moments import EARLIEST, beginnings, possible
from apps.metrics.figures.reverts import is_revert
from apps.metrics.lookups import Among, one_parameter
from apps.metrics.models import (
    GHOST_KEY,
    Commit,
    DetailState,
    PRReview,
    PullRequest,
    TeamMember,
)
from apps.metrics.records import ChangeKind, PullRequestState, ReviewState


class Pulls(NamedTuple):
    """Pull requests and direct commits, by ascending primary key."""

    pk: Any
    repository: Any
    author: Any
    by_bot: Any
    is_release: Any  # what it brings was counted before: no size and no duration
    created: Any  # NaT for a moment that is not possible, as in all columns of moments here
    begun: Any  # created, but NaT for what ends before it begins, or if the opening isn't known: durations start here
    merged: Any
    closed: Any  # without a merge
    pushed: Any  # when a direct commit landed, which has no other moment of these
    additions: Any
    deletions: Any
    has_detail: Any
    first_commit: Any
    is_revert: Any
    cycles: Any  # of rework
    ai_assisted: Any
    ai_agent: Any  # an agent is the author
    ai_hinted: Any  # hints alone
    ai_tools: Any  # per pull request, a tuple of names


class Reviews(NamedTuple):
    """Submitted reviews; `pull` is an index into the pull requests.

    `counts`: by a person other than the author.
    """

    pull: Any
    reviewer: Any
    counts: Any
    approves: Any
    at: Any


class Columns(NamedTuple):
    pulls: Pulls
    reviews: Reviews


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


def moments(raw: Sequence[Any]) -> Any:
    """Return what `RawMoment` read as datetime64[us]; None becomes NaT."""
    if any(isinstance(value, str) for value in raw):
        return np.array(raw, dtype="datetime64[us]")
    # NumPy represents NaT by the smallest integer.
    never = np.iinfo(np.int64).min
    return np.array([never if value is None else value for value in raw], dtype=np.int64).view(
        "datetime64[us]"
    )


def fetch(queryset: Any) -> list[Any]:
    """Return a queryset's rows as the database returns them, all at once and not a
    hundred at a time as Django does.
    """
    return fetch_text(*queryset.query.sql_with_params())


def _fetch_by_keys(make: Callable[[Any], Any], keys: Any) -> list[Any]:
    """Return the rows of the queryset that `make` builds from keys with `Among`.

    Its SQL is built only once.
    """
    text, params, place = _text_of(make, connection.vendor)
    return fetch_text(text, [*params[:place], one_parameter(keys), *params[place + 1 :]])


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


def read(team_id: int, pk: Any) -> Columns:
    """Read a team's pull requests of these keys, with their reviews. The keys
    ascend.
    """
    bots, ghosts = _bots_and_ghosts(team_id)
    # By keys of the team's own: with the team in the condition, SQLite would walk
    # through all its rows instead.
    rows = _fetch_by_keys(_pulls, pk)
    columns: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(_FIELDS)
    author, state = _keys(columns[2]), np.array(columns[4], dtype="U10")
    created, merged, closed = (possible(moments(column)) for column in columns[8:11])
    kind = np.array(columns[3], dtype="U12")
    is_release = kind == ChangeKind.RELEASE
    is_direct = kind == ChangeKind.CHANGE
    # A release has no duration, as if its opening was not known.
    opening_known = np.array(columns[15], dtype=bool) & ~is_release
    never = np.datetime64("NaT", "us")
    merged = np.where(state == PullRequestState.MERGED, merged, never)
    pushed = np.where(is_direct, merged, never)
    created, merged, closed = (
        np.where(is_direct, never, moment) for moment in (created, merged, closed)
    )
    reviews, asked = _reviews(pk, author, bots, ghosts)
    assisted, agent, hinted, tools = _ai(columns[11], columns[12], columns[13])
    pulls = Pulls(
        pk=pk,
        repository=np.array(columns[1], dtype=np.int64),
        author=author,
        by_bot=np.isin(author, bots),
        is_release=is_release,
        created=created,
        begun=np.where(opening_known, beginnings(created, merged, closed), never),
        merged=merged,
        closed=np.where(state == PullRequestState.CLOSED, closed, never),
        pushed=pushed,
        additions=np.where(is_release, 0, np.array(columns[5], dtype=np.int64)),
        deletions=np.where(is_release, 0, np.array(columns[6], dtype=np.int64)),
        has_detail=np.array(columns[7], dtype="U10") == DetailState.COMPLETE,
        first_commit=_first_commits(pk),
        is_revert=_reverts(pk, columns[14]),
        cycles=np.zeros(len(pk), dtype=np.int64),
        ai_assisted=assisted,
        ai_agent=agent,
        ai_hinted=hinted,
        ai_tools=tools,
    )
    _count_rework(pulls, reviews, asked)
    return Columns(pulls, reviews)


_FIELDS: tuple[Any, ...] = (
    *(
        "pk",
        "repository_id",
        "author_id",
        "kind",
        "state",
        "additions",
        "deletions",
        "detail_state",
    ),
    *(RawMoment(F(name)) for name in ("created_at", "merged_at", "closed_at")),
    "ai_assisted",
    # They are read as text: most are empty lists, which need no parsing.
    *(
        NullIf(Cast(name, TextField()), Value("[]", TextField()))
        for name in ("ai_tools", "ai_evidence")
    ),
    # The titles of the few that may be reverts are read.
    Case(
        When(Q(title__startswith="Revert") | Q(head_ref__startswith="revert-"), then=Value(1)),
        default=Value(0),
    ),
    "opening_known",
)


def _bots_and_ghosts(team_id: int) -> tuple[list[int], list[int]]:
    special = (
        TeamMember.objects.for_team(team_id)
        .filter(Q(is_bot=True) | Q(key=GHOST_KEY))
        .order_by()
    )
    rows = list(special.values_list("pk", "is_bot", "key"))
    return [pk for pk, is_bot, _ in rows if is_bot], [
        pk for pk, _, key in rows if key == GHOST_KEY
    ]


def _pulls(keys: Any) -> Any:
    return (
        PullRequest.objects.across_teams()
        .filter(Among("pk", keys))
        .order_by("pk")
        .values_list(*_FIELDS)
    )


def _given(keys: Any) -> Any:
    given = (
        PRReview.objects.across_teams()
        .filter(Among("pull_request_id", keys))
        .exclude(state=ReviewState.PENDING)
    )
    return given.order_by().values_list(
        "pull_request_id", "reviewer_id", "state", RawMoment(F("submitted_at"))
    )


def _firsts(keys: Any) -> Any:
    made = Commit.objects.across_teams().filter(Among("pull_request_id", keys)).order_by()
    return made.values_list("pull_request_id").annotate(
        first=RawMoment(Min("authored_at", filter=Q(authored_at__gte=EARLIEST)))
    )


def _committed(keys: Any) -> Any:
    made = Commit.objects.across_teams().filter(Among("pull_request_id", keys)).order_by()
    return made.values_list("pull_request_id", RawMoment(F("committed_at")))


def touched(team_id: int, since: datetime, until: datetime) -> Any:
    """Return the keys of the pull requests opened, merged, or closed in this time,
    ascending.

    There is one SELECT for each of the three, so that each uses its own index.
    """
    ends = [connection.ops.adapt_datetimefield_value(end) for end in (since, until)]
    table = PullRequest._meta.db_table
    parts = [
        f"SELECT id FROM {table} WHERE team_id = %s AND {moment} >= %s AND {moment} < %s"  # noqa: S608 - our own names
        for moment in ("created_at", "merged_at", "closed_at")
    ]
    rows = fetch_text(" UNION ".join(parts), [team_id, *ends] * 3)
    return np.sort(np.array([key for (key,) in rows], dtype=np.int64))


def _keys(column: Sequence[int | None]) -> Any:
    return np.array([key or 0 for key in column], dtype=np.int64)


def _reviews(pk: Any, author: Any, bots: list[int], ghosts: list[int]) -> tuple[Reviews, Any]:
    """Return the reviews, and which of them request changes."""
    rows = _fetch_by_keys(_given, pk)
    pulls, reviewers, states, at = zip(*rows, strict=True) if rows else ((), (), (), ())
    pull = np.searchsorted(pk, np.array(pulls, dtype=np.int64))
    reviewer, state, when = _keys(reviewers), np.array(states, dtype="U20"), moments(at)
    # This is `definitions.counts_as_review` on columns.
    by_other = (reviewer != author[pull]) | (
        np.isin(reviewer, ghosts) & np.isin(state, BY_OTHERS)
    )
    counts = ~np.isin(reviewer, bots) & ~np.isnat(when) & (reviewer != 0) & by_other
    approves = counts & (state == ReviewState.APPROVED)
    return Reviews(pull, reviewer, counts, approves, possible(when)), counts & (
        state == ReviewState.CHANGES_REQUESTED
    )


def _first_commits(pk: Any) -> Any:
    found = np.full(len(pk), np.datetime64("NaT", "us"))
    rows = _fetch_by_keys(_firsts, pk)
    if rows:
        pulls, first = zip(*rows, strict=True)
        found[np.searchsorted(pk, np.array(pulls, dtype=np.int64))] = possible(moments(first))
    return found


def _reverts(pk: Any, likely: Sequence[int]) -> Any:
    found = np.zeros(len(pk), dtype=bool)
    places = [n for n, one in enumerate(likely) if one]
    if places:
        rows = PullRequest.objects.across_teams().filter(Among("pk", pk[places]))
        texts = rows.values_list("pk", "title", "head_ref")
        found[np.searchsorted(pk, [key for key, *words in texts if is_revert(*words)])] = True
    return found


def _ai(
    marked: Sequence[bool | None], names: Sequence[str | None], proofs: Sequence[str | None]
) -> tuple[Any, Any, Any, Any]:
    """Return what the markers found for each pull request: whether it is AI-assisted,
    whether an agent is its author, whether there is only a hint, and the tools of those
    that are assisted.
    """
    assisted = np.array([bool(one) for one in marked], dtype=bool)
    agent, hinted = np.zeros(len(marked), dtype=bool), np.zeros(len(marked), dtype=bool)
    tools = np.full(len(marked), None, dtype=object)
    for n, proof in enumerate(proofs):
        if proof is not None:
            evidence = orjson.loads(proof)
            agent[n] = marked[n] and any(one.get("rule") == "author" for one in evidence)
            hinted[n] = not marked[n] and any(one.get("tier") == "B" for one in evidence)
    for n in np.flatnonzero(assisted).tolist():
        tools[n] = tuple(orjson.loads(names[n] or "[]"))
    return assisted, agent, hinted, tools


def _count_rework(pulls: Pulls, reviews: Reviews, asked: Any) -> None:
    """Count the commits after a request for changes, for the pull requests that had
    one.

    Only these need their commits read one by one.
    """
    asked = asked & ~np.isnat(reviews.at)
    places = np.unique(reviews.pull[asked])
    if not len(places):
        return
    commits: dict[int, list[Any]] = {int(place): [] for place in places}
    rows = _fetch_by_keys(_committed, pulls.pk[places])
    if rows:
        found, at = zip(*rows, strict=True)
        for place, moment in zip(
            np.searchsorted(pulls.pk, found).tolist(), moments(at).tolist(), strict=True
        ):
            commits[place].append(moment)
    requests: dict[int, list[Any]] = {int(place): [] for place in places}
    for place, moment in zip(
        reviews.pull[asked].tolist(), reviews.at[asked].tolist(), strict=True
    ):
        requests[place].append(moment)
    ends = dict(
        enumerate(
            np.fmin(
                # `fmin` ignores NaT, so without an approval the merge is the end.
                first_by_pull(reviews, reviews.approves, len(pulls.pk)),
                pulls.merged,
            ).tolist()
        )
    )
    for place, moments_asked in requests.items():
        if ends[place] is not None:
            pulls.cycles[place] = rework_cycles(moments_asked, commits[place], ends[place])


def first_by_pull(reviews: Reviews, which: Any, count: int) -> Any:
    """Return the earliest of the reviews in `which`, for each of `count` pull
    requests.
    """
    found = np.full(count, np.datetime64("NaT", "us"))
    np.fmin.at(found, reviews.pull[which], reviews.at[which])
    return found
