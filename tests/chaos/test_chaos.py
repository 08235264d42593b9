"""A short pass of the faults, and the same with a guard taken out: then the harness has to find what the guard keeps
away, or it could not be believed when it finds nothing."""

import os
import subprocess
import sys

import pytest

from tests.pipelines.conftest import ROOT


def chaos(*arguments):
    """The exit status and the report of a pass, in an environment of its own."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "CI") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-m", "tests.chaos", *arguments], cwd=ROOT, env=kept, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_everything_holds_on_the_embedded_default():
    status, report = chaos("--runs", "8", "--seed", "11")
    assert status == 0, report


def test_everything_holds_on_postgresql_and_redis(redis_url, postgres_url):
    status, report = chaos("--runs", "8", "--seed", "12", "--db", "postgres")
    assert status == 0, report


@pytest.mark.parametrize(
    ("guard", "faults", "found"),
    [
        ("fencing", [], "FOUND double effect"),
        ("epochs", ["duplicate", "freeze"], "FOUND stale message"),
        ("sweeper", ["kill one", "flush"], "FOUND lost"),
    ],
)
def test_a_guard_that_is_taken_out_is_missed(guard, faults, found):
    """Chance decides when a fault meets what the guard would have kept away, so a few passes are made until one does."""
    chosen = ["--faults", *faults] if faults else []
    reports = []
    for seed in range(5, 10):
        status, report = chaos("--runs", "8", "--seed", str(seed), "--seconds", "25", "--without", guard, *chosen)
        reports.append(report)
        if status == 1 and found in report:
            return
    pytest.fail("\n".join(reports))
