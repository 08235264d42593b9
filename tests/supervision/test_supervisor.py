"""The supervisor with a program that knows neither Django nor pipelines."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from apps.supervision.table import SLOTS, Table

PROGRAM = Path(__file__).with_name("program.py")

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the supervisor reads /proc")


@pytest.fixture
def run(tmp_path):
    processes = []

    def start(what):
        process = subprocess.Popen([sys.executable, str(PROGRAM), str(tmp_path), what])
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


def pids(folder):
    path = folder / "started"
    return path.read_text().split() if path.exists() else []


def wait_for(condition, seconds=30):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def reports(folder):
    return [
        json.loads(path.read_text()) for path in sorted((folder / "reports").glob("*.json"))
    ]


def test_a_pattern_that_holds_the_gil_is_ended_and_the_program_started_again(run, tmp_path):
    assert run("pattern").wait(30) == 0
    assert len(pids(tmp_path)) == 2
    [report] = reports(tmp_path)
    assert (report["owner"], report["cause"], report["blamed"]) == (
        "one process",
        "silent",
        ["a pattern"],
    )


def test_a_program_with_an_overdue_mark_is_ended_and_started_again(run, tmp_path):
    assert run("overdue").wait(30) == 0
    assert len(pids(tmp_path)) == 2
    [report] = reports(tmp_path)
    assert report["cause"] == "overdue"


def test_the_exit_status_is_the_programs_own(run, tmp_path):
    assert run("status").wait(30) == 7
    assert len(pids(tmp_path)) == 1
    assert not reports(tmp_path)


def test_signals_reach_the_program(run, tmp_path):
    process = run("wait")
    wait_for(lambda: pids(tmp_path))
    time.sleep(0.5)
    process.send_signal(signal.SIGHUP)
    wait_for((tmp_path / "hup").exists)
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 3


def test_supervisor_that_was_stopped_leaves_the_program_alone(run, tmp_path):
    process = run("wait")
    wait_for(lambda: pids(tmp_path))
    time.sleep(0.5)
    process.send_signal(signal.SIGSTOP)
    # Longer than the supervisor waits for a signal.
    time.sleep(1)
    process.send_signal(signal.SIGCONT)
    time.sleep(1)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 3
    assert len(pids(tmp_path)) == 1


def test_a_program_that_is_deaf_to_sigterm_is_ended_after_its_grace(run, tmp_path):
    process = run("deaf")
    wait_for(lambda: pids(tmp_path))
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert len(pids(tmp_path)) == 1


def test_a_table_gives_each_slot_once_and_takes_it_back():
    table = Table.make()
    slots = [table.take("me") for _ in range(SLOTS)]
    assert table.take("me") is None
    slots[7].release()
    again = table.take("me")
    again.mark("text " * 1000, limit=2)
    [mark] = table.read()
    assert mark.limit == 2
    assert mark.subject.startswith("text text")
