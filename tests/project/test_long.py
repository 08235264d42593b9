"""`make test-long`: what it runs fits into its time, and a trial that does too little
fails.
"""

import time

import pytest

from tests import long
from tests.trials import Trial


def test_what_trials_are_asked_to_take_leaves_time_for_the_others():
    trials = [trial for lanes in long.STAGES for lane in lanes for trial in lane]
    assert sum(trial.seconds for trial in trials) < long.TOTAL_SECONDS / 3
    assert all(trial.limit < long.TOTAL_SECONDS * 2 / 3 for trial in trials)


def test_lanes_run_side_by_side_and_name_what_failed(tmp_path):
    meet = tmp_path / "meet.py"  # ends when the other one is there, too
    meet.write_text(
        "import sys, time\nfrom pathlib import Path\nown, other = map(Path, sys.argv[1:])\nown.touch()\n"
        "while not other.exists():\n    time.sleep(0.05)\n"
    )
    a, b = tmp_path / "a", tmp_path / "b"
    lanes = [
        [long.Trial("a", f"{meet} {a} {b}", 1, limit=30)],
        [long.Trial("b", f"{meet} {b} {a}", 1, limit=30)],
    ]
    lanes.append([long.Trial("c", "-c __import__('sys').exit(1)", seconds=1, limit=30)])
    end = time.monotonic() + 60
    assert [trial.name for trial in long.failures(lanes, end)] == ["c"]


def test_seed_and_seconds_come_from_the_environment(monkeypatch):
    chaos = long.CHAOS_TRIALS[0]
    monkeypatch.setenv("SEED", "7")
    monkeypatch.setenv("SECONDS", "30")
    words = chaos.words()
    assert words[words.index("--seed") + 1] == "7"
    assert words[words.index("--start-for") + 1] == "30"


def test_trial_under_its_floor_fails(monkeypatch):
    monkeypatch.delenv("SECONDS", raising=False)
    noted = []
    trial = Trial(lambda name, text: noted.append(text))
    with pytest.raises(AssertionError, match="floor 10"):
        trial.reached(9, floor=10)
    trial.reached(10, floor=10)
    assert len(noted) == 2


def test_trial_that_takes_too_long_is_ended_and_fails():
    endless = long.Trial("endless", "-c __import__('time').sleep(60)", seconds=1, limit=1)
    assert long.run(endless, endless.limit) is None
    assert not long.passes(endless, time.monotonic() + 60)


def test_trial_is_ended_when_the_time_of_all_is_over():
    endless = long.Trial("endless", "-c __import__('time').sleep(60)", seconds=1, limit=60)
    assert not long.passes(endless, time.monotonic() + 1)
    assert not long.passes(endless, time.monotonic() - 1)
