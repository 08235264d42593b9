"""Compute the measures of pull requests from the rows that a source gave, by the
definitions.

This is the only module that does. `tests/metrics/reference.py` computes the same for
one pull request at a time, in plain Python.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import numpy as np
import orjson
from django.db import connection
from django.db.models import Case, F, Min, Q, Value, When

from apps.metrics.figures.columns import (
    RawMoment,
    fetch_by_keys,
    fetch_text,
    keys,
    moments,
    raw_list,
)
from apps.metrics.figures.definitions import BY_OTHERS, Verdict, phases, rework_cycles
from apps.metrics.figures.measures import Measured, Measures, Reviews
from apps.metrics.figures.moments import EARLIEST, NEVER, beginnings, possible
from apps.metrics.figures.reverts import is_revert
from apps.metrics.lookups import Among
from apps.metrics.models import (
    GHOST_KEY,
    Commit,
    DetailState,
    Exclusion,
    PRReview,
    PullRequest,
    TeamMember,
)
from apps.metrics.records import ChangeKind, PullRequestState, ReviewState

_HOUR = np.timedelta64(1, "h")


class _Rows(NamedTuple):
    """What is stored of pull requests, as columns."""

    pk: Any
    team: Any
    repository: Any
    author: Any
    kind: Any
    state: Any
    additions: Any
    deletions: Any
    has_detail: Any
    created_at: Any
    merged_at: Any
    closed_at: Any
    # As the database has them: None, true, or false.
    ai_assisted: Sequence[Any]
    ai_tools: Sequence[str | None]
    ai_evidence: Sequence[str | None]
    # Whether the title or the branch begins like that of a revert.
    may_revert: Sequence[int]
    opening_known: Any


class _Given(NamedTuple):
    """All submitted reviews; `pull` is an index into the pull requests."""

    pull: Any
    reviewer: Any
    at: Any
    counts: Any
    approves: Any
    asks_for_changes: Any


class _Accounts(NamedTuple):
    """Primary keys of the members that the definitions treat in a special way."""

    bots: list[int]
    ghosts: list[int]


def compute(wanted: Any) -> Measured:
    """Return the measures of the pull requests with these keys (ascending), in their
    order. All are of one team; one that doesn't exist has no row.

    Five statements, however many there are.
    """
    rows = _read_rows(wanted)
    accounts = _special_accounts(int(rows.team[0]) if len(rows.pk) else 0)
    given = _read_reviews(rows, accounts)
    by_bot = np.isin(rows.author, accounts.bots)
    excluded = _exclusions(rows, by_bot)
    is_release = rows.kind == ChangeKind.RELEASE
    is_direct = rows.kind == ChangeKind.CHANGE

    is_merged = rows.state == PullRequestState.MERGED
    landed_at = np.where(is_merged, possible(rows.merged_at), NEVER)
    opened_at = np.where(is_direct, NEVER, possible(rows.created_at))
    merged_at = np.where(is_direct, NEVER, landed_at)
    closed_at = np.where(is_direct, NEVER, possible(rows.closed_at))
    # Durations start here: an opening that isn't known, or comes after the end, gives
    # none. A release has none either, as if its opening was not known.
    is_known = rows.opening_known & ~is_release
    ready_at = np.where(is_known, beginnings(opened_at, merged_at, closed_at), NEVER)

    count = len(rows.pk)
    on_time = given.counts & (given.at >= opened_at[given.pull])
    first_commit_at = _first_commits(rows.pk)
    first_review_at = _first(given, on_time, count)
    approved_at = _first(given, given.approves, count)
    is_reviewable = ~np.isnat(merged_at) & (excluded == Exclusion.NONE)
    parts = phases(
        first_commit_at,
        ready_at,
        first_review_at,
        _first(given, given.approves & on_time, count),
        merged_at,
    )
    # An open pull request has waited for its first review as well.
    waited = np.where(np.isnat(merged_at), (first_review_at - ready_at) / _HOUR, parts.pickup)
    is_approved = approved_at <= merged_at
    cycles = _count_rework(rows.pk, given, np.fmin(approved_at, merged_at))
    verdict, by_agent, is_hinted, tools = _ai(rows)
    pulls = Measures(
        pk=rows.pk,
        repository=rows.repository,
        author=rows.author,
        excluded=excluded,
        by_bot=by_bot,
        opened_at=opened_at,
        merged_at=merged_at,
        closed_at=np.where(rows.state == PullRequestState.CLOSED, closed_at, NEVER),
        pushed_at=np.where(is_direct, landed_at, NEVER),
        first_commit_at=first_commit_at,
        first_review_at=first_review_at,
        approved_at=approved_at,
        time_to_merge_hours=(merged_at - ready_at) / _HOUR,
        coding_hours=_only(is_reviewable, parts.coding),
        pickup_hours=_only(excluded == Exclusion.NONE, waited),
        review_hours=_only(is_reviewable, parts.review),
        merge_hours=_only(is_reviewable, parts.merge),
        cycle_hours=_only(is_reviewable, parts.cycle),
        additions=_only(~is_release, rows.additions),
        deletions=_only(~is_release, rows.deletions),
        reviews=np.bincount(given.pull, minlength=count).astype(float),
        without_approval=_only(is_reviewable, ~is_approved),
        rework_cycles=_only(is_reviewable, cycles),
        is_revert=_reverts(rows),
        ai_verdict=verdict,
        ai_agent_authored=by_agent,
        ai_hinted=is_hinted,
        ai_tools=tools,
    )
    counted = given.counts & ~np.isnat(given.at)
    reviews = Reviews(
        given.pull[counted],
        given.reviewer[counted],
        given.at[counted].astype("datetime64[s]"),
        given.approves[counted],
    )
    return Measured(pulls, reviews)


def _only(condition: Any, values: Any) -> Any:
    """Return values as float64, with NaN for those that don't meet the condition."""
    return np.where(condition, values, np.nan)


