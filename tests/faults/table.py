"""The shape of the fault table: one row for each fault of a neighbor, with what must
come of it.

A row states its fault, and for each situation the outcome, and the most that it may
take of seconds, requests, and lines of log. A neighbor has a module with its rows
(`model_rows.py`) and one that tries them (`test_model_table.py`). Situations:

    onboarding   a setup from its start to its email, with a real worker
    night        a refresh of the same team
    page         what people see after that

All rows of one neighbor by hand:

    SAMPLE=all python -m pytest -m long -n 0 -s tests/faults/test_github_table.py

What the tables show, and tests beside them: `python -m tests.faults.promises`.
"""

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

SITUATIONS = ("onboarding", "night", "page")
# Rows of each neighbor that `make test-long` tries: about four minutes in all, on two
# cores.
SIZES = {
    "model": 4,
    "github": 5,
    "smtp": 4,
    "redis": 4,
    "postgresql": 4,
    "sqlite": 2,
    "git": 5,
    "clock": 2,
    "optional": 2,
}


@dataclass(frozen=True)
class Most:
    """The most that a situation may take.

    `lines` are those of the logs, a worker's start left out.
    """

    seconds: float
    requests: int
    lines: int


@dataclass(frozen=True)
class Row:
    """One fault, and what must come of it.

    Attributes:
        outcome: the cause of what is missing afterwards, empty if nothing is.
        ends: the state of the run afterwards, or "waiting" if it goes on by itself when
            the fault has passed.
        onboarding, night, page: the most that the situation may take; None if the row
            has no such situation.
        content: bytes that the neighbor sends; None if the fault is another one.
        how: how it sends them: pause, piece, then (see `neighbor`); or what a neighbor
            of another kind needs.
        fault: a fault of the sandbox (see `apps/sandbox/faults.py`), or the name of
            what is done to a real server.
    """

    name: str
    outcome: str
    onboarding: Most | None
    night: Most | None
    page: Most | None
    ends: str = ""
    content: bytes | None = None
    how: dict[str, Any] = field(default_factory=dict)
    fault: Any = None

    def __post_init__(self) -> None:
        if not self.ends:
            object.__setattr__(self, "ends", "partial" if self.outcome else "done")

    @property
    def situations(self) -> list[str]:
        """Return the situations that the row is tried in."""
        return [name for name in SITUATIONS if getattr(self, name) is not None]


def sample(neighbor: str, rows: Sequence[Row]) -> Sequence[Row]:
    """Return the rows to try: as many as SIZES or SAMPLE in the environment has, chosen
    by SEED; SAMPLE=all is all.
    """
    wanted = os.environ.get("SAMPLE") or str(SIZES[neighbor])
    if wanted == "all" or int(wanted) >= len(rows):
        return rows
    return random.Random(int(os.environ.get("SEED") or 1)).sample(list(rows), int(wanted))


def assert_rows_differ(rows: Sequence[Row], floor: int) -> None:
    """Check that no two rows have the same fault or name, and that there are at least
    `floor`.
    """
    faults = {(row.content, str(sorted(row.how.items())), str(row.fault)) for row in rows}
    assert len(faults) == len({row.name for row in rows}) == len(rows)
    assert len(rows) >= floor
