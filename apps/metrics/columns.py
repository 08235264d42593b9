"""The rows behind the weekly figures, read into columns: one numpy array a field, in as few statements as there are tables.

Moments are datetime64[us] in UTC, NaT for none; people are primary keys, 0 for none. They are read as the database has
them (text in SQLite, a number in PostgreSQL), because a datetime object for each of some hundred thousand moments would
take longer than all the arithmetic.
"""

from collections.abc import Sequence
from datetime import date, tzinfo
from typing import Any, NamedTuple

import numpy as np
from django.db.models import F, Func, Min, Q, TextField

from apps.metrics.definitions import WEEK, is_revert, rework_cycles, week_start
from apps.metrics.models import Commit, DetailState, PRReview, PullRequest, TeamMember
from apps.metrics.records import ChangeKind, PullRequestState, ReviewState


class Pulls(NamedTuple):
    """Pull requests, by ascending primary key."""

    pk: Any
    repository: Any
    author: Any
    by_bot: Any
    is_pull: Any  # not a change without a pull request
    created: Any
    merged: Any
    closed: Any  # without a merge
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
    """Submitted reviews; `pull` is an index into the pull requests. `counts`: by a person other than the author."""

    pull: Any
    reviewer: Any
    counts: Any
    approves: Any
    at: Any


class Columns(NamedTuple):
    pulls: Pulls
    reviews: Reviews


class RawMoment(Func):
    """A moment as the database stores or counts it, for `moments`: text, or microseconds since 1970."""

    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        return self.as_sql(compiler, connection, template="CAST(%(expressions)s AS TEXT)", **extra)

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> Any:
        template = "(EXTRACT(EPOCH FROM %(expressions)s) * 1000000)::bigint"
        return self.as_sql(compiler, connection, template=template, **extra)


def moments(raw: Sequence[Any]) -> Any:
    """What `RawMoment` read, as datetime64[us]; None is NaT."""
    if any(isinstance(value, str) for value in raw):
        return np.array(raw, dtype="datetime64[us]")
    never = np.iinfo(np.int64).min
    return np.array([never if value is None else value for value in raw], dtype=np.int64).view("datetime64[us]")


def read(team_id: int, weeks: Sequence[date], zone: tzinfo) -> Columns:
    """The pull requests opened, merged or closed between the first and the last of these weeks, with their reviews."""
    wanted = _wanted(team_id, weeks, zone)
    bots = set(TeamMember.objects.for_team(team_id).filter(is_bot=True).values_list("pk", flat=True))
    rows = list(wanted.order_by("pk").values_list(*_FIELDS, *_MOMENTS))
    columns: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * (len(_FIELDS) + len(_MOMENTS))
    pk = np.array(columns[0], dtype=np.int64)
    author = _keys(columns[2])
    state = np.array(columns[4], dtype="U10")
    created, merged, closed = (moments(column) for column in columns[-3:])
    never = np.datetime64("NaT", "us")
    # Few are named one by one, so that a changed pull request does not make the database look for its weeks five times.
    keys: Any = list(columns[0]) if len(pk) <= _NAMED else wanted.order_by().values("pk")
    reviews, asked = _reviews(team_id, keys, pk, author, bots)
    assisted, agent, hinted, tools = _ai(team_id, keys, pk)
    pulls = Pulls(
        pk=pk,
        repository=np.array(columns[1], dtype=np.int64),
        author=author,
        by_bot=np.isin(author, list(bots)),
        is_pull=np.array(columns[3], dtype="U12") != ChangeKind.CHANGE,
        created=created,
        merged=np.where(state == PullRequestState.MERGED, merged, never),
        closed=np.where(state == PullRequestState.CLOSED, closed, never),
        additions=np.array(columns[5], dtype=np.int64),
        deletions=np.array(columns[6], dtype=np.int64),
        has_detail=np.array(columns[7], dtype="U10") == DetailState.COMPLETE,
        first_commit=_first_commits(team_id, keys, pk),
        is_revert=_reverts(team_id, keys, pk),
        cycles=np.zeros(len(pk), dtype=np.int64),
        ai_assisted=assisted,
        ai_agent=agent,
        ai_hinted=hinted,
        ai_tools=tools,
    )
    _count_rework(team_id, pulls, reviews, asked)
    return Columns(pulls, reviews)


_NAMED = 5000
_FIELDS = ("pk", "repository_id", "author_id", "kind", "state", "additions", "deletions", "detail_state")
_MOMENTS = (RawMoment(F("created_at")), RawMoment(F("merged_at")), RawMoment(F("closed_at")))


def _wanted(team_id: int, weeks: Sequence[date], zone: tzinfo) -> Any:
    """Those of the weeks. Few are looked up by three indexes and named one by one: of a condition with OR, SQLite makes
    a walk through all that the team has."""
    since, until = week_start(weeks[0], zone), week_start(weeks[-1] + WEEK, zone)
    pulls = PullRequest.objects.for_team(team_id)
    touched = [
        Q(**{f"{moment}__gte": since, f"{moment}__lt": until}) for moment in ("created_at", "merged_at", "closed_at")
    ]
    found = [pulls.filter(condition).order_by().values_list("pk", flat=True)[: _NAMED + 1] for condition in touched]
    keys = {key for some in found for key in some}
    return pulls.filter(pk__in=keys) if len(keys) <= _NAMED else pulls.filter(touched[0] | touched[1] | touched[2])


