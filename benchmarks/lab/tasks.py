"""Five steps that do nothing, as a durable pipeline and as a plain Huey chain.

Each notes when it began and ended.
"""

import os
import time
from collections.abc import Callable
from typing import Any

from huey.contrib.djhuey import db_task

from apps.pipelines.context import StepContext
from apps.pipelines.definitions import Pipeline, Step
from apps.pipelines.tasks import StepTask, step_task
from benchmarks.lab.notes import note

QUEUES = (
    ("sync",) * 5
    if os.environ.get("BENCH_ONE_QUEUE") == "1"
    else ("sync", "llm", "compute", "llm", "sync")
)


def durable(step: int) -> StepTask:
    def body(ctx: StepContext, chain: str) -> None:
        note(chain, step, time.monotonic())

    return step_task(name=f"bench_{step}")(body)


DURABLE = Pipeline(
    "bench",
    "Benchmark",
    steps=tuple(
        Step(f"s{n}", f"Step {n}", durable(n), queue=queue) for n, queue in enumerate(QUEUES)
    ),
)


def plain(step: int, queue: str) -> Any:
    def body(chain: str) -> None:
        note(chain, step, time.monotonic())

    decorate: Callable[..., Any] = db_task(name=f"plain_{step}", queue=queue)
    return decorate(body)


PLAIN = [plain(n, queue) for n, queue in enumerate(QUEUES)]


def _endless(ctx: StepContext, pause: float) -> None:
    """Works in units of `pause` seconds until it is cancelled."""
    while True:
        with ctx.unit() as unit:
            unit.done += 1
        time.sleep(pause)


ENDLESS = Pipeline(
    "endless",
    "Endless",
    steps=(Step("work", "Work", step_task(name="bench_endless")(_endless), queue="sync"),),
)


def _asleep(ctx: StepContext, seconds: float) -> None:
    """Holds its worker, as a model that answers slowly does."""
    time.sleep(seconds)


ASLEEP = Pipeline(
    "asleep",
    "Asleep",
    steps=(Step("sleep", "Sleep", step_task(name="bench_asleep")(_asleep), queue="llm"),),
)
