"""What counts as proof that a worker is dead."""

import os
import subprocess
import sys

import pytest

from apps.pipelines.worker import process_id
from tests.fixtures.workers import ROOT

# Become another user in a mount of /proc that hides other users' processes, then judge.
HIDDEN = """
import os, subprocess, sys
subprocess.run(["mount", "-t", "proc", "-o", "hidepid=invisible", "proc", "/proc"], check=True)
from apps.pipelines.worker import process_id
os.setgroups([])
os.setgid(65534)  # group 0 sees all processes
os.setuid(65534)
assert not os.path.exists(f"/proc/{sys.argv[1].split('|')[1]}")
print(process_id.is_dead(sys.argv[1]))
"""


def test_ended_process_is_dead():
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    place = process_id.me().split("|")[0]
    started = process_id._start_time(process.pid)
    assert not process_id.is_dead(f"{place}|{process.pid}|{started}")
    process.communicate()
    assert process_id.is_dead(f"{place}|{process.pid}|{started}")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hide processes")
def test_hidden_process_of_another_user_is_not_dead():
    command = ["unshare", "--mount", sys.executable, "-c", HIDDEN, process_id.me()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if "permission denied" in done.stderr.lower() or "not permitted" in done.stderr:
        pytest.skip("this container may not mount")
    assert done.stdout == "False\n", done.stderr