def _keys(column: Sequence[int | None]) -> Any:
    return np.array([key or 0 for key in column], dtype=np.int64)


def _reviews(team_id: int, keys: Any, pk: Any, author: Any, bots: set[int]) -> tuple[Reviews, Any]:
    """The reviews, and which of them ask for changes."""
    rows = list(
        PRReview.objects.for_team(team_id)
        .filter(pull_request__in=keys)
        .exclude(state=ReviewState.PENDING)
        .values_list("pull_request_id", "reviewer_id", "state", RawMoment(F("submitted_at")))
    )
    pulls, reviewers, states, at = zip(*rows, strict=True) if rows else ((), (), (), ())
    pull = np.searchsorted(pk, np.array(pulls, dtype=np.int64))
    reviewer, state, when = _keys(reviewers), np.array(states, dtype="U20"), moments(at)
    # `definitions.counts_as_review`, on columns
    counts = ~np.isin(reviewer, list(bots)) & ~np.isnat(when) & (reviewer != 0) & (reviewer != author[pull])
    approves = counts & (state == ReviewState.APPROVED)
    return Reviews(pull, reviewer, counts, approves, when), counts & (state == ReviewState.CHANGES_REQUESTED)


def _first_commits(team_id: int, keys: Any, pk: Any) -> Any:
    found = np.full(len(pk), np.datetime64("NaT", "us"))
    rows = list(
        Commit.objects.for_team(team_id)
        .filter(pull_request__in=keys)
        .values_list("pull_request_id")
        .annotate(first=RawMoment(Min("authored_at")))
    )
    if rows:
        pulls, first = zip(*rows, strict=True)
        found[np.searchsorted(pk, np.array(pulls, dtype=np.int64))] = moments(first)
    return found


def _reverts(team_id: int, keys: Any, pk: Any) -> Any:
    """The few that may be reverts are read whole."""
    found = np.zeros(len(pk), dtype=bool)
    said = Q(title__startswith='Revert "') | Q(head_ref__startswith="revert-")
    likely = PullRequest.objects.for_team(team_id).filter(said, pk__in=keys)
    for key, *words in likely.values_list("pk", "title", "body", "head_ref"):
        found[np.searchsorted(pk, key)] = is_revert(*words)
    return found


def _ai(team_id: int, keys: Any, pk: Any) -> tuple[Any, Any, Any, Any]:
    """What the markers say of those that have any evidence: assisted, authored by an agent, hinted at; and the tools."""
    assisted, agent, hinted = (np.zeros(len(pk), dtype=bool) for _ in range(3))
    tools = np.full(len(pk), None, dtype=object)
    marked = PullRequest.objects.for_team(team_id).filter(Q(ai_assisted=True) | ~Q(ai_evidence=[]), pk__in=keys)
    for key, is_assisted, names, evidence in marked.values_list("pk", "ai_assisted", "ai_tools", "ai_evidence"):
        place = np.searchsorted(pk, key)
        assisted[place] = bool(is_assisted)
        agent[place] = bool(is_assisted) and any(one.get("rule") == "author" for one in evidence)
        hinted[place] = not is_assisted and any(one.get("tier") == "B" for one in evidence)
        tools[place] = tuple(names) if is_assisted else None
    return assisted, agent, hinted, tools


def _count_rework(team_id: int, pulls: Pulls, reviews: Reviews, asked: Any) -> None:
    """Only where changes were requested are there commits to look at, one by one."""
    places = np.unique(reviews.pull[asked])
    if not len(places):
        return
    commits: dict[int, list[Any]] = {int(place): [] for place in places}
    keys = pulls.pk[places].tolist()
    for start in range(0, len(keys), 5000):
        rows = list(
            Commit.objects.for_team(team_id)
            .filter(pull_request__in=keys[start : start + 5000])
            .values_list("pull_request_id", RawMoment(F("committed_at")))
        )
        if rows:
            found, at = zip(*rows, strict=True)
            for place, moment in zip(np.searchsorted(pulls.pk, found).tolist(), moments(at).tolist(), strict=True):
                commits[place].append(moment)
    requests: dict[int, list[Any]] = {int(place): [] for place in places}
    for place, moment in zip(reviews.pull[asked].tolist(), reviews.at[asked].tolist(), strict=True):
        requests[place].append(moment)
    ends = dict(enumerate(np.fmin(first_by_pull(reviews, reviews.approves, len(pulls.pk)), pulls.merged).tolist()))
    for place, moments_asked in requests.items():
        if ends[place] is not None:
            pulls.cycles[place] = rework_cycles(moments_asked, commits[place], ends[place])


def first_by_pull(reviews: Reviews, which: Any, count: int) -> Any:
    """The earliest of some of the reviews, for each of `count` pull requests."""
    found = np.full(count, np.datetime64("NaT", "us"))
    np.fmin.at(found, reviews.pull[which], reviews.at[which])
    return found
