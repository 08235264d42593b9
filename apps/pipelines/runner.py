"""One message at work: claim the step, run its body, record how it ended.

    message (run, epoch) -> claim: one compare-and-set -> body, unit by unit -> complete | park | fail | release

The wrapper holds the only broad `except`: whatever a body raises becomes a recorded outcome. Returning normally makes
Huey send the next step's message; in every other case the message's chain is cut, and the rows say who goes on.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from apps.pipelines import clock, engine, events, heartbeat, logs, owners
from apps.pipelines.conf import config
from apps.pipelines.context import StepContext
from apps.pipelines.exceptions import AttemptOver, Park, Permanent, PipelineError, Released
from apps.pipelines.models import Run, RunState, StepRun, StepState
from apps.pipelines.outcomes import Done, Outcome, Partial, Skipped
from apps.pipelines.progress import active_seconds
from apps.pipelines.signals import deliver, step_completed

logger = logging.getLogger(__name__)

Body = Callable[..., Outcome | None]


def execute(task: str, body: Body, run_id: str, epoch: int, *, inline: bool = False) -> bool:
    """Run one step, if the message is still valid. True where the next step's message may be sent.

    `inline` is a call in the caller's own process: nothing is parked for a failure, which is final and raised.
    """
    step = claim(task, run_id, epoch)
    if step is None:
        logger.info("Stale message: run %s, %s, epoch %s.", run_id, task, epoch)
        return False
    with heartbeat.hold(step.pk, step.attempt, shares=not inline) as held, logs.written_in(step):
        context = StepContext(run=step.run, step=step, hold=held)
        try:
            _announce(context, epoch)
            outcome = body(context) or Done()
            if not isinstance(outcome, Done | Partial | Skipped):
                raise Permanent(f"“{step.title}” ended with {outcome!r}, which is no outcome of a step.")
            return _complete(context, outcome)
        except Released as released:
            _release(context, released.message)
        except AttemptOver as over:
            logger.info("%s", over)
        except Park as park:
            _park(context, park)
        except Exception as error:
            _fail(context, error, final=inline)
            if inline:
                raise
    return False


def claim(task: str, run_id: str, epoch: int) -> StepRun | None:
    """Take the step if the message's epoch is the valid one: one compare-and-set; a stale message costs no more."""
    now, owner = clock.now(), owners.me()
    taken = StepRun.objects.filter(run_id=run_id, task=task, epoch=epoch, state=StepState.READY).update(
        state=StepState.RUNNING,
        attempt=F("attempt") + 1,
        owner=owner,
        lease_until=now + timedelta(seconds=config().lease),
        attempt_started_at=now,
        started_at=Coalesce(F("started_at"), now),
        error="",
    )
    if not taken:
        return None
    return StepRun.objects.select_related("run").get(run_id=run_id, task=task)


def _announce(context: StepContext, epoch: int) -> None:
    step = context.step
    with transaction.atomic():
        context.guard()
        step.deadline_at = clock.now() + timedelta(seconds=step.deadline_seconds)
        step.message = ""
        step.save(update_fields=["deadline_at", "message"])
        again = f" (attempt {step.attempt})" if step.attempt > 1 else ""
        started = events.step_entry(step, f"{step.title}: started{again}.")
        started.data["message_epoch"] = epoch
        events.append(step.run_id, [started])
    context.published()


def _end_attempt(context: StepContext, **changes: Any) -> StepRun:
    """Write the end of an attempt to its step; inside a transaction, guarded."""
    context.guard()
    step, now = context.step, clock.now()
    step.active_seconds = active_seconds(step, now)
    step.owner, step.lease_until, step.deadline_at = "", None, None
    for name, value in changes.items():
        setattr(step, name, value)
    step.save()
    return step


