"""Starting, sending, ending, retrying and cancelling runs.

`dispatch_tail` is the one way by which a step that is not simply next gets to a worker: recovery, a back-off that is
over, a release, a retry. It wins a compare-and-set, raises the epoch of the step and all later ones, and only then
sends; any older message dies at its claim. On the normal path Huey's own `.then()` hands on.
"""

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from huey.contrib.djhuey import HUEY

from apps.pipelines import clock, definitions, events, progress
from apps.pipelines.conf import config
from apps.pipelines.exceptions import NotAllowed
from apps.pipelines.models import LIVE, PASSED, Run, RunState, StepRun, StepState
from apps.pipelines.outcomes import Missing
from apps.pipelines.signals import (
    deliver,
    pipeline_cancelled,
    pipeline_completed,
    pipeline_failed,
    pipeline_retried,
    pipeline_started,
)

logger = logging.getLogger(__name__)

__all__ = ["NotAllowed", "cancel", "dispatch_tail", "retry", "start"]


def start(
    pipeline: str,
    *,
    subject: str,
    params: dict[str, Any],
    started_by: Any = None,
    dedupe_key: str | None = None,
    once_key: str | None = None,
    send: bool = True,
) -> tuple[Run, bool]:
    """Start a pipeline, or join the live run that holds the same `dedupe_key` (default: the subject).

    With `once_key` an ended run of that key is joined too. Returns the run and whether it is new. The first step is
    sent after commit; if that fails the sweeper sends it.
    """
    key = dedupe_key or subject
    same = Q(pipeline=pipeline, dedupe_key=key, state=RunState.RUNNING)
    if once_key:
        same |= Q(once_key=once_key)
    for _ in range(5):
        if joined := Run.objects.filter(same).first():
            return joined, False
        try:
            with transaction.atomic():
                run = _create(pipeline, subject, params, started_by, key, once_key)
                if send:
                    _send_on_commit(run.pk, run.epoch, 0)
            return run, True
        except IntegrityError:
            # Somebody started it between our look and our insert: look again. If that run has ended, insert again.
            continue
    raise NotAllowed("The run could not be started, because others of its kind start and end all the time. Try again.")


def _create(
    pipeline: str, subject: str, params: dict[str, Any], started_by: Any, dedupe_key: str, once_key: str | None
) -> Run:
    definition, now = definitions.get(pipeline), clock.now()
    run = Run.objects.create(
        pipeline=pipeline,
        definition_version=definition.version,
        subject=subject,
        dedupe_key=dedupe_key,
        once_key=once_key,
        params=params,
        started_by=started_by,
        created_at=now,
        generation_started_at=now,
    )
    StepRun.objects.bulk_create(
        StepRun(
            run=run,
            idx=idx,
            key=step.key,
            title=step.title,
            task=step.task.name,
            queue=step.queue,
            weight=step.weight,
            max_failures=step.retries,
            backoff_seconds=step.backoff,
            deadline_seconds=step.deadline,
            state=StepState.READY if idx == 0 else StepState.WAITING,
            dispatched_at=now if idx == 0 else None,
        )
        for idx, step in enumerate(definition.steps)
    )
    events.append(run.pk, [*_step_entries(run), events.run_entry(run, f"{definition.title} started.")])
    _tell(pipeline_started, run)
    return run


def _step_entries(run: Run) -> list[events.Entry]:
    return [events.step_entry(step) for step in StepRun.objects.filter(run=run).order_by("idx")]


def dispatch_tail(run_id: Any, idx: int, *, when: Q, send: bool = True, **changes: Any) -> bool:
    """Send the steps from `idx` on with a new epoch, if the step still is as `when` says. False: somebody else did.

    `changes` are written to the step; unless they say otherwise it becomes ready.
    """
    with transaction.atomic():
        steps = _lock(run_id, from_idx=idx)
        if not StepRun.objects.filter(when, run_id=run_id, idx=idx, run__state=RunState.RUNNING).exists():
            return False
        run = Run.objects.select_for_update().get(pk=run_id)
        run.epoch += 1
        run.save(update_fields=["epoch"])
        StepRun.objects.filter(pk__in=[step.pk for step in steps]).update(epoch=run.epoch)
        values = {
            "state": StepState.READY,
            "dispatched_at": clock.now(),
            "owner": "",
            "lease_until": None,
            "deadline_at": None,
            "parked_until": None,
        }
        StepRun.objects.filter(pk=steps[0].pk).update(**(values | changes))
        step = StepRun.objects.get(pk=steps[0].pk)
        events.append(run_id, [events.step_entry(step)])
        if send and step.state == StepState.READY:
            _send_on_commit(run_id, run.epoch, idx)
    return True