def _exclusions(rows: _Rows, by_bot: Any) -> Any:
    """Return for each pull request the first reason that applies."""
    reasons = (
        (rows.kind == ChangeKind.CHANGE, Exclusion.DIRECT_COMMIT),
        (rows.kind == ChangeKind.RELEASE, Exclusion.RELEASE),
        (by_bot, Exclusion.BOT),
        (~rows.has_detail, Exclusion.UNREAD),
    )
    found = np.full(len(rows.pk), Exclusion.NONE.value, dtype=object)
    for applies, reason in reversed(reasons):
        found[applies] = reason.value
    return found


_COLUMNS: tuple[Any, ...] = (
    "pk",
    "team_id",
    "repository_id",
    "author_id",
    "kind",
    "state",
    "additions",
    "deletions",
    "detail_state",
    *(RawMoment(F(name)) for name in ("created_at", "merged_at", "closed_at")),
    "ai_assisted",
    raw_list("ai_tools"),
    raw_list("ai_evidence"),
    # The titles of the few that may be reverts are read.
    Case(
        When(Q(title__startswith="Re") | Q(head_ref__startswith="revert-"), then=Value(1)),
        default=Value(0),
    ),
    "opening_known",
)


def _pull_requests(wanted: Any) -> Any:
    # By keys alone: with the team in the condition, SQLite would walk through all its
    # rows instead.
    found = PullRequest.objects.across_teams().filter(Among("pk", wanted))
    return found.order_by("pk").values_list(*_COLUMNS)


def _read_rows(wanted: Any) -> _Rows:
    rows = fetch_by_keys(_pull_requests, wanted)
    columns: list[Any] = list(zip(*rows, strict=True)) if rows else [()] * len(_COLUMNS)
    pk, team, repository, author, kind, state, added, deleted, detail = columns[:9]
    created, merged, closed, assisted, tools, evidence, may_revert, known = columns[9:]
    return _Rows(
        pk=np.array(pk, dtype=np.int64),
        team=team,
        repository=np.array(repository, dtype=np.int64),
        author=keys(author),
        kind=np.array(kind, dtype="U12"),
        state=np.array(state, dtype="U10"),
        additions=np.array(added, dtype=np.int64),
        deletions=np.array(deleted, dtype=np.int64),
        has_detail=np.array(detail, dtype="U10") == DetailState.COMPLETE,
        created_at=moments(created),
        merged_at=moments(merged),
        closed_at=moments(closed),
        ai_assisted=assisted,
        ai_tools=tools,
        ai_evidence=evidence,
        may_revert=may_revert,
        opening_known=np.array(known, dtype=bool),
    )


def _special_accounts(team_id: int) -> _Accounts:
    special = (
        TeamMember.objects.for_team(team_id)
        .filter(Q(is_bot=True) | Q(key=GHOST_KEY))
        .order_by()
    )
    accounts = _Accounts([], [])
    for pk, is_bot, key in special.values_list("pk", "is_bot", "key"):
        if is_bot:
            accounts.bots.append(pk)
        if key == GHOST_KEY:
            accounts.ghosts.append(pk)
    return accounts


def _submitted(wanted: Any) -> Any:
    given = PRReview.objects.across_teams().filter(Among("pull_request_id", wanted))
    given = given.exclude(state=ReviewState.PENDING).order_by()
    return given.values_list(
        "pull_request_id", "reviewer_id", "state", RawMoment(F("submitted_at"))
    )


