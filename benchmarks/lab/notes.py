"""What each step writes down, whatever engine runs it."""

import os
import time
from pathlib import Path


def note(chain: str, step: int, began: float) -> None:
    """One line a step: chain, step, began and ended on the clock that all processes of
    a machine share.
    """
    with Path(os.environ["BENCH_NOTES"]).open("a") as notes:
        notes.write(f"{chain} {step} {began} {time.monotonic()}\n")
