"""`make chaos GUARDS=1`: with a guard taken out, the harness has to find what the guard
keeps away, or it could not be believed when it finds nothing. Passes are made, each
with another seed, until one finds it; status 1 where none does.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TRIES = 20
GUARDS = {
    "fencing": ("FOUND double effect", []),
    "epochs": ("FOUND stale message", ["--faults", "duplicate", "old snapshot"]),
    "sweeper": ("FOUND lost", ["--faults", "kill one", "flush"]),
}


def main():
    missed = [
        guard
        for guard, (found, faults) in GUARDS.items()
        if not is_missed(guard, found, faults)
    ]
    for guard in missed:
        print(f"Without {guard} nothing was found in {TRIES} passes.")
    return 1 if missed else 0


def is_missed(guard, found, faults):
    for seed in range(1, TRIES + 1):
        command = [
            "--runs",
            "20",
            "--seed",
            str(seed),
            "--seconds",
            "90",
            "--without",
            guard,
            *faults,
        ]
        done = subprocess.run(
            [sys.executable, "-m", "tests.chaos", *command],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        if found in done.stdout:
            print(
                f"Without {guard}, seed {seed}: {found.removeprefix('FOUND ')} found.",
                flush=True,
            )
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
