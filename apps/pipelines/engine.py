"""Start, end, pause, resume, retry, and cancel runs.

Each function is one transaction under the locks of the run's steps and of the run, so
two calls at once run one after the other. The second one finds that its work is done,
or raises with the reason. `dispatch` sends the steps to workers.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from apps.masking import storable
from apps.pipelines import clock, definitions, events, progress, redelivery
from apps.pipelines.conf import config
from apps.pipelines.dispatch import (
    dispatch_tail,
    live_steps,
    lock,
    removed_task_reason,
    send_on_commit,
)
from apps.pipelines.exceptions import NotAllowed
from apps.pipelines.models import ACTIVE_RUN_STATES, PASSED, Run, RunState, StepRun, StepState
from apps.pipelines.outcomes import Missing
from apps.pipelines.remedy import Remedy
from apps.pipelines.signals import (
    deliver,
    pipeline_cancelled,
    pipeline_completed,
    pipeline_failed,
    pipeline_retried,
    pipeline_started,
)
from apps.pipelines.sql import statements

__all__ = [
    "NotAllowed",
    "cancel",
    "dispatch_tail",
    "live_steps",
    "pause",
    "resume",
    "retry",
    "start",
]


def start(
    pipeline: str,
    *,
    subject: str,
    params: dict[str, Any],
    started_by: Any = None,
    dedupe_key: str | None = None,
    once_key: str | None = None,
    kind: str = "",
    send: bool = True,
) -> tuple[Run, bool]:
    """Start a pipeline, or join the live run with the same `dedupe_key` (default: the
    subject).

    `kind` is stored with a new run. With `once_key`, an ended run with that key is
    joined too. Returns the run and whether it is new. The first step is sent after the
    commit; if that fails, the sweeper sends it.
    """
    key = dedupe_key or subject
    same = Q(pipeline=pipeline, dedupe_key=key, state__in=ACTIVE_RUN_STATES)
    if once_key:
        same |= Q(once_key=once_key)
    for _ in range(5):
        try:
            with transaction.atomic():
                run, steps = _create(pipeline, subject, params, started_by, key, once_key, kind)
                if send:
                    send_on_commit(run.pk, run.epoch, [step.task for step in steps])
            return run, True
        except IntegrityError:
            # A live run has the key. If it ends before it is read here, insert again.
            if joined := Run.objects.filter(same).first():
                return joined, False
    raise NotAllowed(
        "The run could not be started because of other runs of its kind. Try again."
    )


def _create(
    pipeline: str,
    subject: str,
    params: dict[str, Any],
    started_by: Any,
    dedupe_key: str,
    once_key: str | None,
    kind: str,
) -> tuple[Run, list[StepRun]]:
    definition, now = definitions.get(pipeline), clock.now()
    run = Run(
        pipeline=pipeline,
        definition_version=definition.version,
        subject=subject,
        dedupe_key=dedupe_key,
        once_key=once_key,
        kind=kind,
        params=params,
        started_by=started_by,
        created_at=now,
        generation_started_at=now,
        seq=len(definition.steps) + 1,
    )
    steps = [
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
    ]
    statements.insert_models([run])
    statements.insert_models(steps)
    said = events.run_entry(run, f"{definition.title} started.")
    events.write(run.pk, run.seq, [*map(events.step_entry, steps), said])
    run._state.adding = False
    _tell(pipeline_started, run)
    return run, steps


def _step_entries(run: Run) -> list[events.Entry]:
    return [events.step_entry(step) for step in StepRun.objects.filter(run=run).order_by("idx")]


def finish(run: Run, steps: Sequence[progress.Part | StepRun], now: datetime) -> None:
    """End a run whose steps have all passed: as partial if one of the steps was, else
    as done.

    The caller holds the rows.
    """
    missing: list[Missing] = [item for step in steps for item in step.missing]
    state = (
        RunState.PARTIAL
        if any(step.state == StepState.PARTIAL for step in steps)
        else RunState.DONE
    )
    whole = state == RunState.DONE
    percent = 100 if whole else progress.percent(run, steps)
    _end(run, state=state, percent=percent, eta_seconds=0, missing=missing, finished_at=now)
    things = "one thing that is" if len(missing) == 1 else f"{len(missing)} things that are"
    words = "Done." if state == RunState.DONE else f"Done, except for {things} missing."
    events.append(run.pk, [events.run_entry(run, words)])
    _tell(pipeline_completed, run, state=run.state)


def fail(
    run: Run, error: str, now: datetime, *, cause: str = "failed", remedy: str = Remedy.RETRY
) -> None:
    """End a run whose step has failed for good.

    The caller holds the rows and has written the step.
    """
    error = storable(error)
    why = {"error": error, "cause": cause, "remedy": remedy}
    _end(run, state=RunState.FAILED, eta_seconds=None, finished_at=now, **why)
    events.append(run.pk, [events.run_entry(run, error, level="error")])
    _tell(pipeline_failed, run, error=error)


def _end(run: Run, **changes: Any) -> None:
    statements.update(Run, changes, id=run.pk)
    for name, value in changes.items():
        setattr(run, name, value)


def park(step: StepRun, now: datetime, error: str) -> bool:
    """Handle a failure of a step that the caller holds: park it for its back-off, or
    fail it if its budget is used up.

    Returns True if the run goes on. The attempt's own fields of `step` stay unchanged:
    the caller has written them, and the cause and the remedy. A step that is retried
    automatically has the remedy WAIT.
    """
    error = storable(error)
    step.failures += 1
    step.error = error
    if step.failures > step.max_failures:
        step.state, step.finished_at = StepState.FAILED, now
        return False
    delay = min(step.backoff_seconds * 2 ** (step.failures - 1), config().backoff_cap)
    step.state, step.parked_at, step.parked_until = (
        StepState.PARKED,
        now,
        now + timedelta(seconds=delay),
    )
    step.remedy = Remedy.WAIT
    step.message = f"{error} Retrying automatically ({step.failures} of {step.max_failures})."
    return True


def give_up(
    step: StepRun,
    when: Q,
    text: str,
    now: datetime,
    *,
    cause: str,
    remedy: Remedy,
    **changes: Any,
) -> bool:
    """Fail a step that no worker works on, and its run, if the step still matches
    `when`.

    Returns whether it did.
    """
    why: dict[str, Any] = {"error": text, "cause": cause, "remedy": remedy}
    with transaction.atomic():
        moved = dispatch_tail(
            step.run_id,
            step.idx,
            when=when,
            state=StepState.FAILED,
            finished_at=now,
            **why,
            **changes,
        )
        if moved:
            run = Run.objects.select_for_update().get(pk=step.run_id)
            fail(run, text, now, cause=cause, remedy=remedy)
    return moved


def retry(run: Run, selection: Sequence[str] | None = None, *, by: Any = None) -> Run:
    """Continue an ended run from its first step that did not fully succeed, at its
    cursor, as a new generation.

    `selection` is passed to the step's `prepare_retry`; `by` is the user who retries it
    (see `_acted`). If two clicks come at once, the second one gets the run that the
    first one continued.

    Raises:
        NotAllowed: if there is nothing to retry.
    """
    try:
        with transaction.atomic():
            steps, fresh = _hold(run)
            if fresh.is_live and not run.is_live and fresh.generation == run.generation + 1:
                return fresh
            first = _retry_from(fresh, steps)
            _reopen(fresh, steps, first, selection, by)
    except IntegrityError:
        raise NotAllowed(
            "Another run of the same kind is in progress. Wait for it, or cancel it, then retry."
        ) from None
    return fresh


def _retry_from(run: Run, steps: Sequence[StepRun]) -> StepRun:
    if run.state == RunState.PAUSED:
        raise NotAllowed("The run is paused. Resume it to continue.")
    if run.state == RunState.RUNNING:
        raise NotAllowed("The run is still in progress; there is nothing to retry yet.")
    if run.state == RunState.DONE:
        raise NotAllowed("The run is done; there is nothing to retry.")
    for step in steps:
        if step.state not in (StepState.DONE, StepState.SKIPPED):
            if reason := removed_task_reason(run, step.idx):
                raise NotAllowed(reason)
            return step
    raise NotAllowed("All steps of the run are done; there is nothing to retry.")


def _reopen(
    run: Run, steps: Sequence[StepRun], first: StepRun, selection: Sequence[str] | None, by: Any
) -> None:
    now = clock.now()
    run.cause, run.remedy = "", ""
    acted = _acted(run, "retried", by, now)
    run.state, run.error, run.missing, run.finished_at, run.eta_seconds = (
        RunState.RUNNING,
        "",
        [],
        None,
        None,
    )
    run.epoch, run.generation, run.generation_started_at = (
        run.epoch + 1,
        run.generation + 1,
        now,
    )
    run.compacted_at = None
    fresh = {
        "failures": 0,
        "crashes": 0,
        "hung": {},
        "error": "",
        "cause": "",
        "remedy": "",
        "missing": [],
        "finished_at": None,
        "epoch": run.epoch,
    }
    idle = {
        "owner": "",
        "lease_until": None,
        "deadline_at": None,
        "parked_until": None,
        "redispatches": 0,
    }
    later = [step.pk for step in steps if step.idx > first.idx]
    StepRun.objects.filter(pk__in=later).update(
        **fresh,
        **idle,
        state=StepState.WAITING,
        cursor={},
        result={},
        done=0,
        total=None,
        message="",
        dispatched_at=None,
        started_at=None,
        active_seconds=0.0,
    )
    StepRun.objects.filter(pk=first.pk).update(
        **fresh,
        **idle,
        state=StepState.READY,
        dispatched_at=now,
        message="",
        active_seconds=0.0,
    )
    definition = definitions.get(run.pipeline).step(first.key)
    if definition and definition.prepare_retry:
        definition.prepare_retry(run, StepRun.objects.get(pk=first.pk), selection)
    elif selection:
        raise NotAllowed(
            f"Only whole steps can be retried here; {first.title!r} has no parts to choose from."
        )
    run.percent = 0
    run.percent = progress.percent(run, list(StepRun.objects.filter(run=run)))
    # Not the whole row: `prepare_retry` may have written events, which raise the number
    # on the row.
    run.save(
        update_fields=[
            "state",
            "error",
            "missing",
            "finished_at",
            "eta_seconds",
            "epoch",
            "generation",
            "generation_started_at",
            "percent",
            "compacted_at",
            "cause",
            "remedy",
            *acted,
        ]
    )
    text = f"Retry from “{first.title}”{_by(run)}."
    events.append(run.pk, [*_step_entries(run), events.run_entry(run, text)])
    _tell(pipeline_retried, run, step=first)
    send_on_commit(run.pk, run.epoch, [step.task for step in steps if step.idx >= first.idx])


def cancel(run: Run, *, by: Any = None) -> Run:
    """Cancel a live run now; `by` as in `_acted`.

    A worker that is still busy with it can commit nothing more, and stops at its next
    unit.
    """
    with transaction.atomic():
        steps, fresh = _hold(run)
        if fresh.state == RunState.CANCELLED:
            return fresh
        _must_be_live(fresh, "cancel")
        now = clock.now()
        fresh.state, fresh.finished_at, fresh.eta_seconds = RunState.CANCELLED, now, None
        fresh.epoch += 1
        acted = _acted(fresh, "canceled", by, now)
        fresh.save(update_fields=["state", "finished_at", "eta_seconds", "epoch", *acted])
        open_steps = [step.pk for step in steps if step.state not in PASSED]
        StepRun.objects.filter(pk__in=open_steps).update(
            state=StepState.CANCELLED,
            epoch=fresh.epoch,
            owner="",
            lease_until=None,
            deadline_at=None,
            parked_until=None,
            finished_at=now,
            cause="",
            remedy="",
        )
        cancelled = StepRun.objects.filter(pk__in=open_steps).order_by("idx")
        said = events.run_entry(fresh, f"Canceled{_by(fresh)}.", "warning")
        events.append(fresh.pk, [*map(events.step_entry, cancelled), said])
        _tell(pipeline_cancelled, fresh)
    return fresh


def pause(run: Run, *, by: Any = None) -> Run:
    """Pause a live run until it is resumed; `by` as in `_acted`.

    A unit that is under way is completed and kept; then its worker is free.
    """
    with transaction.atomic():
        steps, fresh = _hold(run)
        if fresh.state == RunState.PAUSED:
            return fresh
        _must_be_live(fresh, "pause")
        fresh.state, fresh.eta_seconds = RunState.PAUSED, None
        # A waiting message becomes invalid by a new epoch. A running step keeps its
        # epoch, because its attempt may still complete the unit.
        if queued := [step.idx for step in steps if step.state == StepState.READY]:
            fresh.epoch += 1
            StepRun.objects.filter(run=fresh, idx__gte=queued[0]).update(epoch=fresh.epoch)
        acted = _acted(fresh, "paused", by, clock.now())
        fresh.save(update_fields=["state", "eta_seconds", "epoch", *acted])
        events.append(fresh.pk, [events.run_entry(fresh, f"Paused{_by(fresh)}.", "warning")])
    return fresh


def resume(run: Run, *, by: Any = None) -> Run:
    """Resume a paused run at the step that it had reached; `by` as in `_acted`.

    A step that is parked until some time stays parked until then.
    """
    with transaction.atomic():
        steps, fresh = _hold(run)
        if fresh.state == RunState.RUNNING:
            return fresh
        _must_be_live(fresh, "resume")
        first = next((step for step in steps if step.state not in PASSED), None)
        if first and (reason := removed_task_reason(fresh, first.idx)):
            raise NotAllowed(reason)
        fresh.state = RunState.RUNNING
        acted = _acted(fresh, "resumed", by, clock.now())
        fresh.save(update_fields=["state", *acted])
        events.append(fresh.pk, [events.run_entry(fresh, f"Resumed{_by(fresh)}.")])
        if first and first.state == StepState.READY:
            dispatch_tail(fresh.pk, first.idx, when=Q(state=StepState.READY))
            fresh.refresh_from_db()
    return fresh


def _acted(run: Run, act: str, by: Any, at: datetime) -> list[str]:
    """Write on the run what a person did to it. Returns the fields to save.

    Args:
        by: a user, the name of an actor without an account ("the command line"), or
            None if it is not known.
    """
    is_name = isinstance(by, str)
    run.act, run.acted_at = act, at
    run.acted_by = None if is_name else by
    name = by if is_name else getattr(by, "display_name", "")
    run.acted_by_name = name[:150]
    return ["act", "acted_by", "acted_by_name", "acted_at"]


def _by(run: Run) -> str:
    return f" by {run.acted_by_name}" if run.acted_by_name else ""


def _hold(run: Run) -> tuple[list[StepRun], Run]:
    """Lock the run and its steps, and return them as they are now."""
    return lock(run.pk), Run.objects.select_for_update().get(pk=run.pk)


def _must_be_live(run: Run, verb: str) -> None:
    if not run.is_live:
        raise NotAllowed(
            f"The run has ended already ({run.get_state_display().lower()}); nothing to {verb}."
        )


def _tell(signal: Any, run: Run, **named: Any) -> None:
    deliver(signal, Run, on_error=partial(redelivery.record, run.pk), run=run, **named)
