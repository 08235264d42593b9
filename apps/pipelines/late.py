"""Results that arrive after a run has ended are added to the run, which then lacks
less.

    late.fill(run_id, "analyse", [], done=100)     # a partial run that lacked only this is done now
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import transaction

from apps.pipelines import events, progress, redelivery
from apps.pipelines.dispatch import lock
from apps.pipelines.models import Run, RunState, StepState
from apps.pipelines.outcomes import Missing
from apps.pipelines.signals import deliver, pipeline_filled


def fill(run_id: Any, key: str, missing: Sequence[Missing], *, done: int) -> bool:
    """Replace the list of what a step of an ended run lacks. Returns whether the run
    changed.

    `done` is how much of the step's work is present now. A run that is live, or ended
    in another state than partial, stays as it is. If no step lacks anything any more,
    the run is done. Its completion is not announced again; `pipeline_filled` is sent.
    """
    with transaction.atomic():
        steps = lock(run_id)
        run = Run.objects.select_for_update().filter(pk=run_id).first()
        step = next((one for one in steps if one.key == key), None)
        if (
            run is None
            or step is None
            or run.state != RunState.PARTIAL
            or step.state != StepState.PARTIAL
        ):
            return False
        if list(step.missing) == list(missing) and step.done == done:
            return False
        step.missing, step.done = list(missing), done
        if not missing:
            step.state, step.message = StepState.DONE, ""
        step.save(update_fields=["missing", "done", "state", "message"])
        run.missing = [item for one in steps for item in one.missing]
        if all(one.state != StepState.PARTIAL for one in steps):
            run.state = RunState.DONE
        run.percent = 100 if run.state == RunState.DONE else progress.percent(run, steps)
        run.save(update_fields=["missing", "state", "percent"])
        words = (
            f"{step.title}: the rest has arrived."
            if not missing
            else f"{step.title}: more has arrived."
        )
        events.append(run.pk, [events.step_entry(step), events.run_entry(run, words)])
        deliver(pipeline_filled, Run, on_error=partial(redelivery.record, run.pk), run=run)
    return True