def _lock(run_id: Any, from_idx: int = 0) -> list[StepRun]:
    """The steps of a run, locked in order (on SQLite the transaction holds the whole database)."""
    return list(StepRun.objects.select_for_update().filter(run_id=run_id, idx__gte=from_idx).order_by("idx"))


def _send_on_commit(run_id: Any, epoch: int, idx: int) -> None:
    transaction.on_commit(partial(_send, run_id, epoch, idx), robust=True)


def _send(run_id: Any, epoch: int, idx: int) -> None:
    """Enqueue one Huey pipeline of the step and all that follow it. What fails here the sweeper makes good."""
    from apps.pipelines.tasks import by_name

    names = StepRun.objects.filter(run_id=run_id, idx__gte=idx).order_by("idx").values_list("task", flat=True)
    first, *rest = (by_name(name).s(run=str(run_id), epoch=epoch) for name in names)
    for message in rest:
        first.then(message)
    HUEY.enqueue(first)


def finish(run: Run, steps: Sequence[StepRun], now: datetime) -> None:
    """End a run whose steps have all passed: partial where a step was, else done. The caller holds the rows."""
    missing: list[Missing] = [item for step in steps for item in step.missing]
    run.state = RunState.PARTIAL if any(step.state == StepState.PARTIAL for step in steps) else RunState.DONE
    run.percent, run.eta_seconds, run.missing, run.finished_at = 100, 0, missing, now
    run.save(update_fields=["state", "percent", "eta_seconds", "missing", "finished_at"])
    words = "Done." if run.state == RunState.DONE else f"Done, but for {len(missing)} thing(s) that are missing."
    events.append(run.pk, [events.run_entry(run, words)])
    _tell(pipeline_completed, run, state=run.state)


def fail(run: Run, error: str, now: datetime) -> None:
    """End a run whose step has failed for good. The caller holds the rows and has written the step."""
    run.state, run.error, run.eta_seconds, run.finished_at = RunState.FAILED, error, None, now
    run.save(update_fields=["state", "error", "eta_seconds", "finished_at"])
    events.append(run.pk, [events.run_entry(run, error, level="error")])
    _tell(pipeline_failed, run, error=error)


def park(step: StepRun, now: datetime, error: str) -> bool:
    """Write a failure of a step that its caller holds: parked for its back-off, or failed if its budget is used up.

    Returns True where the run goes on. `step` is changed but the attempt's own fields are left to the caller.
    """
    step.failures += 1
    step.error = error
    if step.failures > step.max_failures:
        step.state, step.finished_at = StepState.FAILED, now
        return False
    delay = min(step.backoff_seconds * 2 ** (step.failures - 1), config().backoff_cap)
    step.state, step.parked_until = StepState.PARKED, now + timedelta(seconds=delay)
    step.message = f"{error} Tries again by itself ({step.failures} of {step.max_failures})."
    return True


def retry(run: Run, selection: Sequence[str] | None = None) -> Run:
    """Go on with an ended run from its first step that did not wholly succeed, at its cursor, as a new generation.

    `selection` is handed to the step's `prepare_retry`. Raises NotAllowed where there is nothing to retry.
    """
    try:
        with transaction.atomic():
            steps = _lock(run.pk)
            fresh = Run.objects.select_for_update().get(pk=run.pk)
            first = _retry_from(fresh, steps)
            _reopen(fresh, steps, first, selection)
    except IntegrityError:
        raise NotAllowed("Another run of the same kind is under way. Wait for it, or cancel it, then retry.") from None
    return fresh


