"""The shape of the fault table: one row for each fault of a neighbor, with what must come of it.

A row states its fault, and for each situation the outcome, and the most that it may take of seconds, requests, and lines of
log. A neighbor has a module with its rows (`model_rows.py`) and one that tries them (`test_model_table.py`). Situations:

    onboarding   a setup from its start to its email, with a real worker
    night        a refresh of the same team
    page         what people see after that
"""

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Most:
    """The most that a situation may take. `lines` are those of the worker's log, its start left out."""

    seconds: float
    requests: int
    lines: int


@dataclass(frozen=True)
class Row:
    """One fault, and what must come of it.

    Attributes:
        content: bytes that the neighbor sends; None if the fault is one of the sandbox.
        how: how it sends them: pause, piece, then (see `neighbor`).
        fault: a fault of the sandbox (see `apps/sandbox/faults.py`).
        outcome: the cause of what is missing afterwards, empty if nothing is.
        most: by situation.
    """

    name: str
    outcome: str
    onboarding: Most
    night: Most
    page: Most
    content: bytes | None = None
    how: dict[str, Any] = field(default_factory=dict)
    fault: dict[str, Any] | None = None


def sample(rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows to try: so many as SAMPLE in the environment (8), chosen by SEED; all of them by SAMPLE=all."""
    size = os.environ.get("SAMPLE") or "8"
    if size == "all":
        return rows
    return random.Random(int(os.environ.get("SEED") or 1)).sample(list(rows), int(size))
