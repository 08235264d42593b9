"""`python -m benchmarks.engines`: the pipeline beside plain Huey and Celery, all over
one Redis, four worker processes.

    huey        plain Huey, .then(): what is lost is lost
    celery      a Celery chain as it comes; celery late: acks_late, reject_on_worker_lost, prefetch 1
    sqlite      Firstlight's pipeline, rows in SQLite; postgres: in PostgreSQL, commits to disk (fsync on)

Each round measures every engine once, in turn, with processes and folders of its own;
medians over the rounds. A hand-off is from the end of a step's body to the start of the
next one's; first step: from the start of the chain to that of its first step. Events
and progress are written as in production.
"""

import argparse
import base64
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.servers import Postgres, Redis

ROOT = Path(__file__).resolve().parent.parent
ENGINES = ("huey", "celery", "celery late", "sqlite", "postgres")
WORKERS = "4"
FIGURES = {
    "first": "first step p50, ms",
    "p50": "hand-off p50, ms",
    "p99": "hand-off p99, ms",
    "wall": "wall, s",
}


def measure(engine: str, alone: int, at_once: int) -> dict[str, float]:
    with (
        tempfile.TemporaryDirectory(prefix="firstlight-bench-") as folder,
        ExitStack() as stack,
    ):
        os.chmod(folder, 0o755)  # noqa: PTH101 - PostgreSQL runs as another user
        env = environment(engine, Path(folder), stack)
        run = [sys.executable, "-W", "ignore", "-m"]
        if not engine.startswith("celery"):
            subprocess.run([*run, "django", "migrate", "-v0"], cwd=ROOT, env=env, check=True)
        with (Path(folder) / "worker.log").open("wb") as log:
            worker = subprocess.Popen(
                [*run, *worker_of(engine)], cwd=ROOT, env=env, stdout=log, stderr=log
            )
        stack.callback(end, worker)
        driven = subprocess.run(
            [*run, "benchmarks.drive", engine, str(alone), str(at_once)],
            cwd=ROOT,
            env=env,
            check=True,
            capture_output=True,
            text=True,
            timeout=600,
        )
        first, wall = driven.stdout.split()
        return {
            "first": float(first) * 1000,
            "wall": float(wall),
            **handoffs(Path(env["BENCH_NOTES"]).read_text()),
        }


def environment(engine: str, folder: Path, stack: ExitStack) -> dict[str, str]:
    for name in ("redis", "postgres", "state"):
        (folder / name).mkdir()
    redis = Redis(folder / "redis")
    redis.start()
    stack.callback(redis.stop)
    env = {
        **os.environ,
        **production(),
        "STATE_DIR": str(folder / "state"),
        "REDIS_URL": redis.url,
        "DATABASE_URL": "",
        "DJANGO_SETTINGS_MODULE": "benchmarks.settings",
        "BENCH_NOTES": str(folder / "notes"),
        "BENCH_ONE_QUEUE": "1",
        "BENCH_ACKS_LATE": "1" if engine == "celery late" else "0",
    }
    (folder / "notes").touch()
    if engine == "postgres":
        postgres = Postgres(folder / "postgres", fsync=True)
        postgres.start()
        stack.callback(postgres.stop)
        env["DATABASE_URL"] = postgres.url
    return env


def production() -> dict[str, str]:
    """The settings of an installation: with DEBUG on, Django would keep a copy of each
    statement.
    """
    return {
        "DEBUG": "0",
        "FIRSTLIGHT_DOTENV": "0",
        "SECRET_KEY": secrets.token_urlsafe(60),
        "ALLOWED_HOSTS": "localhost",
        "CREDENTIAL_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "EMAIL_URL": "console:",
        "SITE_URL": "http://localhost:8000",
        "DEFAULT_FROM_EMAIL": "bench@localhost",
    }


def worker_of(engine: str) -> list[str]:
    if engine.startswith("celery"):
        return [
            "celery",
            "-A",
            "benchmarks.celery_app",
            "worker",
            "--concurrency",
            WORKERS,
            "--loglevel",
            "ERROR",
        ]
    return [
        "django",
        "run_worker",
        "--queue",
        "sync",
        "--workers",
        WORKERS,
        "--worker-type",
        "process",
    ]


def end(worker: subprocess.Popen[bytes]) -> None:
    worker.terminate()
    try:
        worker.wait(20)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()


def handoffs(notes: str) -> dict[str, float]:
    """Percentiles in ms over the chains that ran one at a time."""
    rows = [line.split() for line in notes.splitlines() if line.startswith("one")]
    ended = {(chain, int(step)): float(at) for chain, step, _, at in rows}
    gaps = sorted(
        (float(began) - ended[chain, int(step) - 1]) * 1000
        for chain, step, began, _ in rows
        if int(step) > 0
    )
    return {"p50": statistics.median(gaps), "p99": gaps[int(len(gaps) * 0.99)]}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--alone", type=int, default=40, help="chains one at a time")
    parser.add_argument("--runs", type=int, default=500, help="chains at once")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    options = parser.parse_args()
    results: dict[str, list[dict[str, float]]] = {engine: [] for engine in options.engines}
    began = time.monotonic()
    for turn in range(options.rounds):
        order = list(options.engines)
        for engine in order[turn % len(order) :] + order[: turn % len(order)]:
            results[engine].append(measure(engine, options.alone, options.runs))
    show(results, options, time.monotonic() - began)


def show(
    results: dict[str, list[dict[str, float]]], options: argparse.Namespace, seconds: float
) -> None:
    table = Table(
        title=f"5 trivial steps, {WORKERS} worker processes, medians of {options.rounds} alternated rounds"
    )
    for heading in ("", *FIGURES.values()):
        table.add_column(heading, justify="left" if not heading else "right")
    medians = {
        engine: {figure: statistics.median(row[figure] for row in rows) for figure in FIGURES}
        for engine, rows in results.items()
    }
    for engine, row in medians.items():
        table.add_row(engine, *(f"{row[figure]:.2f}" for figure in FIGURES))
    for engine, base in (("sqlite", "huey"), ("postgres", "celery late")):
        if engine in medians and base in medians:
            ratios = [
                f"{medians[engine][figure] / medians[base][figure]:.2f}" for figure in FIGURES
            ]
            table.add_row(f"{engine} / {base}", *ratios)
    console = Console()
    console.print(table)
    console.print(
        f"Wall time is that of {options.runs} chains started at once. Measured in {seconds:.0f} s."
    )


if __name__ == "__main__":
    main()
