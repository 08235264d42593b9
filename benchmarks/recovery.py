"""`python -m benchmarks.recovery`: from the SIGKILL of a busy worker to its step
running again on an idle one.

Two workers on one machine; whichever holds the step is killed by surprise, at a random
moment of a step that works in units of 20 ms; then a third takes the killed one's
place, and so on. SQLite rows and queue, or PostgreSQL and Redis.
"""

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.engines import ROOT, end, environment

RUN = [sys.executable, "-W", "ignore", "-m", "django"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=__doc__)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument(
        "--db", nargs="+", choices=["sqlite", "postgres"], default=["sqlite", "postgres"]
    )
    options = parser.parse_args()
    for db in options.db:
        # Each in a process of its own: Django's settings are read once.
        if os.environ.get("BENCH_DB") == db:
            measure(options.kills)
            return
        with (
            tempfile.TemporaryDirectory(prefix="firstlight-bench-") as folder,
            ExitStack() as stack,
        ):
            os.chmod(folder, 0o755)  # noqa: PTH101 - PostgreSQL runs as another user
            env = environment(db, Path(folder), stack) | {
                "BENCH_DB": db,
                "BENCH_LOG": f"{folder}/worker.log",
            }
            if db == "sqlite":
                env["REDIS_URL"] = ""
            subprocess.run([*RUN, "migrate", "-v0"], cwd=ROOT, env=env, check=True)
            again = [
                sys.executable,
                "-W",
                "ignore",
                "-m",
                "benchmarks.recovery",
                "--kills",
                str(options.kills),
            ]
            subprocess.run([*again, "--db", db], cwd=ROOT, env=env, check=True)


def measure(kills: int) -> None:
    import django

    django.setup()
    from apps.pipelines import engine
    from apps.pipelines.models import StepRun

    run, _ = engine.start("endless", subject="bench", params={"pause": 0.02})
    StepRun.objects.filter(run=run).update(max_crashes=10**6)
    workers, chance = {worker.pid: worker for worker in (start(), start())}, random.Random(1)
    try:
        took = sorted(kill_one(run, workers, chance) for _ in range(kills))
    finally:
        engine.cancel(run)
        for worker in workers.values():
            end(worker)
    Console(width=120).print(
        f"{os.environ['BENCH_DB']}: {kills} kills; from SIGKILL to the step running again on an idle worker "
        f"p50 {statistics.median(took):.0f} ms, p99 {took[int(len(took) * 0.99)]:.0f} ms, at most {took[-1]:.0f} ms"
    )


def start() -> subprocess.Popen[bytes]:
    with Path(os.environ["BENCH_LOG"]).open("ab") as log:
        worker = [*RUN, "run_worker", "--queue", "sync", "--workers", "1"]
        return subprocess.Popen(worker, cwd=ROOT, stdout=log, stderr=log)


def kill_one(
    run: Any, workers: dict[int, subprocess.Popen[bytes]], chance: random.Random
) -> float:
    """Kill the worker that is busy, while the other is idle; put another in its place.

    Returns the milliseconds.
    """
    from apps.pipelines.models import StepRun, StepState, Worker

    def step() -> Any:
        return StepRun.objects.get(run=run)

    def pids_that_said_so() -> set[int]:
        return {pid_of(owner) for owner in Worker.objects.values_list("owner", flat=True)}

    until(lambda: step().state == StepState.RUNNING and pid_of(step().owner) in workers)
    until(lambda: pids_that_said_so() >= set(workers))
    time.sleep(chance.uniform(0.2, 1.2))
    before = step()
    victim = workers.pop(pid_of(before.owner))
    began = time.monotonic()
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    until(lambda: step().attempt > before.attempt)
    took = (time.monotonic() - began) * 1000
    another = start()
    workers[another.pid] = another
    return took


def pid_of(owner: str) -> int:
    return int(owner.split("|")[1])


def until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 60
    while not condition():
        if time.monotonic() > limit:
            sys.exit(
                "Waited 60 s in vain: " + Path(os.environ["BENCH_LOG"]).read_text()[-2000:]
            )
        time.sleep(0.002)


if __name__ == "__main__":
    main()
