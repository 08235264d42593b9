"""`manage.py serve` as an operator runs it: real processes, an empty folder, and
signals.
"""

import contextlib
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psycopg
import pytest

from tests.services import free_port, postgres_server

ROOT = Path(__file__).parents[2]
START_SECONDS = 120.0
END_SECONDS = 30.0
EX_CONFIG, EX_USAGE = 78, 64


def environment(state, **more):
    """Return a development environment with nothing of the caller's."""
    return {
        "PATH": os.environ["PATH"],
        "FIRSTLIGHT_DOTENV": "0",
        "DEBUG": "1",
        "STATE_DIR": str(state),
        **more,
    }


@contextlib.contextmanager
def serving(env, log, *arguments):
    """Run `manage.py serve`; end it by its own id on the way out."""
    command = [sys.executable, "manage.py", "serve", *arguments]
    with log.open("w") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=out, stderr=out, stdin=subprocess.DEVNULL
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def children_of(pid):
    """Return the processes of a group by what they run: `web` and `worker`."""
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        words = Path(f"/proc/{child}/cmdline").read_bytes().decode(errors="replace")
        kind = "web" if "project.server" in words else "worker"
        found.setdefault(kind, []).append(int(child))
    return found


def runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(condition, seconds=START_SECONDS):
    """Return the first true result of `condition`, or fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.1)


def answers(port, path):
    """Return the answer of a page, or None while the site can't be reached."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}{path}", timeout=10)
    except httpx.TransportError:
        return None


def port_of(process, log):
    """Return the port that `serve --port 0` chose, once it serves the site.

    A port that a test finds free and gives to a process may be another one's by then:
    of a parallel test, or of an outgoing connection. Then the process ends at once, and
    the test would wait for it in vain.
    """

    def shown():
        assert process.poll() is None, log.read_text()
        return re.search(r"Firstlight is at http://\w+:(\d+)/", log.read_text())

    port = int(wait_for(shown)[1])
    wait_for(lambda: answers(port, "/readyz") or process.poll() is not None)
    assert process.poll() is None, log.read_text()
    return port


def is_healthy(port):
    """Return whether web, queue, worker, and sweeper all work."""
    answer = answers(port, "/healthz")
    return answer is not None and answer.status_code == 200


def test_one_command_migrates_serves_works_restarts_what_dies_and_ends_all(tmp_path):
    log = tmp_path / "log"
    with serving(environment(tmp_path / "state"), log, "--port", "0") as process:
        port = port_of(process, log)
        wait_for(lambda: is_healthy(port))
        assert answers(port, "/accounts/login/").status_code == 200
        first = children_of(process.pid)
        assert {name: len(pids) for name, pids in first.items()} == {"web": 1, "worker": 1}
        for pids in first.values():
            os.kill(pids[0], signal.SIGKILL)

        # A request that arrives while there is no web process waits for the next one.
        assert wait_for(lambda: answers(port, "/accounts/login/")).status_code == 200
        second = wait_for(lambda: len(now := children_of(process.pid)) == 2 and now)
        assert not {*first["web"], *first["worker"]} & {*second["web"], *second["worker"]}
        wait_for(lambda: is_healthy(port))

        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(END_SECONDS) == 0
        assert time.monotonic() - began < 9 + 2
        everyone = [pid for pids in second.values() for pid in pids]
        assert not any(map(runs, everyone))


@pytest.mark.long
def test_sigint_ends_it_when_a_shell_started_it_in_the_background(tmp_path):
    """A shell without job control starts background processes with SIGINT ignored."""
    log = tmp_path / "log"
    script = f'"{sys.executable}" manage.py serve --port 0 >"{log}" 2>&1 & echo $! >"{tmp_path}/pid"; wait $!'
    env = environment(tmp_path / "state")
    shell = subprocess.Popen(["sh", "-c", script], cwd=ROOT, env=env)
    try:
        wait_for(lambda: (tmp_path / "pid").exists() and log.exists())
        port_of(shell, log)
        pid = int((tmp_path / "pid").read_text())
        os.kill(pid, signal.SIGINT)
        assert shell.wait(END_SECONDS) == 0
    finally:
        if shell.poll() is None:
            os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
            shell.kill()
            shell.wait()


@pytest.mark.long
def test_when_it_is_killed_its_processes_end(tmp_path):
    log = tmp_path / "log"
    with serving(environment(tmp_path / "state"), log, "--port", "0") as process:
        port_of(process, log)
        pids = [pid for found in children_of(process.pid).values() for pid in found]
        process.kill()
        process.wait()
        wait_for(lambda: not any(map(runs, pids)), END_SECONDS)


def test_a_taken_port_is_refused_before_it_migrates(tmp_path):
    port = free_port()
    env = environment(tmp_path / "state")
    with (
        socket.create_server(("127.0.0.1", port)),
        serving(env, tmp_path / "log", "--port", str(port)) as process,
    ):
        assert process.wait(START_SECONDS) == EX_USAGE
    log = (tmp_path / "log").read_text()
    assert str(port) in log
    assert "http://" not in log
    with contextlib.closing(sqlite3.connect(tmp_path / "state" / "db.sqlite3")) as database:
        assert database.execute("SELECT name FROM sqlite_master").fetchall() == []


def test_a_wrong_setting_ends_it_with_78(tmp_path):
    env = environment(tmp_path / "state", DEBUG="0")
    with serving(env, tmp_path / "log") as process:
        assert process.wait(START_SECONDS) == EX_CONFIG
    assert "SECRET_KEY" in (tmp_path / "log").read_text()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--workers", "0"],
        pytest.param(["--grace", "0"], marks=pytest.mark.long),
        pytest.param(["--port", "99999"], marks=pytest.mark.long),
        pytest.param(["--nonsense"], marks=pytest.mark.long),
    ],
)
def test_wrong_arguments_end_it_with_64(tmp_path, arguments):
    with serving(environment(tmp_path / "state"), tmp_path / "log", *arguments) as process:
        assert process.wait(START_SECONDS) == EX_USAGE
    assert "Traceback" not in (tmp_path / "log").read_text()


def applied(rows):
    """Return the number of applied migrations, of which none may be there twice."""
    assert len(rows) == len(set(rows))
    return len(rows)


def migrations_of_sqlite(state):
    with contextlib.closing(sqlite3.connect(state / "db.sqlite3")) as database:
        return database.execute("SELECT app, name FROM django_migrations").fetchall()


@pytest.mark.long
def test_three_that_start_together_on_sqlite_migrate_once(tmp_path):
    state = tmp_path / "state"
    start_together(tmp_path, environment(state))
    assert applied(migrations_of_sqlite(state)) > 50


@pytest.mark.long
def test_three_that_start_together_on_postgresql_migrate_once(tmp_path):
    with postgres_server() as address:
        start_together(tmp_path, environment(tmp_path / "state", DATABASE_URL=address))
        with psycopg.connect(address) as database:
            rows = database.execute("SELECT app, name FROM django_migrations").fetchall()
    assert applied(rows) > 50


def start_together(folder, env):
    """Start three at once, and wait until each of them has migrated without an error
    and serves.
    """
    logs = [folder / f"{number}.log" for number in range(3)]
    with contextlib.ExitStack() as stack:
        started = [(stack.enter_context(serving(env, log, "--port", "0")), log) for log in logs]
        for process, log in started:
            assert answers(port_of(process, log), "/readyz").status_code == 200
    for log in logs:
        migrating, _, _serving = log.read_text().partition("Firstlight is at")
        assert "Traceback" not in migrating
