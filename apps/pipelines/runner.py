"""Handle one message: claim the step, run its body, record how it ended.

    message (run, epoch) -> claim: one compare-and-set -> body, unit by unit -> complete
    | park | fail | release

The wrapper has the only broad `except`: whatever a body raises becomes a recorded
outcome. If the body returns normally, Huey sends the next step's message. In every
other case the message's chain is cut, and the state of the rows decides what happens
next.
"""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import DatabaseError, OperationalError, connection, transaction
from django.db.models import Q

from apps.masking import storable
from apps.pipelines import (
    clock,
    definitions,
    durations,
    engine,
    events,
    incidents,
    logs,
    redelivery,
)
from apps.pipelines.conf import config
from apps.pipelines.context import StepContext
from apps.pipelines.exceptions import (
    AttemptOver,
    Park,
    Permanent,
    PipelineError,
    Released,
    UnknownPipeline,
)
from apps.pipelines.models import Run, RunState, StepRun, StepState
from apps.pipelines.outcomes import Done, Missing, Outcome, Partial, Skipped
from apps.pipelines.progress import Part, active_seconds
from apps.pipelines.remedy import Remedy, cause_of
from apps.pipelines.signals import deliver, step_completed
from apps.pipelines.sql import statements
from apps.pipelines.sql.batch import Listing
from apps.pipelines.sql.statements import Change, Sql
from apps.pipelines.worker import disk, heartbeat, marks, process_id

logger = logging.getLogger(__name__)

# The most characters of the name of something that is missing.
LONGEST_NAME = 300

Body = Callable[..., Outcome | None]
STARTED = events.Words(
    lambda step: (
        f"{step.title}: started{f' (attempt {step.attempt})' if step.attempt > 1 else ''}."
    ),
    """{row}."title" || ': started' || CASE WHEN {row}."attempt" > 1 THEN ' (attempt ' || {row}."attempt" || ')'"""
    " ELSE '' END || '.'",
)


def execute(task: str, body: Body, run_id: str, epoch: int, *, inline: bool = False) -> bool:
    """Run one step, if the message is still valid. Return True if the next step's
    message may be sent.

    `inline` marks a call in the caller's own process: there, a failure is not parked,
    but final and raised.
    """
    claimed = claim(task, run_id, epoch)
    if claimed is None:
        logger.info("Stale message: run %s, %s, epoch %s.", run_id, task, epoch)
        return False
    step, parts = claimed
    limit = _unit_limit(step)
    with (
        heartbeat.hold(step.pk, step.attempt, shares=not inline) as held,
        marks.attempt(step.pk, step.attempt, limit),
        logs.written_in(step),
    ):
        context = StepContext(run=step.run, step=step, parts=parts, hold=held, unit_limit=limit)
        # The claim has just been written for the page.
        context.published()
        try:
            # A body that returns nothing has done everything.
            outcome = body(context) or Done()
            if not isinstance(outcome, Done | Partial | Skipped):
                raise Permanent(
                    f"“{step.title}” ended with {outcome!r}, which is no outcome of a step."
                )
            return _complete(context, outcome)
        except Released as released:
            _release(context, released.message)
        except AttemptOver as over:
            logger.info("%s", over)
        except Park as park:
            _park(context, park)
        except Exception as error:
            # A full disk is no fault of the step, so it spends no retry.
            if not inline and disk.is_cause_of(error):
                _wait_for_room(context)
                return False
            _fail(context, error, final=inline)
            if inline:
                raise
    return False


def _unit_limit(step: StepRun) -> float:
    """Return the seconds that a unit of this step may take: those of its definition,
    else those of the settings.
    """
    try:
        definition = definitions.get(step.run.pipeline).step(step.key)
    except UnknownPipeline:
        definition = None
    if definition is None or definition.unit_limit is None:
        return config().unit_limit
    return definition.unit_limit


def claim(task: str, run_id: str, epoch: int) -> tuple[StepRun, list[Part]] | None:
    """Claim the step if the message's epoch is the valid one, by one compare-and-set. A
    stale message costs no more than that.

    Returns the step, with its run, and all steps of the run.
    """
    try:
        return _claim(task, run_id, epoch)
    except OperationalError:
        # A worker keeps its connection between two messages, and the database may have
        # been restarted since. If the first claim was made in spite of the error, the
        # second one finds the message stale, and the sweeper continues the step when
        # the lease is over.
        if connection.in_atomic_block or connection.is_usable():
            raise
        connection.close()
        return _claim(task, run_id, epoch)


