"""The release before, checked out from git, and the processes of both releases."""

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.services import free_port

ROOT = Path(__file__).resolve().parents[2]
BASE = Path(__file__).with_name("BASE").read_text().strip()
# Settings that a developer's shell may have do not count.
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH")


@contextlib.contextmanager
def checkout(folder):
    """Yield the folder of the release before; without git history skip the test, or
    with CI set fail it.
    """
    found = git("cat-file", "-e", f"{BASE}^{{commit}}")
    if found.returncode:
        message = f"The release before, {BASE[:12]}, is not in this copy's git history: {found.stderr.strip()}"
        pytest.fail(message, pytrace=False) if os.environ.get("CI") else pytest.skip(message)
    added = git("worktree", "add", "--detach", "--force", str(folder), BASE)
    assert added.returncode == 0, added.stderr
    try:
        if (ROOT / "node_modules").exists():
            (folder / "node_modules").symlink_to((ROOT / "node_modules").resolve())
        yield folder
    finally:
        git("worktree", "remove", "--force", str(folder))


def git(*words):
    return subprocess.run(
        ["git", *words], cwd=ROOT, capture_output=True, text=True, check=False
    )


class Site:
    """One installation, whose processes are of one release or the other.

    `log` has what all of them wrote.
    """

    def __init__(self, folder, settings):
        self.env = {name: os.environ[name] for name in KEPT if name in os.environ}
        self.env |= {
            "FIRSTLIGHT_DOTENV": "0",
            "STATE_DIR": str(folder),
            "DEBUG": "1",
            **settings,
        }
        self.log = folder / "log"
        self.processes = []

    def manage(self, code, *words, **more):
        """Run a command of one release to its end."""
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "manage.py", *words],
            cwd=code,
            env=self.env | more,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self, code, *words):
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-W", "ignore", *words],
                cwd=code,
                env=self.env,
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    def start_worker(self, code):
        return self.start(code, "manage.py", "run_worker", "--workers", "6")

    def start_web(self, code, port=None):
        """Start a web process, wait until it serves, and return it with its port."""
        port = port or free_port()
        process = self.start(code, "-m", "project.server", "--port", str(port))
        wait_until(lambda: is_ready(port))
        return process, port

    def stop(self, process):
        process.terminate()
        assert process.wait(60) is not None
        self.processes.remove(process)

    def errors(self):
        """Return the end of what the processes logged, without their notes of requests."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join([line for line in lines if " INFO " not in line][-150:])

    def end(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def is_ready(port):
    """Return whether the web process serves, as a load balancer asks it."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


class Rows:
    """The database, read without any release's code."""

    def __init__(self, url):
        self.connection = psycopg.connect(url, autocommit=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def column(self, text, *params):
        return [row[0] for row in self.connection.execute(text, params).fetchall()]

    def count(self, text, *params):
        [number] = self.column(f"SELECT count(*) FROM {text}", *params)
        return number


def wait_until(condition, seconds=180.0, every=0.1):
    """Wait until the condition holds. The limit only ends what hangs."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := condition():
            return value
        time.sleep(every)
    pytest.fail(f"Waited {seconds:.0f} s in vain.")
