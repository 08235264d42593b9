"""A pass without a guard, which has to find something.

Passes with all guards are trials of tests/long.py.
"""

import os
import subprocess
import sys

import pytest

from tests.fixtures.workers import ROOT


def chaos(*arguments):
    """The exit status and the report of a pass, in an environment of its own."""
    kept = {
        name: os.environ[name] for name in ("PATH", "HOME", "LANG", "CI") if name in os.environ
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *arguments],
        cwd=ROOT,
        env=kept,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.long
def test_without_a_sweeper_runs_are_lost():
    """The other guards are missed only where chance wants it: `make chaos GUARDS=1`
    goes on until it does. Their tests without chance are in tests/pipelines.
    """
    status, report = chaos(
        "--runs",
        "8",
        "--seed",
        "13",
        "--seconds",
        "25",
        "--without",
        "sweeper",
        "--faults",
        "kill one",
        "flush",
    )
    assert status == 1, report
    assert "FOUND lost" in report
