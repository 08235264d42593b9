"""Streams held by a GRIP proxy: what the site tells one, and what it hands to one."""

import http.server
import json
import subprocess
import sys
import threading
import time

import jwt
import pytest

from apps.pipelines.projection import project
from tests.fixtures.workers import ROOT, eventually
from tests.pipelines.stream.watching import Web

KEY = "a key that the site and its proxy share"
WRITE = """
import django, sys; django.setup()
import django_grip
from django.db import transaction
from apps.pipelines import events
with transaction.atomic():
    for n in (1, 2):
        events.append(sys.argv[1], [events.Entry("part", "a", data={"n": n}), events.Entry("part", "b", data={"n": n})])
django_grip.get_pubcontrol().finish()
"""


class Proxy(http.server.ThreadingHTTPServer):
    """A proxy's control port, which keeps what it is handed."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Control)
        self.items = []
        self.url = (
            f"http://127.0.0.1:{self.server_port}/?iss=site&key={KEY.replace(' ', '%20')}"
        )
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Control(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.items += json.loads(body)["items"]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def proxy():
    with Proxy() as proxy:
        yield proxy
        proxy.shutdown()


@pytest.fixture(scope="module")
def web(proxy, django_db_setup, django_db_blocker, tmp_path_factory):
    with django_db_blocker.unblock():
        web = Web(tmp_path_factory.mktemp("web"), GRIP_URL=proxy.url).start()
    yield web
    web.stop()


@pytest.fixture
def signed():
    token = jwt.encode({"iss": "site", "exp": int(time.time()) + 60}, KEY, "HS256")
    return {"Grip-Sig": token, "Grip-Feature": "status, session"}


def test_a_proxy_is_told_to_hold_the_stream_after_what_the_client_lacks(acme, watch, signed):
    seq = acme.say("a", n=1)
    whole = watch(headers=signed)
    assert whole.ended.wait(5)
    assert whole.answer.headers["Grip-Hold"] == "stream"
    assert f"events-run-{acme.run.pk}; prev-id={seq}" in whole.answer.headers["Grip-Channel"]
    assert '"whole": true' in whole.frames[-1].data
    news = watch(headers=signed, seq=seq - 1)
    assert news.ended.wait(5)
    assert json.loads(news.frames[-1].data) == {"whole": False, "parts": {"part/a": {"n": 1}}}
    # What a client gives back from such a frame is understood with and without a proxy.
    given_back = next(
        line for line in news.frames[-1].text.splitlines() if line.startswith("id: ")
    )[4:]
    assert given_back == f"run-{acme.run.pk}:{seq}"


def test_proxy_is_not_told_to_hold_what_is_asked_for_once(acme, watch, signed):
    seq = acme.say("a", n=1)
    once = watch(f"{acme.path}?once=1", headers=signed)
    assert once.ended.wait(5)
    assert "Grip-Hold" not in once.answer.headers
    assert f"id: {seq}" in once.frames[-1].text


def test_a_proxy_opens_the_gate_to_nobody(acme, watch, signed):
    assert watch(headers=signed, session=None).status == 302
    assert watch(headers=signed, path=acme.path_of(acme.run, "elsewhere")).status == 404


def test_a_forged_signature_is_no_proxy_s(acme, watch):
    forged = jwt.encode(
        {"iss": "site", "exp": int(time.time()) + 60}, "another key " * 3, "HS256"
    )
    answer = watch(headers={"Grip-Sig": forged}).answer
    assert answer.status == 200
    assert "Grip-Hold" not in answer.headers


def test_a_commit_hands_the_proxy_one_frame_and_the_number_before_it(acme, watch, proxy, web):
    before = acme.run.seq = project(acme.run.pk).seq
    subprocess.run(
        [sys.executable, "-c", WRITE, str(acme.run.pk)],
        cwd=ROOT,
        env=web.environment(),
        check=True,
    )
    eventually(lambda: proxy.items)
    (item,) = proxy.items
    assert (item["id"], item["prev-id"]) == (str(before + 4), str(before))
    assert item["channel"] == f"events-run-{acme.run.pk}"
    head, _, data = item["http-stream"]["content"].partition("data: ")
    assert head == "event: \nid: %I\n"
    assert json.loads(data) == {
        "whole": False,
        "parts": {"part/a": {"n": 2}, "part/b": {"n": 2}},
    }
