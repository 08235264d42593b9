"""`make test-long`: every long trial, with its duration.

    python -m tests.long                   # all
    python -m tests.long --only chaos      # those whose name has this word
    SEED=7 SECONDS=30 python -m tests.long # another seed, 30 seconds for each

Each trial prints how many cases it reached, and fails under the floor that is stated
here or in its test. Exits with 1 if a trial failed, took longer than its limit, or was
still going on when all of them together had taken TOTAL_SECONDS.
"""

import argparse
import importlib.util
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# All of them should take 30 minutes on two cores. A slow machine gets more time before
# it fails.
TOTAL_SECONDS = 55 * 60


@dataclass(frozen=True)
class Trial:
    """A command of its own.

    `seconds` is what it is asked to take; after `limit` seconds it is ended and counts
    as failed. With fewer cases than `floor` it fails; a shorter trial by SECONDS has no
    floor. In `command`, {seconds}, {seed}, and {floor} are filled in.
    """

    name: str
    command: str
    seconds: int
    limit: int
    floor: int = 1
    # On PostgreSQL and Redis instead of the embedded default.
    servers: bool = False

    def environment(self):
        """Return the variables of the trial's process."""
        return os.environ | {"SERVERS": "1" if self.servers else ""}

    def words(self):
        """Return the arguments of the command, for SECONDS and SEED of the environment."""
        seconds = os.environ.get("SECONDS") or self.seconds
        seed = os.environ.get("SEED") or 1
        floor = 1 if os.environ.get("SECONDS") else self.floor
        filled = self.command.format(seconds=seconds, seed=seed, floor=floor)
        return [sys.executable, *filled.split()]


CHAOS = "-m tests.chaos --start-for {seconds} --seconds 200 --seed {seed} --floor {floor}"
OUTAGES = "tests/project/test_outages.py"
OUTAGES_HERE = (
    f"{OUTAGES}::test_postgresql_away_answers_503_and_returns"
    f" {OUTAGES}::test_frozen_postgresql_leaves_probes_and_refusals_quick"
)
# Workers are killed and frozen, and servers restarted, while runs go on. A case is a
# run.
CHAOS_TRIALS = [
    Trial("chaos on SQLite", CHAOS, seconds=60, limit=240, floor=3),
    Trial("chaos on PostgreSQL", f"{CHAOS} --db postgres", seconds=60, limit=240, floor=3),
]
# Random changes at GitHub and in clones: what a refresh leaves equals a first read. A
# case is a sequence of changes.
CONVERGENCE = "tests/integrations/test_refresh_equals_fresh.py"
COMPARE = f"-m pytest -m long -n 0 -p no:randomly {CONVERGENCE}"
COMPARISONS = [
    [Trial("refresh equals fresh on SQLite", COMPARE, seconds=180, limit=720)],
    [
        Trial(
            "refresh equals fresh on PostgreSQL", COMPARE, seconds=180, limit=720, servers=True
        )
    ],
]
# Random requests to every URL, form, and API, as five people. A case is a request.
FUZZ = Trial("fuzz", "-m tests.fuzz --seconds {seconds} --seed {seed}", seconds=240, limit=300)
# A day in minutes with a neighbor away twice is run by hand, on a machine that does
# nothing else: a second there is a quarter of an hour of it. `python -m tests.day
# --neighbor github`, and model, smtp, redis, postgres. One stage after the other. The
# lanes of a stage run side by side, the trials of a lane one by one.
STAGES = [
    [CHAOS_TRIALS, [FUZZ]],
    COMPARISONS,
    # Servers are stopped and frozen, one trial at a time. The others of that file, and
    # outages of a minute, are run by
    # hand: `SECONDS=60 python -m pytest -m long -n 0 tests/project/test_outages.py`, in
    # about six minutes.
    [
        [
            Trial(
                "outages",
                f"-m pytest -m long -n 0 -p no:randomly -v {OUTAGES_HERE}",
                seconds=0,
                limit=200,
            )
        ]
    ],
    # The commands of docs/operations.md, from a clone to a restore. A case is a step.
    [[Trial("operations", "-m tests.operations", seconds=0, limit=540)]],
    # Tests that are marked `long`: each reads SEED and SECONDS itself, and states its
    # floor.
    [
        [
            Trial(
                "tests",
                f"-m pytest -m long -n 3 --dist worksteal -p no:randomly --ignore {OUTAGES} --ignore {CONVERGENCE}",
                seconds=0,
                limit=2100,
            )
        ]
    ],
]


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.long")
    parser.add_argument("--only", default="", help="a word of the names of the trials to run")
    parser.add_argument("--list", action="store_true", help="print the trials and exit")
    options = parser.parse_args()
    stages = [
        [[trial for trial in lane if is_chosen(trial, options.only)] for lane in lanes]
        for lanes in STAGES
    ]
    chosen = [trial for lanes in stages for lane in lanes for trial in lane]
    if not chosen:
        parser.error(f"no trial has {options.only!r} in its name")
    if options.list:
        for trial in chosen:
            print(f"{trial.name}: {' '.join(trial.words()[1:])} (at most {trial.limit} s)")
        return 0
    began = time.monotonic()
    failed = [
        trial.name for lanes in stages for trial in failures(lanes, began + TOTAL_SECONDS)
    ]
    print(f"{len(chosen)} trials took {time.monotonic() - began:.0f} s.")
    print(f"Failed: {', '.join(failed)}" if failed else "All long trials passed.")
    return 1 if failed else 0


def is_chosen(trial, word):
    """Return whether a trial has the word in its name, and the module that it runs
    exists.
    """
    module = trial.words()[2]
    return word in trial.name and importlib.util.find_spec(module) is not None


def failures(lanes, end):
    """Run the lanes of a stage side by side and return the trials that failed."""

    def failures_of(lane):
        return [trial for trial in lane if not passes(trial, end)]

    with ThreadPoolExecutor(len(lanes)) as pool:
        return [trial for failed in pool.map(failures_of, lanes) for trial in failed]


def passes(trial, end):
    """Run a trial, print how long it took, and return whether it succeeded in time.

    `end` is the moment at which all trials have to be over, by the monotonic clock.
    """
    print(f"== {trial.name}", flush=True)
    began = time.monotonic()
    status = run(trial, min(trial.limit, end - began))
    took = time.monotonic() - began
    print(f"== {trial.name}: {took:.0f} s, {'passed' if status == 0 else 'FAILED'}", flush=True)
    return status == 0


def run(trial, seconds):
    """Return a trial's exit status, or None if it was ended after so many seconds."""
    # A session of its own: what it started is ended with it.
    process = subprocess.Popen(
        trial.words(), cwd=ROOT, env=trial.environment(), start_new_session=True
    )
    try:
        return process.wait(max(seconds, 0))
    except subprocess.TimeoutExpired:
        return None
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


if __name__ == "__main__":
    sys.exit(main())