def _claim(task: str, run_id: str, epoch: int) -> tuple[StepRun, list[Part]] | None:
    # One number of the run for the event of the claim.
    numbering = Change(Run, {"seq": Sql("seq + 1")}, {"id": run_id}, statements.all_names(Run))
    # The commit need not wait for the disk: if a crash of the database loses the claim,
    # it also loses what the step wrote after it, and the claim is made again.
    (taken, numbered), parts = events.update_with_events(
        [_taking(task, run_id, epoch), numbering],
        [events.RowSnapshot(0, STARTED, {"message_epoch": epoch})],
        listing=Listing(StepRun, Part._fields, {"run_id": run_id}, "idx"),
        async_commit=True,
    )
    if taken is None or numbered is None:
        return None
    step, run = statements.instance(StepRun, taken), statements.instance(Run, numbered)
    step.run = run
    return step, [Part._make(part) for part in parts]


def _taking(task: str, run_id: str, epoch: int) -> Change:
    now = clock.now()
    changes = {
        "state": StepState.RUNNING,
        "attempt": Sql("attempt + 1"),
        "owner": process_id.me(),
        "lease_until": now + timedelta(seconds=config().lease),
        "deadline_at": statements.seconds_after(now, "deadline_seconds"),
        "attempt_started_at": now,
        # The first attempt's start stays, because the duration of a step includes its
        # retries.
        "started_at": Sql("COALESCE(started_at, %s)", (statements.moment(now),)),
        "error": "",
        "cause": "",
        "remedy": "",
        "message": "",
    }
    ready = {"run_id": run_id, "task": task, "epoch": epoch, "state": StepState.READY}
    return Change(StepRun, changes, ready, statements.all_names(StepRun))


def _end_attempt(context: StepContext, **changes: Any) -> StepRun:
    """Write the end of an attempt to its step; inside a transaction, guarded."""
    step, ended = context.step, _ending(context, **changes)
    context.guard(**ended)
    for name, value in ended.items():
        setattr(step, name, value)
    return step


def _ending(context: StepContext, **changes: Any) -> dict[str, Any]:
    spent = active_seconds(context.step, clock.now())
    return {
        "active_seconds": spent,
        "owner": "",
        "lease_until": None,
        "deadline_at": None,
    } | changes


def _complete(context: StepContext, outcome: Outcome) -> bool:
    """Complete the step, make the next one ready, and send the signals, in one
    transaction.

    Returns True if there is a next step.
    """
    now, step = clock.now(), context.step
    changes: dict[str, Any] = {
        "state": outcome.state,
        "result": outcome.result,
        "finished_at": now,
    }
    match outcome:
        case Partial():
            missing = [_storable_missing(item) for item in outcome.missing]
            changes |= {"missing": missing, "message": f"{len(missing)} thing(s) missing."}
        case Skipped(reason=reason):
            changes["message"] = storable(reason)
    following = step.idx < context.parts[-1].idx
    # A change that nothing else belongs to needs no transaction around it.
    alone = following and not step_completed.has_listeners(Run)
    with nullcontext() if alone else transaction.atomic():
        _pass_on(context, _ending(context, **changes), now)
        failed = partial(redelivery.record, context.run.pk)
        deliver(
            step_completed, Run, on_error=failed, run=context.run, step=step, state=step.state
        )
        if not following:
            engine.finish(context.run, [*context.parts[:-1], step], now)
    # After the transaction, so that a completion that is rolled back is not counted.
    durations.note(step.key, step.active_seconds)
    # A pause locks this step first, so the state is still the one that was read under
    # the lock.
    return following and context.run.state == RunState.RUNNING


def _storable_missing(item: Missing) -> Missing:
    """Return it shortened, with the reason masked.

    The name is not masked, because a retry may find its repository by it.
    """
    stored = Missing(
        what=item["what"].replace("\0", "")[:LONGEST_NAME], why=storable(item["why"])
    )
    if "cause" in item:
        stored["cause"] = item["cause"]
    if "remedy" in item:
        stored["remedy"] = item["remedy"]
    return stored


def _pass_on(context: StepContext, ended: dict[str, Any], now: datetime) -> None:
    """Write the end of the step, the next one as ready, and the run's progress."""
    step = context.step
    for name, value in ended.items():
        setattr(step, name, value)
    changes = [context.mine(ended)]
    if step.idx < context.parts[-1].idx:
        ready = {"state": StepState.READY, "dispatched_at": now}
        changes.append(Change(StepRun, ready, {"run_id": step.run_id, "idx": step.idx + 1}, ()))
    context.publish(_ended(step), _level(step), changes)


