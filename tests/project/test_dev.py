import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.services import free_port

ROOT = Path(__file__).parents[2]
START_SECONDS = 120.0


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def runs(pid):
    """Whether a process is there and more than a zombie, as which an orphan stays where nobody reaps."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(url, process):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return httpx.get(url, timeout=5)
        except httpx.TransportError:
            time.sleep(0.1)
    return None


def test_from_an_empty_folder_it_serves_the_site_beside_a_worker_and_a_sandbox_and_ends_all(tmp_path):
    port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        "FIRSTLIGHT_DOTENV": "0",
        "STATE_DIR": str(tmp_path / "state"),
        "PORT": str(port),
    }
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen([sys.executable, "scripts/dev.py"], cwd=ROOT, env=env, stdout=log, stderr=log)
        try:
            answer = wait_for(f"http://127.0.0.1:{port}/accounts/login/", process)
            assert answer is not None, Path(log.name).read_text()
            assert answer.status_code == 200
            children = children_of(process.pid)
            assert len(children) == 3
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(40)
    assert status == 0
    assert not any(map(runs, children))


def test_its_processes_end_even_when_it_is_killed(tmp_path):
    port = free_port()
    env = {"PATH": os.environ["PATH"], "FIRSTLIGHT_DOTENV": "0", "STATE_DIR": str(tmp_path), "PORT": str(port)}
    process = subprocess.Popen(
        [sys.executable, "scripts/dev.py"], cwd=ROOT, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        assert wait_for(f"http://127.0.0.1:{port}/accounts/login/", process) is not None
        children = children_of(process.pid)
    finally:
        process.kill()
        process.wait()
    deadline = time.monotonic() + START_SECONDS
    while any(map(runs, children)):
        assert time.monotonic() < deadline, "still there"
        time.sleep(0.1)
