import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.services import free_port

ROOT = Path(__file__).parents[2]
START_SECONDS = 120.0


def children_of(pid):
    return [
        int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ]


def runs(pid):
    """Whether a process is there and more than a zombie, as which an orphan stays where
    nobody reaps.
    """
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


def test_from_an_empty_folder_it_serves_the_site_beside_a_worker_and_a_sandbox_and_ends_all(
    tmp_path,
):
    port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        "FIRSTLIGHT_DOTENV": "0",
        "STATE_DIR": str(tmp_path / "state"),
        "PORT": str(port),
    }
    with (tmp_path / "log").open("w+") as log:
        process = subprocess.Popen(
            [sys.executable, "scripts/dev.py"], cwd=ROOT, env=env, stdout=log, stderr=log
        )
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


def copy_of_project(folder):
    """Copy what `make dev` runs, so that a test may change it."""
    for name in ("apps", "project", "templates", "static", "scripts"):
        shutil.copytree(
            ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "manage.py", folder)
    (folder / "node_modules").symlink_to((ROOT / "node_modules").resolve())
    return folder


def eventually(condition):
    deadline = time.monotonic() + START_SECONDS
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
    return result


def used_seconds(pid):
    """Return the processor time of a process without its children's."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.long
def test_changed_code_restarts_web_and_worker_and_sigint_ends_it_in_the_background(tmp_path):
    """A shell without job control starts it with SIGINT ignored, as here."""
    project, port = copy_of_project(tmp_path / "project"), free_port()
    env = {"PATH": os.environ["PATH"], "FIRSTLIGHT_DOTENV": "0", "PORT": str(port)}
    script = f'"{sys.executable}" scripts/dev.py >"{tmp_path}/log" 2>&1 & echo $! >"{tmp_path}/pid"; wait $!'
    shell = subprocess.Popen(["sh", "-c", script], cwd=project, env=env)
    url = f"http://127.0.0.1:{port}/accounts/login/"
    try:
        assert wait_for(url, shell).status_code == 200
        pid = int((tmp_path / "pid").read_text())
        first = eventually(lambda: len(now := children_of(pid)) == 3 and now)

        module = project / "apps" / "masking.py"
        text = module.read_text()
        module.write_text(text + "\n# changed\n")
        second = eventually(
            lambda: (
                len(now := children_of(pid)) == 3 and len(set(now) - set(first)) == 2 and now
            )
        )
        assert httpx.get(url, timeout=60).status_code == 200

        module.write_text(text + "\nthis is no Python\n")
        eventually(
            lambda: (
                len(set(children_of(pid)) & set(first)) == 1
                and not any(map(runs, set(second) - set(first)))
            )
        )
        eventually(lambda: (tmp_path / "log").read_text().count("after the next change") == 2)
        module.write_text(text)
        assert httpx.get(url, timeout=60).status_code == 200

        before, began = used_seconds(pid), time.monotonic()
        time.sleep(5)
        assert (used_seconds(pid) - before) / (time.monotonic() - began) < 0.05

        last = children_of(pid)
        os.kill(pid, signal.SIGINT)
        assert shell.wait(40) == 0
        assert not any(map(runs, last))
    finally:
        if shell.poll() is None:
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
            shell.kill()
            shell.wait()


def test_a_taken_port_is_reported_before_anything_is_started(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        env = {
            "PATH": os.environ["PATH"],
            "FIRSTLIGHT_DOTENV": "0",
            "STATE_DIR": str(tmp_path),
            "PORT": str(port),
        }
        command = [sys.executable, "scripts/dev.py"]
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 64
    assert str(port) in done.stderr
    assert "http://" not in done.stderr


@pytest.mark.long
def test_its_processes_end_even_when_it_is_killed(tmp_path):
    port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        "FIRSTLIGHT_DOTENV": "0",
        "STATE_DIR": str(tmp_path),
        "PORT": str(port),
    }
    process = subprocess.Popen(
        [sys.executable, "scripts/dev.py"],
        cwd=ROOT,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
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
