"""Decide the state of one run from its projection: page, stream, email, API, and
command line show the same.

    run_state(project(run.pk), team.name)
    # RunState(kind="nightly", state=State(name="failed", cause="token_refused", …), …)

A projection has the same state in a stream and after a reload. Whether a worker runs is
no part of it, because a worker that vanishes writes no event; `with_workers` adds it
for the moment of the request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from apps.metrics.run_events import RepositoryEvent
from apps.onboarding.state import words
from apps.onboarding.state.gaps import are_optional, gaps_of, shared_remedy
from apps.onboarding.state.kinds import NOUNS, PAUSED_AT_MOST, REFRESHING, Kind, kind_of
from apps.pipelines import events
from apps.pipelines.models import LIVE as LIVE_STEPS
from apps.pipelines.models import PASSED, Run, RunState, StepRun, StepState
from apps.pipelines.projection import Projection, project
from apps.pipelines.remedy import Remedy
from apps.pipelines.worker import health
from apps.teams import states
from apps.teams.states import Figures, Gap, State, StateName

SYNC = "sync"
# The last step that changes figures.
LAST_OF_FIGURES = "insights"
# Sync statuses of repositories that lack something.
LACKING = ("partial", "error")


def run_state(
    projection: Projection, team_name: str, *, token_replaced: bool = False
) -> states.RunState:
    """Return the state of a run.

    Args:
        team_name: for the title.
        token_replaced: whether a new token was stored after the run ended; then a retry
            can succeed.
    """
    run = projection.run
    kind = kind_of(projection.pipeline, projection.kind)
    gaps = gaps_of(run.get("missing", []))
    repositories = RepositoryEvent.all_in(projection)
    lacking = [row for row in repositories.values() if row.sync_status in LACKING]
    state = _state(projection, gaps, token_replaced)
    return states.RunState(
        id=projection.run_id,
        kind=kind,
        noun=NOUNS[kind],
        state=state,
        title=words.title(
            kind,
            state,
            team_name,
            len(repositories),
            len(lacking),
            only_optional=are_optional(gaps),
        ),
        percent=run.get("percent", 0),
        eta=words.eta(state, run.get("eta_seconds"), run.get("percent", 0)),
        gaps=gaps,
        resumes_at=_resumes_at(run),
        repositories=len(repositories),
        missing_repositories=len(lacking),
        finished_at=moment(run.get("finished_at")),
    )


def of_run(run: Run, team_name: str, *, token_replaced: bool = False) -> states.RunState:
    """Return the state of a run as it is now, with what is known of its workers."""
    found = run_state(_projection_of(run), team_name, token_replaced=token_replaced)
    return with_workers(found, run)


def _projection_of(run: Run) -> Projection:
    if run.is_live:
        return project(run.pk)
    # The row is at hand and up to date; only the parts of the run are needed of the
    # events.
    return replace(_ended(run.pk, run.seq), run=events.run_entry(run).data)


@lru_cache(maxsize=256)
def _ended(run_id: UUID, seq: int) -> Projection:
    """Return the projection of a run that has ended; it stays the same at the same
    number.
    """
    return project(run_id)


def with_workers(found: states.RunState, run: Run) -> states.RunState:
    """Return the state with its cause if the run needs a queue of which no worker has
    been heard.

    That is `no_worker`, or `database_locked` if another program keeps workers from
    writing that they live.
    """
    if found.state.name not in (StateName.QUEUED, StateName.RUNNING) or not silent_queues(run):
        return found
    kind = Kind(found.kind)
    cause, reason = "no_worker", words.no_worker(kind)
    if health.database_is_locked():
        cause, reason = "database_locked", words.database_locked(kind)
    stalled = replace(
        found.state,
        name=StateName.STALLED,
        label=str(StateName.STALLED.label),
        cause=cause,
        reason=reason,
        remedy=Remedy.OPERATOR,
    )
    # An estimate of the time left assumes that a worker works on the run.
    return replace(found, state=stalled, eta="")


def silent_queues(run: Run) -> dict[str, float | None]:
    """Return the queues that a live run needs now and no worker serves, with the
    seconds since one was seen.
    """
    if run.state != RunState.RUNNING:
        return {}
    missing = health.queues_without_workers()
    if not missing:
        return {}
    wanted = set(
        StepRun.objects.filter(run=run, state__in=LIVE_STEPS).values_list("queue", flat=True)
    )
    return {queue: age for queue, age in missing.items() if queue in wanted}


def _state(projection: Projection, gaps: Sequence[Gap], token_replaced: bool) -> State:
    run = projection.run
    match run.get("state"):
        case RunState.PAUSED:
            return _paused(projection)
        case RunState.RUNNING:
            return _under_way(projection)
        case RunState.FAILED:
            return _failed(run, token_replaced)
        case RunState.CANCELLED:
            since = run.get("finished_at")
            return _make(
                StateName.CANCELLED,
                run,
                since=since,
                cause="canceled",
                remedy=Remedy.RETRY,
                figures=Figures.OLD,
            )
        case RunState.PARTIAL:
            return _partial(run, gaps)
    return _done(projection)


def _paused(projection: Projection) -> State:
    """Return PAUSED. A refresh goes on by itself after a while, and the figures are old
    until then.
    """
    run = projection.run
    kind = kind_of(projection.pipeline, projection.kind)
    since = moment(run.get("acted_at"))
    if kind not in REFRESHING:
        return _make(
            StateName.PAUSED, run, since=since, cause="paused", figures=_figures(projection)
        )
    return _make(
        StateName.PAUSED,
        run,
        since=since,
        cause="paused",
        reason=words.paused(kind, run.get("acted_by_name") or ""),
        until=None if since is None else since + PAUSED_AT_MOST,
        figures=Figures.OLD,
    )


def _under_way(projection: Projection) -> State:
    run = projection.run
    step = _current(projection.steps)
    figures = _figures(projection)
    if step is None or step["state"] == StepState.RUNNING:
        waiting = _waiting(projection, step)
        if waiting is not None:
            return waiting
        return _make(
            StateName.RUNNING, run, since=run.get("generation_started_at"), figures=figures
        )
    if step["state"] == StepState.PARKED:
        return _make(
            StateName.PARKED,
            run,
            since=step.get("parked_at"),
            cause=step.get("cause") or "waiting",
            reason=step["message"],
            remedy=Remedy(step.get("remedy") or Remedy.WAIT),
            until=step["parked_until"],
            figures=figures,
        )
    return _make(StateName.QUEUED, run, since=run.get("generation_started_at"), figures=figures)


def _figures(projection: Projection) -> Figures:
    """Return CURRENT once the figures of a live run are final: what follows them, like
    AI reading, changes none.
    """
    passed = [step["key"] for step in projection.steps if step["state"] in PASSED]
    return Figures.CURRENT if LAST_OF_FIGURES in passed else Figures.MOVING


def _waiting(projection: Projection, step: Mapping[str, Any] | None) -> State | None:
    """Return STALLED if the running step has noted that it waits, for example for the
    rate limiter.
    """
    note = projection.items.get("wait", {}).get("step")
    # A note of an earlier attempt may still be there: that attempt was killed while it
    # waited.
    if not note or step is None or note["attempt"] != step["attempt"]:
        return None
    return _make(
        StateName.STALLED,
        projection.run,
        since=note["since"],
        cause=note["cause"],
        reason=note["reason"],
        remedy=Remedy.WAIT,
        figures=_figures(projection),
    )


def _failed(run: Mapping[str, Any], token_replaced: bool) -> State:
    remedy = Remedy(run.get("remedy") or Remedy.RETRY)
    # The new token is there already, so the next thing to do is a retry.
    if remedy == Remedy.NEW_TOKEN and token_replaced:
        remedy = Remedy.RETRY
    return _make(
        StateName.FAILED,
        run,
        since=run.get("finished_at"),
        cause=run.get("cause") or "failed",
        reason=run.get("error", ""),
        remedy=remedy,
        figures=Figures.OLD,
    )


def _partial(run: Mapping[str, Any], gaps: Sequence[Gap]) -> State:
    cause, remedy = shared_remedy(gaps)
    # Several reasons do not fit into one sentence; the page lists them.
    reason = gaps[0].reason if len(gaps) == 1 else ""
    return _make(
        StateName.PARTIAL,
        run,
        since=run.get("finished_at"),
        cause=cause,
        reason=reason,
        remedy=remedy,
        figures=Figures.CURRENT if are_optional(gaps) else Figures.INCOMPLETE,
    )


def _done(projection: Projection) -> State:
    run = projection.run
    since = run.get("finished_at")
    step = next((step for step in projection.steps if step["key"] == SYNC), None)
    # A sync that found no pull request leaves figures of zero, which need an
    # explanation.
    if step is not None and step["state"] == StepState.DONE and not step["done"]:
        return _make(
            StateName.EMPTY,
            run,
            since=since,
            cause="no_pull_requests",
            remedy=Remedy.NONE,
            figures=Figures.ZERO,
        )
    return _make(StateName.DONE, run, since=since)


def _make(
    name: StateName,
    run: Mapping[str, Any],
    *,
    since: Any = None,
    until: Any = None,
    **fields: Any,
) -> State:
    return State(
        name=name,
        label=str(name.label),
        since=moment(since),
        until=moment(until),
        act=run.get("act") or "",
        actor=run.get("acted_by_name") or "",
        **fields,
    )


def _current(steps: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the step at which a live run is."""
    return next((step for step in steps if step["state"] not in PASSED), None)


def _resumes_at(run: Mapping[str, Any]) -> int | None:
    if run.get("state") in (RunState.FAILED, RunState.PARTIAL, RunState.CANCELLED):
        return int(run.get("percent", 0))
    return None


def moment(value: Any) -> datetime | None:
    """Return a time that an event has as text; times stay as they are."""
    if isinstance(value, str):
        return datetime.fromisoformat(value)
    return value if isinstance(value, datetime) else None
