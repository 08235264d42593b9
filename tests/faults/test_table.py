"""The fault table as a whole: how many rows there are, and how many of them `make test-long` tries."""

import os

import pytest

from tests.faults import clock_rows, git_rows, github_rows, model_rows, redis_rows, smtp_rows
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
}
# Rows, and rows × situations of a sample. The tests of each neighbor try all situations of each row that is chosen.
ROWS_FLOOR, SAMPLE_FLOOR = 350, 85


def test_table_has_its_rows():
    assert sum(map(len, ROWS.values())) >= ROWS_FLOOR


def test_each_row_has_its_outcome_and_limits_in_all_situations():
    for rows in ROWS.values():
        for row in rows:
            assert row.situations == list(SITUATIONS)
            assert row.ends in ("done", "partial", "failed", "waiting")


@pytest.mark.long
def test_sample_reaches_its_floor(trial):
    cases = sum(len(row.situations) for neighbor, rows in ROWS.items() for row in sample(neighbor, rows))
    trial.reached(cases, floor=1 if os.environ.get("SAMPLE") else SAMPLE_FLOOR)
