"""The program that keeps a group of processes running, with members that know nothing
of Firstlight.
"""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from apps.supervision import group

END_SECONDS = 30.0


def member(name, program):
    return {"name": name, "command": [sys.executable, "-c", program], "files": []}


def start(*members, grace=20.0):
    order = {"members": members, "grace": grace, "as_json": True}
    command = [sys.executable, "-I", "-S", group.__file__, json.dumps(order)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def log_of(process):
    """Return the levels and messages of a group that ends by itself."""
    _, log = process.communicate(timeout=END_SECONDS)
    return [json.loads(line) for line in log.splitlines() if line.startswith("{")]


@pytest.fixture
def waits(tmp_path):
    """Return a member that waits for its end, and notes its start and its SIGTERM in a
    file.
    """
    notes = tmp_path / "notes"
    program = (
        "import signal, sys, time\n"
        f"note = lambda text: open({str(notes)!r}, 'a').write(text)\n"
        "signal.signal(signal.SIGTERM, lambda *_: (note('ended'), sys.exit(0)))\n"
        "note('started ')\n"
        "time.sleep(60)\n"
    )
    return member("waiting one", program)


def wait_until_started(folder):
    deadline = time.monotonic() + END_SECONDS
    # An empty file is one that the member has opened and not yet written.
    while not (folder / "notes").exists() or not (folder / "notes").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_member_that_fails_five_times_ends_the_group_with_1(tmp_path, waits):
    process = start(member("failing one", "raise SystemExit(3)"), waits)
    log = log_of(process)
    assert process.returncode == 1
    assert [line["level"] for line in log] == ["warning"] * 4 + ["error"]
    assert all(
        "failing one" in line["message"] and "status 3" in line["message"] for line in log
    )
    assert (tmp_path / "notes").read_text() == "started ended"


def test_a_wrong_setting_ends_the_group_with_78_at_once(waits):
    process = start(waits, member("misconfigured one", "raise SystemExit(78)"))
    log = log_of(process)
    assert process.returncode == 78
    assert [line["level"] for line in log] == ["error"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_all_members_and_the_status_is_0(tmp_path, waits, number):
    process = start(waits)
    wait_until_started(tmp_path)
    process.send_signal(number)
    assert log_of(process) == []
    assert process.returncode == 0
    assert (tmp_path / "notes").read_text() == "started ended"


def test_a_member_that_does_not_end_is_killed_after_the_grace(tmp_path):
    program = (
        "import pathlib, signal, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        f"pathlib.Path({str(tmp_path / 'notes')!r}).write_text('started')\n"
        "time.sleep(60)\n"
    )
    process = start(member("deaf one", program), grace=1.0)
    wait_until_started(tmp_path)
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    (line,) = log_of(process)
    assert 0.8 < time.monotonic() - began < 5
    assert process.returncode == 0
    assert "deaf one" in line["message"]


def test_sigusr1_replaces_members_and_the_group_goes_on(tmp_path, waits):
    process = start(waits)
    wait_until_started(tmp_path)
    process.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + END_SECONDS
    while (notes := (tmp_path / "notes").read_text()).count(
        "started"
    ) < 2 or "ended" not in notes:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert [line["level"] for line in log_of(process)] == ["info"]
    assert process.returncode == 0


def test_it_needs_little_memory(tmp_path, waits):
    process = start(waits)
    wait_until_started(tmp_path)
    (resident,) = [
        int(line.split()[1])
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    ]
    process.send_signal(signal.SIGTERM)
    log_of(process)
    assert resident < 25_000, "in kB"
