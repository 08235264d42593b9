import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.services import free_port

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0


def children_of(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_for(url, process):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return httpx.get(url, timeout=5)
        except httpx.TransportError:
            time.sleep(0.1)
    return None


def test_from_an_empty_folder_it_serves_the_site_beside_a_worker_and_ends_both(tmp_path):
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
            assert len(children) == 2
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(40)
    assert status == 0
    assert not any(Path(f"/proc/{child}").exists() for child in children)
