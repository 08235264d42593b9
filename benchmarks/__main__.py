"""`make bench`: what durability costs a hand-off, side by side with plain Huey on the
same queue; then beside Celery over Redis (`python -m benchmarks.engines`), the time to
recover from a kill (`benchmarks.recovery`), a hand-off beside a full queue
(`benchmarks.lanes`) and the live stream (`benchmarks.stream`). `make bench ONLY=name`
runs one of these, or of the product's: `sync`, `ingest`, `llm`, `markers`, `metrics`,
`dashboard`.

Pairs are alternated in one run, each with a worker and a state folder of its own;
medians and the ratio of medians. A hand-off is the time from the end of a step's body
to the start of the next one's.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parent.parent
STEPS = 5


def measure(engine: str, chains: int) -> dict[str, float]:
    """One worker of 6 threads: chains one at a time for the hand-off, then all at once
    for the wall time (seconds).
    """
    with tempfile.TemporaryDirectory() as state:
        notes = Path(state) / "notes"
        notes.touch()
        env = {
            **os.environ,
            "STATE_DIR": state,
            "DEBUG": "1",
            "FIRSTLIGHT_DOTENV": "0",
            "BENCH_NOTES": str(notes),
            "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
            "DATABASE_URL": "",
            "REDIS_URL": "",
        }
        run = [sys.executable, "-W", "ignore", "-m"]
        subprocess.run([*run, "django", "migrate", "-v0"], cwd=ROOT, env=env, check=True)
        with (Path(state) / "worker.log").open("wb") as log:
            worker = subprocess.Popen(
                [*run, "django", "run_worker", "--workers", "6"],
                cwd=ROOT,
                env=env,
                stderr=log,
                stdout=log,
            )
        try:
            result = subprocess.run(
                [*run, "benchmarks.drive", engine, str(chains), str(chains)],
                cwd=ROOT,
                env=env,
                check=True,
                capture_output=True,
                text=True,
                timeout=300,
            )
        finally:
            worker.terminate()
            worker.wait()
        wall = float(result.stdout.split()[1])
        return {"wall": wall, **handoffs(notes.read_text(), "one")}


def handoffs(notes: str, prefix: str) -> dict[str, float]:
    rows = [line.split() for line in notes.splitlines() if line.startswith(prefix)]
    ended = {(chain, int(step)): float(end) for chain, step, _, end in rows}
    gaps = sorted(
        (float(began) - ended[chain, int(step) - 1]) * 1000
        for chain, step, began, _ in rows
        if int(step) > 0
    )
    return {"p50": statistics.median(gaps), "p99": gaps[int(len(gaps) * 0.99)]}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--chains", type=int, default=60)
    options = parser.parse_args()
    began = time.monotonic()
    results: dict[str, list[dict[str, float]]] = {"plain": [], "durable": []}
    for pair in range(options.pairs):
        for engine in ("plain", "durable") if pair % 2 == 0 else ("durable", "plain"):
            results[engine].append(measure(engine, options.chains))
    show(results, options.chains, options.pairs, time.monotonic() - began)
    for other in ("engines", "recovery", "lanes", "stream"):
        subprocess.run([sys.executable, "-m", f"benchmarks.{other}"], cwd=ROOT, check=True)


def show(
    results: dict[str, list[dict[str, float]]], chains: int, pairs: int, seconds: float
) -> None:
    table = Table(
        title=f"SQLite rows and queue, {pairs} alternated pairs, {chains} chains of {STEPS} steps"
    )
    for heading in ("", "plain Huey .then()", "Firstlight pipeline", "ratio"):
        table.add_column(heading, justify="left" if not heading else "right")
    for key, words in (
        ("p50", "hand-off p50, ms"),
        ("p99", "hand-off p99, ms"),
        ("wall", f"{chains} chains at once, s"),
    ):
        plain, durable = (
            statistics.median(row[key] for row in results[engine])
            for engine in ("plain", "durable")
        )
        table.add_row(words, f"{plain:.2f}", f"{durable:.2f}", f"{durable / plain:.2f}")
    console = Console()
    console.print(table)
    console.print(f"Measured in {seconds:.0f} s.")


if __name__ == "__main__":
    main()
