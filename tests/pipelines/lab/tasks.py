"""A pipeline without a domain: five steps over three queues that write one effect a
unit.

Params: items (units a step), pace (seconds between units), and what shall happen in
which step: `fail` {step: message} once before the unit, `permanent` {step: message},
`park` {step: seconds}, `partial`/`skip` {step: reason}, `crash_after` {step: n} (the
process dies hard after n units, each time), `hang` {step: seconds}, `full` {step: True}
(writing a file finds the disk full).
"""

import os
import signal
import time
from datetime import timedelta
from pathlib import Path

from django.dispatch import Signal

from apps.pipelines import clock
from apps.pipelines.definitions import Pipeline, Step
from apps.pipelines.exceptions import Park, Permanent, Retryable
from apps.pipelines.outcomes import Done, Partial, Skipped
from apps.pipelines.tasks import step_task
from tests.pipelines.lab.models import Effect

unit_done = Signal()


def alone(items=3, **params):
    return None, "lab:alone", None, {"items": items, **params}


def work(ctx, items=5, pace=0.0, **plan):
    key = ctx.step.key
    for item in range(ctx.cursor.get("next", 0), items):
        misbehave(ctx, key, item, plan)
        with ctx.unit(total=items, unit="items") as unit:
            Effect.objects.create(run=ctx.run.pk, step=key, item=item, attempt=ctx.attempt)
            unit.cursor = {**unit.cursor, "next": item + 1}
            unit.done = item + 1
            ctx.send(unit_done, item=item)
        time.sleep(pace)
    if reason := plan.get("partial", {}).get(key):
        return Partial(missing=[{"what": "a part", "why": reason}])
    if reason := plan.get("skip", {}).get(key):
        return Skipped(reason=reason)
    return Done(result={"items": items})


def misbehave(ctx, key, item, plan):
    tried = ctx.cursor.get("tried", False)
    mended = Path(plan["mended"]).exists()
    if (message := plan["permanent"].get(key)) and item == 1 and not mended:
        raise Permanent(message)
    if (
        (message := plan["fail"].get(key))
        and item == 1
        and (plan["always"] or ctx.step.failures == 0)
    ):
        raise Retryable(message)
    if (seconds := plan.get("park", {}).get(key)) and item == 1 and not tried:
        with ctx.unit() as unit:
            unit.cursor = {**unit.cursor, "tried": True}
        raise Park(clock.now() + timedelta(seconds=seconds), "The limit is used up.")
    if (after := plan.get("crash_after", {}).get(key)) is not None and item >= after:
        os.kill(os.getpid(), signal.SIGKILL)
    if plan["full"].get(key):
        write_to_a_full_disk()
    if (seconds := plan.get("hang", {}).get(key)) and not mended:
        time.sleep(seconds)


def write_to_a_full_disk():
    """Linux has a device that is always full."""
    Path("/dev/full").write_text("x")


def lab_step(key):
    def body(
        ctx,
        items=5,
        pace=0.0,
        fail=None,
        permanent=None,
        park=None,
        partial=None,
        skip=None,
        crash_after=None,
        hang=None,
        full=None,
        always=False,
        mended="/nonexistent",
    ):
        plan = {
            "fail": fail or {},
            "permanent": permanent or {},
            "park": park or {},
            "partial": partial or {},
            "skip": skip or {},
            "crash_after": crash_after or {},
            "hang": hang or {},
            "full": full or {},
            "always": always,
            "mended": mended,
        }
        return work(ctx, items, pace, **plan)

    return step_task(name=f"lab_{key}", standalone=alone)(body)


def prepare_retry(run, step, selection):
    if selection:
        step.cursor = {**step.cursor, "selection": list(selection)}
        step.save(update_fields=["cursor"])


LAB = Pipeline(
    "lab",
    "Lab",
    steps=(
        Step(
            "one",
            "One",
            lab_step("one"),
            queue="sync",
            weight=4,
            backoff=0.2,
            prepare_retry=prepare_retry,
        ),
        Step("two", "Two", lab_step("two"), queue="llm", weight=2, backoff=0.2),
        Step(
            "three",
            "Three",
            lab_step("three"),
            queue="compute",
            weight=2,
            backoff=0.2,
            deadline=3.0,
        ),
        Step("four", "Four", lab_step("four"), queue="llm", weight=1, backoff=0.2),
        Step("five", "Five", lab_step("five"), queue="sync", weight=1, backoff=0.2),
    ),
)
# The same steps after an update: one that took others out.
UPDATED = Pipeline("updated", "Updated lab", LAB.steps[:2], version=3)