def _read_reviews(rows: _Rows, accounts: _Accounts) -> _Given:
    found = fetch_by_keys(_submitted, rows.pk)
    pulls, reviewers, states, at = zip(*found, strict=True) if found else ((), (), (), ())
    pull = np.searchsorted(rows.pk, np.array(pulls, dtype=np.int64))
    reviewer = keys(reviewers)
    state = np.array(states, dtype="U20")
    submitted_at = moments(at)
    # A deleted account is one member for all, and an approval of its pull request is by
    # another one, because GitHub lets no account approve its own.
    is_other = reviewer != rows.author[pull]
    is_other |= np.isin(reviewer, accounts.ghosts) & np.isin(state, BY_OTHERS)
    by_person = (reviewer != 0) & ~np.isin(reviewer, accounts.bots)
    counts = by_person & is_other & ~np.isnat(submitted_at)
    return _Given(
        pull=pull,
        reviewer=reviewer,
        at=possible(submitted_at),
        counts=counts,
        approves=counts & (state == ReviewState.APPROVED),
        asks_for_changes=counts & (state == ReviewState.CHANGES_REQUESTED),
    )


def _first(given: _Given, which: Any, count: int) -> Any:
    """Return the earliest of the reviews in `which`, for each of `count` pull
    requests.
    """
    found = np.full(count, NEVER)
    np.fmin.at(found, given.pull[which], given.at[which])
    return found


def _commits(wanted: Any) -> Any:
    return Commit.objects.across_teams().filter(Among("pull_request_id", wanted)).order_by()


def _first_commits_of(wanted: Any) -> Any:
    first = Min("authored_at", filter=Q(authored_at__gte=EARLIEST))
    commits = _commits(wanted).values_list("pull_request_id")
    return commits.annotate(first=RawMoment(first))


def _committed(wanted: Any) -> Any:
    return _commits(wanted).values_list("pull_request_id", RawMoment(F("committed_at")))


def _first_commits(pk: Any) -> Any:
    found = np.full(len(pk), NEVER)
    rows = fetch_by_keys(_first_commits_of, pk)
    if rows:
        pulls, first = zip(*rows, strict=True)
        places = np.searchsorted(pk, np.array(pulls, dtype=np.int64))
        found[places] = possible(moments(first))
    return found


def _count_rework(pk: Any, given: _Given, ends: Any) -> Any:
    """Count for each pull request the requests for changes that commits answered before
    its end.

    The commits of the few that have a request are read one by one.
    """
    counts = np.zeros(len(pk), dtype=np.int64)
    asked = given.asks_for_changes & ~np.isnat(given.at)
    places = np.unique(given.pull[asked])
    if not len(places):
        return counts
    commits: dict[int, list[Any]] = {int(place): [] for place in places}
    requests: dict[int, list[Any]] = {int(place): [] for place in places}
    rows = fetch_by_keys(_committed, pk[places])
    if rows:
        found, at = zip(*rows, strict=True)
        owners = np.searchsorted(pk, found).tolist()
        for place, moment in zip(owners, moments(at).tolist(), strict=True):
            commits[place].append(moment)
    asked_at = zip(given.pull[asked].tolist(), given.at[asked].tolist(), strict=True)
    for place, moment in asked_at:
        requests[place].append(moment)
    until = ends.tolist()
    for place, moments_asked in requests.items():
        if until[place] is not None:
            counts[place] = rework_cycles(moments_asked, commits[place], until[place])
    return counts


def _reverts(rows: _Rows) -> Any:
    found = np.zeros(len(rows.pk), dtype=bool)
    places = np.flatnonzero(np.array(rows.may_revert, dtype=bool))
    if len(places):
        likely = PullRequest.objects.across_teams().filter(Among("pk", rows.pk[places]))
        for key, title, head_ref in likely.values_list("pk", "title", "head_ref"):
            found[np.searchsorted(rows.pk, key)] = is_revert(title, head_ref)
    return found


def _ai(rows: _Rows) -> tuple[Any, Any, Any, Any]:
    """Return the verdict, whether an agent is the author, whether there is only a hint,
    and the tools of each pull request.
    """
    count = len(rows.pk)
    is_read = np.array([value is not None for value in rows.ai_assisted], dtype=bool)
    is_assisted = np.array(rows.ai_assisted, dtype=bool)
    verdict = np.full(count, Verdict.UNREAD.value, dtype=object)
    # If not everything was read, a missing marker means nothing.
    verdict[is_read & rows.has_detail] = Verdict.NO_MARKER.value
    verdict[is_assisted] = Verdict.ASSISTED.value
    by_agent, is_hinted = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
    for place, text in enumerate(rows.ai_evidence):
        if text is None:
            continue
        evidence = orjson.loads(text)
        if is_assisted[place]:
            by_agent[place] = any(one.get("rule") == "author" for one in evidence)
        else:
            is_hinted[place] = any(one.get("tier") == "B" for one in evidence)
    tools = np.full(count, "", dtype=object)
    for place in np.flatnonzero(is_assisted).tolist():
        tools[place] = " ".join(orjson.loads(rows.ai_tools[place] or "[]"))
    return verdict, by_agent, is_hinted, tools


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
