"""The fault table as a whole: how many rows there are, and how many of them `make
test-long` tries.
"""

import os
from pathlib import Path

import pytest

from tests.faults import (
    clock_rows,
    git_rows,
    github_rows,
    model_rows,
    optional_rows,
    promises,
    redis_rows,
    smtp_rows,
)
from tests.faults.database_rows import POSTGRES_ROWS, SQLITE_ROWS
from tests.faults.table import SITUATIONS, sample

ROWS = {
    "model": model_rows.ROWS,
    "github": github_rows.ROWS,
    "smtp": smtp_rows.ROWS,
    "redis": redis_rows.ROWS,
    "postgresql": POSTGRES_ROWS,
    "sqlite": SQLITE_ROWS,
    "git": git_rows.ROWS,
    "clock": clock_rows.ROWS,
    "optional": optional_rows.ROWS,
}
# Rows, and rows × situations of a sample. The tests of each neighbor try all situations
# of each row that is chosen.
ROWS_FLOOR, SAMPLE_FLOOR = 350, 85


def test_table_has_its_rows():
    assert sum(map(len, ROWS.values())) >= ROWS_FLOOR


def test_each_row_has_its_outcome_and_limits_in_all_situations():
    for rows in ROWS.values():
        for row in rows:
            assert row.situations == list(SITUATIONS)
            assert row.ends in ("done", "partial", "failed", "waiting")


def test_each_promise_is_shown_by_a_table_or_a_test_that_exists():
    assert [place for place in promises.places() if not promises.is_there(place)] == []
    tables = {
        str(path.relative_to(promises.ROOT))
        for path in Path(__file__).parent.glob("test_*_table.py")
    }
    assert tables <= promises.places()


@pytest.mark.long
def test_sample_reaches_its_floor(trial):
    cases = sum(
        len(row.situations) for neighbor, rows in ROWS.items() for row in sample(neighbor, rows)
    )
    trial.reached(cases, floor=1 if os.environ.get("SAMPLE") else SAMPLE_FLOOR)
