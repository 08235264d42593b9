"""`python -m benchmarks.lanes`: what a full llm queue costs the sync queue's hand-off.

One worker with four processes for each of the two queues; in every second round all of
llm's, and a queue behind them, are asleep in a step. SQLite rows over Redis, chains of
five trivial steps on the sync queue, one at a time.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from benchmarks.engines import ROOT, environment, handoffs

WORKERS = 4


def measure(chains: int, asleep: int) -> float:
    """The median hand-off in milliseconds."""
    with (
        tempfile.TemporaryDirectory(prefix="firstlight-bench-") as folder,
        ExitStack() as stack,
    ):
        env = environment("sqlite", Path(folder), stack) | {"BENCH_ASLEEP": str(asleep)}
        run = [sys.executable, "-W", "ignore", "-m"]
        subprocess.run([*run, "django", "migrate", "-v0"], cwd=ROOT, env=env, check=True)
        serve = [
            "django",
            "run_worker",
            "--queue",
            "sync",
            "--queue",
            "llm",
            "--worker-type",
            "process",
            "--grace",
            "1",
        ]
        with (Path(folder) / "worker.log").open("wb") as log:
            worker = subprocess.Popen(
                [*run, *serve, "--workers", str(2 * WORKERS)],
                cwd=ROOT,
                env=env,
                stdout=log,
                stderr=log,
            )
        try:
            subprocess.run(
                [*run, "benchmarks.drive", "sqlite", str(chains), "1"],
                cwd=ROOT,
                env=env,
                check=True,
                capture_output=True,
                timeout=600,
            )
        finally:
            worker.terminate()
            worker.wait(30)
        return handoffs(Path(env["BENCH_NOTES"]).read_text())["p50"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lanes", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--chains", type=int, default=40)
    options = parser.parse_args()
    idle, full = [], []
    for pair in range(options.pairs):
        for kind in (idle, full) if pair % 2 == 0 else (full, idle):
            kind.append(measure(options.chains, 2 * WORKERS if kind is full else 0))
    ratio = statistics.median(after / before for before, after in zip(idle, full, strict=True))
    Console(width=120).print(
        f"Hand-off on sync p50, medians of {options.pairs} alternated pairs: {statistics.median(idle):.2f} ms with llm "
        f"idle, {statistics.median(full):.2f} ms with all {WORKERS} of its workers asleep; median ratio {ratio:.2f}"
    )


if __name__ == "__main__":
    main()