def _ended(step: StepRun) -> str:
    took = f" after {step.active_seconds:.1f} s"
    match step.state:
        case StepState.SKIPPED:
            return f"{step.title}: skipped. {step.message}"
        case StepState.PARTIAL:
            named = "; ".join(f"{item['what']}: {item['why']}" for item in step.missing)
            return f"{step.title}: done{took}, except for {named}"
        case _:
            return f"{step.title}: done{took}."


def _level(step: StepRun) -> str:
    return "warning" if step.state == StepState.PARTIAL else "info"


def _park(context: StepContext, park: Park) -> None:
    try:
        reason = storable(park.reason)
        with transaction.atomic():
            why = {
                "parked_at": clock.now(),
                "message": reason,
                "cause": park.cause,
                "remedy": park.remedy,
            }
            step = _end_attempt(context, state=StepState.PARKED, parked_until=park.until, **why)
            context.publish()
            words = f"{step.title}: waiting until {park.until:%H:%M:%S} UTC. {reason}"
            events.append(step.run_id, [events.Entry("log", step.key, words, "warning")])
    except AttemptOver as over:
        logger.info("%s", over)


def _wait_for_room(context: StepContext) -> None:
    """Park a step because the disk is full; that spends no retry."""
    logger.error("Run %s, %s: the disk is full.", context.run.pk, context.step.key)
    try:
        _park(
            context,
            Park(
                clock.now() + disk.PAUSE, disk.FULL, cause="disk_full", remedy=Remedy.OPERATOR
            ),
        )
    except DatabaseError as error:
        if not disk.is_cause_of(error):
            raise
        # The disk has no room for the parked state either. The lease runs out, and a
        # sweeper sends the step again when there is room.
        logger.warning(
            "Run %s, %s could not be parked: the disk is full.",
            context.run.pk,
            context.step.key,
        )


def _fail(context: StepContext, error: Exception, *, final: bool) -> None:
    """Park the step for its back-off, or end the run as failed.

    For an unexpected exception only a reference is shown.
    """
    where = f"Run {context.run.pk}, {context.step.key}"
    text = incidents.reason_of(error, where, context.run.pk)
    cause, remedy = cause_of(error)
    if isinstance(error, PipelineError):
        logger.warning("%s: %s", where, text)
    now = clock.now()
    try:
        with transaction.atomic():
            # Read the rows again: a completion that failed has already changed the
            # objects in memory.
            context.step.refresh_from_db()
            context.run.refresh_from_db()
            step = _end_attempt(context)
            step.cause = cause
            _record_failure(
                step, text, now, remedy, final=final or isinstance(error, Permanent)
            )
            context.publish()
            if step.state == StepState.FAILED:
                engine.fail(
                    Run.objects.get(pk=step.run_id), text, now, cause=cause, remedy=remedy
                )
    except AttemptOver as over:
        logger.info("%s", over)


def _record_failure(
    step: StepRun, text: str, now: datetime, remedy: Remedy, *, final: bool
) -> None:
    goes_on = engine.park(step, now, text)
    if goes_on and final:
        step.state, step.parked_until, step.finished_at, step.message = (
            StepState.FAILED,
            None,
            now,
            "",
        )
    if step.state == StepState.FAILED:
        step.remedy = remedy
    step.save()
    if step.state == StepState.FAILED:
        # The run's own event has the reason: one cause is written once.
        return
    events.append(
        step.run_id, [events.Entry("log", step.key, f"{step.title}: {text}", "error")]
    )


def _release(context: StepContext, message: str) -> None:
    """Release the step without spending a retry. A free worker continues it at once, or
    when a paused run is resumed.
    """
    step = context.step
    changes: dict[str, Any] = {"message": message} if message else {}
    with transaction.atomic():
        released = engine.dispatch_tail(
            step.run_id,
            step.idx,
            when=Q(attempt=step.attempt, state=StepState.RUNNING),
            active_seconds=active_seconds(step, clock.now()),
            **changes,
        )
        if released:
            context.tell_emitted()


def run_inline(run: Run, bodies: dict[str, Body]) -> Run:
    """Run all steps of a run in this process, one after the other. `bodies` has their
    bodies by task name. Raises what a step raised.
    """
    for step in list(run.steps.order_by("idx")):
        execute(step.task, bodies[step.task], str(run.pk), run.epoch, inline=True)
        run.refresh_from_db()
        if (
            run.state != RunState.RUNNING
            or run.steps.filter(pk=step.pk, state=StepState.PARKED).exists()
        ):
            break
    return run
