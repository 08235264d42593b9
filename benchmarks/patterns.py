"""`python -m benchmarks.patterns`: what 100 kB of text, written to be slow, cost each
pattern that meets outside text.
"""

import argparse
import sys
import tempfile
import time

from benchmarks.metrics import setup

LIMIT = 50.0  # milliseconds for 100 kB


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.patterns", description=__doc__)
    parser.add_argument(
        "--size", type=int, default=100_000, help="characters (default: 100,000)"
    )
    options = parser.parse_args()
    from rich.console import Console
    from rich.table import Table

    with tempfile.TemporaryDirectory() as state:
        setup("", state)
        from tests.project import patterns
        from tests.project.test_patterns import CALLS, CLASSED, OURS

        rows = []
        for name, held in patterns.patterns().items():
            used = CLASSED.get(name, OURS)
            if used.startswith(OURS):
                continue
            rows.append(
                max(
                    (_worst(CALLS[used](pattern), pattern, options.size) for pattern in held),
                    default=(0.0, ""),
                )
            )
            rows[-1] = (*rows[-1], name)
    table = Table("pattern", "ms, worst text", "text")
    for milliseconds, attack, name in sorted(rows, reverse=True):
        table.add_row(name, f"{milliseconds:.1f}", attack)
    console = Console(width=120)
    console.print(table)
    slow = [name for milliseconds, _, name in rows if milliseconds > LIMIT]
    console.print(f"{len(rows)} names; over {LIMIT:.0f} ms: {', '.join(slow) or 'none'}")
    sys.exit(1 if slow else 0)


def _worst(call, pattern, size) -> tuple[float, str]:
    """Return the milliseconds of the slowest text, the best of three runs, and the
    text's parts.
    """
    from tests.project import patterns

    worst = (0.0, "")
    for attack in patterns.attacks(pattern):
        text = attack.written(size)
        milliseconds = min(_timed(call, text) for _ in range(3))
        worst = max(
            worst, (milliseconds, f"{attack.start!r} + n × {attack.piece!r} + {attack.end!r}")
        )
    return worst


def _timed(call, text) -> float:
    start = time.thread_time()
    call(text)
    return (time.thread_time() - start) * 1000


if __name__ == "__main__":
    main()
