"""Starts the chains of one measurement, first one after the other, then at once, and
waits for their ends.

Prints the median seconds to the first step of the former, and the wall time of the
latter.
"""

import os
import statistics
import sys
import time
from pathlib import Path

import django

LAST = "4"
TIMEOUT = 120.0


def main() -> None:
    django.setup()
    from huey.contrib.djhuey import HUEY

    from apps.pipelines import engine
    from benchmarks.lab.tasks import PLAIN

    kind, alone, at_once = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    notes = Path(os.environ["BENCH_NOTES"])

    def start(chain: str) -> None:
        if kind.startswith("celery"):
            from benchmarks import celery_app

            celery_app.start(chain)
            return
        if kind not in ("plain", "huey"):
            engine.start("bench", subject=chain, params={"chain": chain})
            return
        message = PLAIN[0].s(chain)
        for task in PLAIN[1:]:
            message.then(task, chain)
        HUEY.enqueue(message)

    def wait(prefix: str, count: int) -> None:
        until = time.monotonic() + TIMEOUT
        while time.monotonic() < until:
            lines = notes.read_text().splitlines()
            if (
                sum(line.startswith(prefix) and line.split()[1] == LAST for line in lines)
                >= count
            ):
                return
            time.sleep(0.005 if count == 1 else 0.02)
        sys.exit(f"{kind}: {prefix} did not end within {TIMEOUT:.0f} s")

    for number in range(int(os.environ.get("BENCH_ASLEEP", "0"))):
        engine.start("asleep", subject=f"asleep{number}", params={"seconds": 600})
    start("warm")
    wait("warm ", 1)
    firsts = []
    for number in range(alone):
        began = time.monotonic()
        start(f"one{number}")
        wait(f"one{number} ", 1)
        [first] = [
            line
            for line in notes.read_text().splitlines()
            if line.startswith(f"one{number} 0 ")
        ]
        firsts.append(float(first.split()[2]) - began)
    began = time.monotonic()
    for number in range(at_once):
        start(f"all{number}")
    wait("all", at_once)
    print(statistics.median(firsts), time.monotonic() - began)


if __name__ == "__main__":
    main()
