"""Send steps to workers.

A step that ends well is followed by the next one through Huey's own `.then()`. In all
other cases (recovery, a back-off that is over, a release, a retry, a resume)
`dispatch_tail` sends the step. It wins a compare-and-set, raises the epoch of the step
and of all later ones, and only then sends. Any older message finds its epoch invalid
when a worker tries to claim the step.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models import Q
from huey.contrib.djhuey import HUEY

from apps.pipelines import clock, definitions, events, registry
from apps.pipelines.exceptions import UnknownPipeline
from apps.pipelines.models import ACTIVE_RUN_STATES, LIVE, Run, RunState, StepRun, StepState

logger = logging.getLogger(__name__)


def dispatch_tail(run_id: Any, idx: int, *, when: Q, send: bool = True, **changes: Any) -> bool:
    """Send the steps from `idx` on with a new epoch, if the step still matches `when`.
    Return False if it no longer does, because another process changed it first.

    `changes` are written to the step, which becomes ready unless they set another
    state. The step of a paused run is sent when the run is resumed.
    """
    with transaction.atomic():
        # Steps first and then the run: the order of locks that all transactions keep.
        steps = lock(run_id, from_idx=idx)
        still = StepRun.objects.filter(
            when, run_id=run_id, idx=idx, run__state__in=ACTIVE_RUN_STATES
        )
        if not still.exists():
            return False
        run = Run.objects.select_for_update().get(pk=run_id)
        # A new epoch makes every message that was sent before invalid at its claim.
        run.epoch += 1
        run.save(update_fields=["epoch"])
        StepRun.objects.filter(pk__in=[step.pk for step in steps]).update(epoch=run.epoch)
        # The former attempt's claim is cleared, so that no lease or deadline of it is
        # applied to the next one.
        values = {
            "state": StepState.READY,
            "dispatched_at": clock.now(),
            "owner": "",
            "lease_until": None,
            "deadline_at": None,
            "parked_until": None,
            "cause": "",
            "remedy": "",
        }
        StepRun.objects.filter(pk=steps[0].pk).update(**(values | changes))
        step = StepRun.objects.get(pk=steps[0].pk)
        events.append(run_id, [events.step_entry(step)])
        if send and step.state == StepState.READY and run.state == RunState.RUNNING:
            send_on_commit(run_id, run.epoch, [step.task for step in steps])
    return True


def lock(run_id: Any, from_idx: int = 0) -> list[StepRun]:
    """Lock the steps of a run in order, and return them. On SQLite the transaction
    already holds the whole database.
    """
    return list(
        StepRun.objects.select_for_update()
        .filter(run_id=run_id, idx__gte=from_idx)
        .order_by("idx")
    )


def send_on_commit(run_id: Any, epoch: int, tasks: Sequence[str]) -> None:
    # After the commit, because a worker must not read the message before the rows. An
    # error must not reach the caller either, whose change is already committed.
    transaction.on_commit(partial(_send, run_id, epoch, tasks), robust=True)


def _send(run_id: Any, epoch: int, tasks: Sequence[str]) -> None:
    """Enqueue one Huey pipeline of these steps, in this order.

    A failure is only logged: the sweeper finds steps without a message and sends them
    again.
    """
    first, *rest = (registry.get(name).s(run=str(run_id), epoch=epoch) for name in tasks)
    for message in rest:
        first.then(message)
    HUEY.enqueue(first)


def live_steps() -> list[StepRun]:
    """Return all steps that have to be moved on: those of live runs, and the running
    steps of paused runs.
    """
    moving = Q(run__state=RunState.RUNNING, state__in=LIVE) | Q(
        run__state=RunState.PAUSED, state=StepState.RUNNING
    )
    return list(StepRun.objects.filter(moving, state__in=LIVE).select_related("run"))


def unknown_task(run_id: Any, idx: int) -> str:
    """Return the first task, from this step on, that this process's code does not have,
    or an empty text.
    """
    names = (
        StepRun.objects.filter(run_id=run_id, idx__gte=idx)
        .order_by("idx")
        .values_list("task", flat=True)
    )
    return next((name for name in names if not registry.is_known(name)), "")


def removed_task_reason(run: Run, idx: int) -> str:
    """Return why a run cannot go on with the present definition, as a message for
    users; empty if it can.

    A run keeps the steps that it began with, whatever the definition is now, as long as
    their tasks exist. If a task is missing, the version of the definition decides: a
    newer definition means that an update removed the task, and an older one means that
    this process runs older code than the run.
    """
    task = unknown_task(run.pk, idx)
    if not task:
        return ""
    try:
        version = definitions.get(run.pipeline).version
    except UnknownPipeline:
        version = run.definition_version
    if version <= run.definition_version:
        return ""
    return (
        f"This run started with version {run.definition_version} of its steps. The update to "
        f"version {version} removed the task {task!r}, so the run cannot continue. Everything "
        "done so far is kept. Start a new run."
    )
