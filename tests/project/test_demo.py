"""`make demo` as a person meets it: a link that signs in once and opens the run, which
ends; all of it ends with it.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest

from tests.acceptance.conftest import pull_request
from tests.project.test_dev import ROOT, children_of, runs
from tests.services import free_port

LINK = re.compile(r"http://localhost:\d+/\S+")
WAIT = 120.0


def eventually(look):
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.05)
    raise AssertionError("it did not happen")


class Demo:
    def __init__(self, process, log):
        self.process, self.log = process, log

    @property
    def words(self):
        return self.log.read_text()

    def link(self):
        """The address printed last, once there is one that signs in."""

        def last():
            assert self.process.poll() is None, self.words
            found = LINK.findall(self.words)
            return found and "/sign-in/" in found[-1] and found[-1]

        return eventually(last)

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


@contextmanager
def demo(state, log=None, **env):
    variables = {
        "PATH": os.environ["PATH"],
        "STATE": str(state),
        "PORT": str(free_port()),
        "PACE": "0",
        **env,
    }
    log = log or state.with_suffix(".log")
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "scripts/demo.py"], cwd=ROOT, env=variables, stdout=out, stderr=out
        )
    try:
        yield Demo(process, log)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(40)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two small repositories of pull request files."""
    folder = tmp_path_factory.mktemp("data") / "acme"
    folder.mkdir()
    for name, count in {"acme/api": 12, "acme/web": 8}.items():
        lines = [json.dumps(pull_request(name, number)) for number in range(1, count + 1)]
        (folder / f"{name.replace('/', '__')}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def test_its_link_opens_the_run_that_ends_with_one_mail_and_a_second_start_goes_on(
    tmp_path, data
):
    state = tmp_path / "state"
    with demo(state, DATA=str(data)) as first:
        link = first.link()
        with httpx.Client(follow_redirects=True, timeout=30) as client:
            page = client.get(link)
            assert page.status_code == 200
            assert "/onboarding/runs/" in page.url.path
            assert "Setting up Acme" in page.text
            status = page.url.join("../../sync-status/")
            done = eventually(
                lambda: (now := client.get(status).json())["state"] != "running" and now
            )
            assert (done["state"], done["percent"]) == ("done", 100)
            assert {row["name"] for row in done["repositories"]} == {"acme/api", "acme/web"}
            assert client.get(page.url.join("/admin/")).status_code == 200
        with httpx.Client(follow_redirects=True, timeout=30) as stranger:
            assert stranger.get(link).url.path == "/accounts/login/", "it signs in once"
            mails = eventually(
                lambda: (
                    "insights are ready" in (text := stranger.get(page.url.join("/mail/")).text)
                    and text
                )
            )
            assert mails.count("insights are ready") == 1
        eventually(lambda: "All of it is served until Ctrl-C" in first.words)
        assert "2 repositories  20 pull requests" in first.words
        with demo(tmp_path / "state", log=tmp_path / "twin.log", DATA=str(data)) as twin:
            assert twin.process.wait(30) == 64
            assert "a demo is running in" in twin.words
        children = children_of(first.process.pid)
        assert len(children) == 3
        assert first.end() == 0
        assert not any(map(runs, children))
    with demo(state, DATA=str(data)) as second:
        with httpx.Client(follow_redirects=True, timeout=30) as client:
            assert "Acme" in client.get(second.link()).raise_for_status().text
        assert "continues from earlier" in second.words


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"DATA": "/nowhere"}, "DATA=/nowhere: there is no such folder"),
        ({"DATA": "/"}, "there is no OWNER__REPO.jsonl in it"),
        ({"REPO": "/nowhere"}, "REPO=/nowhere: there is no such folder"),
        ({"PACE": "fast"}, "PACE=fast: give a number from 0 to 60"),
        ({"REPO": "/", "DATA": str(ROOT)}, "REPO and DATA"),
        ({"MONTHS": "0"}, "MONTHS=0: give a number from 1 to 600"),
    ],
)
def test_it_says_what_cannot_be_used(tmp_path, variables, words):
    with demo(tmp_path / "state", **variables) as refused:
        assert refused.process.wait(30) == 64
        assert words in refused.words


def test_a_taken_port_is_said_with_what_to_do(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with demo(tmp_path / "state", PORT=str(port)) as refused:
            assert refused.process.wait(30) == 64
            assert f"port {port} is taken" in refused.words
            assert f"make demo PORT={port + 1}" in refused.words