def _retry_from(run: Run, steps: Sequence[StepRun]) -> StepRun:
    if run.state == RunState.RUNNING:
        raise NotAllowed("The run is still under way; there is nothing to retry yet.")
    if run.state == RunState.DONE:
        raise NotAllowed("The run is done; there is nothing to retry.")
    for step in steps:
        if step.state not in (StepState.DONE, StepState.SKIPPED):
            return step
    raise NotAllowed("All steps of the run are done; there is nothing to retry.")


def _reopen(run: Run, steps: Sequence[StepRun], first: StepRun, selection: Sequence[str] | None) -> None:
    now = clock.now()
    run.state, run.error, run.missing, run.finished_at, run.eta_seconds = RunState.RUNNING, "", [], None, None
    run.epoch, run.generation, run.generation_started_at = run.epoch + 1, run.generation + 1, now
    fresh = {"failures": 0, "crashes": 0, "error": "", "missing": [], "finished_at": None, "epoch": run.epoch}
    idle = {"owner": "", "lease_until": None, "deadline_at": None, "parked_until": None, "redispatches": 0}
    later = [step.pk for step in steps if step.idx > first.idx]
    StepRun.objects.filter(pk__in=later).update(
        **fresh, **idle, state=StepState.WAITING, cursor={}, result={}, done=0, total=None, message="",
        dispatched_at=None, started_at=None, active_seconds=0.0,
    )  # fmt: skip
    StepRun.objects.filter(pk=first.pk).update(
        **fresh, **idle, state=StepState.READY, dispatched_at=now, message="", active_seconds=0.0
    )
    definition = definitions.get(run.pipeline).step(first.key)
    if definition and definition.prepare_retry:
        definition.prepare_retry(run, StepRun.objects.get(pk=first.pk), selection)
    elif selection:
        raise NotAllowed(f"Only whole steps can be retried here; {first.title!r} has no parts to choose from.")
    run.percent = 0
    run.percent = progress.percent(run, list(StepRun.objects.filter(run=run)))
    # Not the whole row: `prepare_retry` may have written events, which number themselves on it.
    run.save(
        update_fields=["state", "error", "missing", "finished_at", "eta_seconds", "epoch", "generation",
                       "generation_started_at", "percent"]
    )  # fmt: skip
    events.append(run.pk, [*_step_entries(run), events.run_entry(run, f"Retry from “{first.title}”.")])
    _tell(pipeline_retried, run, step=first)
    _send_on_commit(run.pk, run.epoch, first.idx)


def cancel(run: Run) -> Run:
    """End a live run now. A worker in the midst of it can commit nothing more and stops at its next unit."""
    with transaction.atomic():
        steps = _lock(run.pk)
        fresh = Run.objects.select_for_update().get(pk=run.pk)
        if fresh.state != RunState.RUNNING:
            raise NotAllowed(f"The run has ended already ({fresh.get_state_display().lower()}); nothing to cancel.")
        now = clock.now()
        fresh.state, fresh.finished_at, fresh.eta_seconds = RunState.CANCELLED, now, None
        fresh.epoch += 1
        fresh.save(update_fields=["state", "finished_at", "eta_seconds", "epoch"])
        open_steps = [step.pk for step in steps if step.state not in PASSED]
        StepRun.objects.filter(pk__in=open_steps).update(
            state=StepState.CANCELLED, epoch=fresh.epoch, owner="", lease_until=None, deadline_at=None,
            parked_until=None, finished_at=now,
        )  # fmt: skip
        cancelled = StepRun.objects.filter(pk__in=open_steps).order_by("idx")
        events.append(fresh.pk, [*map(events.step_entry, cancelled), events.run_entry(fresh, "Cancelled.", "warning")])
        _tell(pipeline_cancelled, fresh)
    return fresh


def _tell(signal: Any, run: Run, **named: Any) -> None:
    deliver(signal, Run, on_error=partial(record_receiver_failure, run.pk), run=run, **named)


def record_receiver_failure(run_id: Any, receiver: str, error: Exception) -> None:
    """What cannot be done is said: a failed receiver becomes an event of its run."""
    text = f"{receiver} failed: {type(error).__name__}: {error}"
    events.append(run_id, [events.Entry("receiver_failed", receiver, text, "error")])


def live_steps() -> list[StepRun]:
    """All steps of live runs that somebody has to move on."""
    return list(StepRun.objects.filter(state__in=LIVE, run__state=RunState.RUNNING).select_related("run"))
