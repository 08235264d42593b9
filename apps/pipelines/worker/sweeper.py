"""Find the steps that no worker moves on, and send them again.

The sweeper decides by rows and repeats each decision as a compare-and-set, so any
number of sweepers may run at once. What it finds, and what it does:

    running, owner dead or lease over     a crash: sent again, or failed when its crash budget is used up
    running, deadline over                a failure: parked for its back-off, or failed
    ended by its supervisor               counted, and sent again (see `hangs`)
    parked, time is up                    sent
    ready, and its message is gone        sent again

If an update removed a step's task, the step fails and is not sent. The sweeper also
retries the receivers of signals that failed (see `redelivery`).
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache

from django.db import transaction
from django.db.models import Q
from huey.contrib.djhuey import HUEY

from apps.pipelines import clock, engine, events, redelivery
from apps.pipelines.conf import config
from apps.pipelines.dispatch import removed_task_reason, unknown_task
from apps.pipelines.models import StepRun, StepState
from apps.pipelines.remedy import Remedy
from apps.pipelines.worker import disk, hangs, process_id

logger = logging.getLogger(__name__)

# Messages that wait in a queue.
Pending = Callable[[str], int]


class NotSwept(Exception):
    """Some steps could not be checked; all others were."""


def sweep() -> int:
    """Handle the reports of supervisors, then check every live step once.

    Returns how many steps were moved on. Raises NotSwept after the last one, if any
    failed.
    """
    hangs.handle_reports()
    now = clock.now()
    # Each queue is counted once per sweep, however many steps wait in it.
    pending: Pending = cache(HUEY.pending_count)
    moved, failed = 0, 0
    for step in engine.live_steps():
        try:
            moved += _look(step, now, pending)
        except Exception:
            # One broken row, or a queue that is away, must not keep the other steps
            # from being checked.
            logger.exception("Run %s, %s could not be swept.", step.run_id, step.key)
            failed += 1
    redelivery.retry_due()
    if failed:
        raise NotSwept(f"{failed} step(s) could not be looked at.")
    return moved


def _look(step: StepRun, now: datetime, pending: Pending) -> bool:
    match step.state:
        case StepState.RUNNING:
            if (step.lease_until and step.lease_until < now) or process_id.is_dead(step.owner):
                return _crashed(step, now)
            # The attempt itself checks its deadline between units. This case is an
            # attempt that hangs in a call.
            if (
                step.deadline_at
                and step.deadline_at + timedelta(seconds=config().hung_after) < now
            ):
                return _overdue(step, now)
        case StepState.PARKED if step.parked_until and step.parked_until <= now:
            if unknown_task(step.run_id, step.idx):
                return _not_here(step, now)
            return engine.dispatch_tail(
                step.run_id, step.idx, when=Q(state=StepState.PARKED, epoch=step.epoch)
            )
        case StepState.READY if _lost(step, now, pending):
            if unknown_task(step.run_id, step.idx):
                return _not_here(step, now)
            return engine.dispatch_tail(
                step.run_id,
                step.idx,
                when=Q(state=StepState.READY, epoch=step.epoch),
                redispatches=step.redispatches + 1,
            )
    return False


def _not_here(step: StepRun, now: datetime) -> bool:
    """Fail the run if an update removed one of its tasks. Return whether it failed.

    If this code is instead older than the run, as during a deployment, the run goes on:
    newer workers send the step.
    """
    if not (reason := removed_task_reason(step.run, step.idx)):
        return False
    return engine.give_up(
        step,
        Q(state=step.state, epoch=step.epoch),
        reason,
        now,
        cause="updated",
        remedy=Remedy.NONE,
    )


def _lost(step: StepRun, now: datetime, pending: Pending) -> bool:
    """Return whether the message of a ready step is gone: certainly when its queue is
    empty, else by the step's age.
    """
    age = (now - step.dispatched_at).total_seconds() if step.dispatched_at else float("inf")
    if age < config().missing_message_after:
        return False
    # A busy queue is not empty, so age alone proves little. The wait is doubled each
    # time, so that a long queue is not filled with copies.
    cap = min(config().redispatch_after * 2**step.redispatches, config().redispatch_cap)
    return age > cap or pending(step.queue) == 0


def _crashed(step: StepRun, now: datetime) -> bool:
    if hangs.is_reported(step.owner):
        # Its supervisor has just ended it; the next sweep handles the report.
        return False
    if disk.problem():
        # The attempt may have ended without a trace because the disk is full. Another
        # attempt could store nothing either.
        return False
    same = Q(state=StepState.RUNNING, attempt=step.attempt)
    crashes = step.crashes + 1
    # The step itself may be what ends its workers.
    if crashes > step.max_crashes:
        text = (
            f"The worker crashed {crashes} times in this step, so it is not retried "
            "automatically."
        )
        return engine.give_up(
            step,
            same,
            text,
            now,
            cause="worker_crashed",
            remedy=Remedy.OPERATOR,
            crashes=crashes,
        )
    logger.warning(
        "Run %s, %s: worker %s is gone; sending it again.", step.run_id, step.key, step.owner
    )
    with transaction.atomic():
        sent = engine.dispatch_tail(step.run_id, step.idx, when=same, crashes=crashes)
        if sent:
            text = f"{step.title}: the worker crashed; continuing where it stopped."
            events.append(step.run_id, [events.Entry("log", step.key, text, "warning")])
    return sent


def _overdue(step: StepRun, now: datetime) -> bool:
    text = f"“{step.title}” took longer than {step.deadline_seconds:.0f} s and did not answer."
    same = Q(state=StepState.RUNNING, attempt=step.attempt)
    if not engine.park(step, now, text):
        return engine.give_up(
            step, same, text, now, cause="too_slow", remedy=Remedy.RETRY, failures=step.failures
        )
    with transaction.atomic():
        parked = engine.dispatch_tail(
            step.run_id,
            step.idx,
            when=same,
            state=StepState.PARKED,
            parked_at=step.parked_at,
            parked_until=step.parked_until,
            failures=step.failures,
            error=text,
            cause="too_slow",
            remedy=Remedy.WAIT,
            message=step.message,
            dispatched_at=None,
        )
        if parked:
            events.append(
                step.run_id, [events.Entry("log", step.key, f"{step.title}: {text}", "error")]
            )
    return parked
