"""The same five steps as a Celery chain.

BENCH_ACKS_LATE=1: acknowledged after the work, prefetch of 1.
"""

import os
import time

from celery import Celery, chain

from benchmarks.lab.notes import note

STEPS = 5
LATE = os.environ.get("BENCH_ACKS_LATE") == "1"

app = Celery("bench", broker=os.environ["REDIS_URL"])
app.conf.update(
    task_ignore_result=True,
    task_acks_late=LATE,
    task_reject_on_worker_lost=LATE,
    worker_prefetch_multiplier=1 if LATE else 4,
    broker_connection_retry_on_startup=True,
)


@app.task(name="bench_step")
def step(name: str, number: int) -> None:
    note(name, number, time.monotonic())


def start(name: str) -> None:
    chain(step.si(name, number) for number in range(STEPS)).apply_async()
