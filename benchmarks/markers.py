"""`python -m benchmarks.markers`: the AI markers of 100,000 pull requests read on one
core, by the rules alone and with rows.
"""

import argparse
import os
import random
import sys
import tempfile
import time

from benchmarks.metrics import setup

TRAILERS = (
    "",
    "",
    "",
    "\n\nCo-Authored-By: Claude <noreply@anthropic.com>",
    "\n\nCo-authored-by: Ada <ada@bench.example>",
    "\n\nSigned-off-by: Ada <ada@bench.example>",
)
BODY = (
    "The cursor of the last page is kept with the rows that it brought, so that a retry goes on there. The database's cursor "
    "was closed too early before.\n\n- carries totals over\n- closes #12\n\n> quoted: Generated with something\n"
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.markers", description=__doc__)
    parser.add_argument("--pulls", type=int, default=100_000)
    options = parser.parse_args()
    from rich.console import Console
    from rich.table import Table

    with tempfile.TemporaryDirectory() as state:
        setup("", state)
        from apps.metrics.ai.markers import CommitText, read_markers
        from apps.metrics.records import PersonData

        dice = random.Random(3)
        people = [PersonData(f"person-{n}", github_id=n) for n in range(100)]
        rows = [
            (
                f"Carry totals over, part {n}",
                BODY * dice.randrange(1, 4),
                f"topic-{n}",
                dice.choice(people),
                [
                    CommitText(
                        f"{n:038x}{place}",
                        f"Step {place}{dice.choice(TRAILERS)}",
                        dice.choice(people),
                    )
                    for place in range(3)
                ],
            )
            for n in range(options.pulls)
        ]
        began, cpu = time.perf_counter(), time.process_time()
        found = sum(read_markers(*row).ai_assisted for row in rows)
        wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    table = Table(
        title=f"The markers of {options.pulls:,} pull requests with 3 commits each, {os.cpu_count()} cores"
    )
    for heading in ("", "seconds", "CPU", "asked for"):
        table.add_column(heading, justify="left" if not heading else "right")
    table.add_row(f"read ({found:,} AI-assisted)", f"{wall:.1f}", f"{cpu:.1f}", "20")
    Console(width=110).print(table)


if __name__ == "__main__":
    sys.exit(main())
