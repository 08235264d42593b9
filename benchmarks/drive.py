"""Starts the chains of one measurement and waits for their ends; prints the wall time of those started at once."""

import os
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

    kind, chains = sys.argv[1], int(sys.argv[2])
    notes = Path(os.environ["BENCH_NOTES"])

    def start(chain: str) -> None:
        if kind == "durable":
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
            if sum(line.startswith(prefix) and line.split()[1] == LAST for line in lines) >= count:
                return
            time.sleep(0.005)
        sys.exit(f"{kind}: {prefix} did not end within {TIMEOUT:.0f} s")

    for number in range(chains):
        start(f"one{number}")
        wait(f"one{number} ", 1)
    began = time.monotonic()
    for number in range(chains):
        start(f"all{number}")
    wait("all", chains)
    print(time.monotonic() - began)


if __name__ == "__main__":
    main()