def _complete(context: StepContext, outcome: Outcome) -> bool:
    """The step is done, the next one ready, the signals sent: one transaction. True where there is a next one."""
    now = clock.now()
    with transaction.atomic():
        changes: dict[str, Any] = {"state": outcome.state, "result": outcome.result, "finished_at": now, "message": ""}
        match outcome:
            case Partial(missing=missing):
                changes |= {"missing": missing, "message": f"{len(missing)} thing(s) missing."}
            case Skipped(reason=reason):
                changes["message"] = reason
            case Done():
                changes["message"] = context.step.message
        step = _end_attempt(context, **changes)
        following = StepRun.objects.filter(run_id=step.run_id, idx=step.idx + 1)
        is_last = not following.update(state=StepState.READY, dispatched_at=now)
        context.publish(*map(events.step_entry, following))
        events.append(step.run_id, [events.Entry("log", step.key, _ended(step), _level(step))])
        run = Run.objects.get(pk=step.run_id)
        failed = partial(engine.record_receiver_failure, run.pk)
        deliver(step_completed, Run, on_error=failed, run=run, step=step, state=step.state)
        if is_last:
            engine.finish(run, list(StepRun.objects.filter(run=run).order_by("idx")), now)
    # Who pauses takes the lock of this step first, so the state is still what it was when we took it.
    return not is_last and run.state == RunState.RUNNING


def _ended(step: StepRun) -> str:
    took = f" after {step.active_seconds:.1f} s"
    match step.state:
        case StepState.SKIPPED:
            return f"{step.title}: skipped. {step.message}"
        case StepState.PARTIAL:
            named = "; ".join(f"{item['what']}: {item['why']}" for item in step.missing)
            return f"{step.title}: done{took}, but for {named}"
        case _:
            return f"{step.title}: done{took}."


def _level(step: StepRun) -> str:
    return "warning" if step.state == StepState.PARTIAL else "info"


def _park(context: StepContext, park: Park) -> None:
    try:
        with transaction.atomic():
            step = _end_attempt(context, state=StepState.PARKED, parked_until=park.until, message=park.reason)
            context.publish()
            words = f"{step.title}: waits until {park.until:%H:%M:%S} UTC. {park.reason}"
            events.append(step.run_id, [events.Entry("log", step.key, words, "warning")])
    except AttemptOver as over:
        logger.info("%s", over)


def _fail(context: StepContext, error: Exception, *, final: bool) -> None:
    """Park the step for its back-off, or end the run as failed. Foreign exceptions are logged with their traceback."""
    if isinstance(error, PipelineError):
        text = str(error)
        logger.warning("Run %s, %s: %s", context.run.pk, context.step.key, text)
    else:
        text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        logger.exception("Run %s, %s failed.", context.run.pk, context.step.key)
    now = clock.now()
    try:
        with transaction.atomic():
            step = _end_attempt(context)
            _record_failure(step, text, now, final=final or isinstance(error, Permanent))
            context.publish()
            if step.state == StepState.FAILED:
                engine.fail(Run.objects.get(pk=step.run_id), text, now)
    except AttemptOver as over:
        logger.info("%s", over)


def _record_failure(step: StepRun, text: str, now: datetime, *, final: bool) -> None:
    goes_on = engine.park(step, now, text)
    if goes_on and final:
        step.state, step.parked_until, step.finished_at, step.message = StepState.FAILED, None, now, ""
    step.save()
    events.append(step.run_id, [events.Entry("log", step.key, f"{step.title}: {text}", "error")])


def _release(context: StepContext, message: str) -> None:
    """Give the step back: nothing is spent, and a free worker goes on at once, or in a paused run when it goes on."""
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
    """Run all steps of a run in this process, one after the other; `bodies` by task name. Raises what a step raised."""
    for step in list(run.steps.order_by("idx")):
        execute(step.task, bodies[step.task], str(run.pk), run.epoch, inline=True)
        run.refresh_from_db()
        if run.state != RunState.RUNNING or run.steps.filter(pk=step.pk, state=StepState.PARKED).exists():
            break
    return run
