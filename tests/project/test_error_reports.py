"""What a real web process sends to Sentry, read by a stand-in for it: no form, query,
cookie, header, or person.
"""

import gzip
import http.client
import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlencode

import pytest

from project.error_reports import NOT_SENT, scrub
from tests.services import end, free_port

ROOT = Path(__file__).resolve().parents[2]
SECRETS = [
    "TYPED-IN-FORM",
    "IN-THE-QUERY",
    "IN-THE-COOKIE",
    "IN-A-HEADER",
    "ada@example.com",
    "hunter2",
    "IN-AN-ERROR",
]
# A view that fails with all that it got, after a query with a value and a log line with
# one.
APPLICATION = """
import logging
from project.startup import prepare
prepare()
from django.core.asgi import get_asgi_application
django = get_asgi_application()
from django.db import connection
from django.urls import path
from django.http import HttpResponse
from project import urls

def view(request):
    logging.getLogger("apps.failing").warning("typed %s", request.POST.get("password"))
    logging.getLogger("apps.failing").error("mail to %s", "ada@example.com")
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s", ["IN-AN-" + "ERROR"])
    typed = dict(request.POST.items())
    raise ValueError(f"{typed} {request.GET} IN-AN-{'ERROR'} ada@example.com")

view.csrf_exempt = True
urls.urlpatterns.insert(0, path("fails/", view))
application = django
"""


@pytest.fixture
def stand_in():
    """An HTTP server that keeps what is posted to it."""
    received = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(
                gzip.decompress(body)
                if self.headers.get("Content-Encoding") == "gzip"
                else body
            )
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1], received
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("debug", ["0", "1"])
def test_error_of_a_real_process_travels_with_its_stack_alone(stand_in, tmp_path, debug):
    port, received = stand_in
    (tmp_path / "failing_application.py").write_text(APPLICATION)
    web = free_port()
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DEBUG": debug,
        "STATE_DIR": str(tmp_path),
        "SENTRY_DSN": f"http://key@127.0.0.1:{port}/1",
        "PYTHONPATH": f"{tmp_path}:{ROOT}",
        "SECRET_KEY": "k8" * 13 + "abcdefghijklmnopqrstuvwxyz",
        "ALLOWED_HOSTS": "127.0.0.1",
        "CREDENTIAL_KEYS": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
        "EMAIL_URL": "console:",
        "DEFAULT_FROM_EMAIL": "firstlight@example.com",
        "SITE_URL": f"http://127.0.0.1:{web}",
    }
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "uvicorn",
        "failing_application:application",
        "--port",
        str(web),
    ]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, env=env, cwd=tmp_path, stdout=log, stderr=log)
    try:
        post(web)
        until = time.monotonic() + 20
        while time.monotonic() < until and not any(
            b"failing_application" in body for body in received
        ):
            time.sleep(0.05)
    finally:
        end(process)
    whole = b"\n".join(received)
    assert b"ValueError" in whole
    assert b"failing_application" in whole
    for secret in SECRETS:
        assert secret.encode() not in whole, secret
    if debug == "0":
        written = (tmp_path / "log").read_text()
        assert "IN-THE-QUERY" not in "".join(
            line for line in written.splitlines() if "uvicorn.access" in line
        )
        access = [
            json.loads(line) for line in written.splitlines() if '"uvicorn.access"' in line
        ]
        assert [record for record in access if "POST /fails/ HTTP" in record["message"]]
        # The site's static files were not collected, so the page can't be rendered: one
        # plain answer, and not one more exception for each middleware.
        assert written.count("POST /fails/: ValueError") == 1


def post(port):
    until = time.monotonic() + 60
    body = urlencode({"password": "TYPED-IN-FORM", "email": "ada@example.com"})
    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Cookie": "other=IN-THE-COOKIE",
        "Authorization": "Bearer IN-A-HEADER",
        "X-Forwarded-User": "ada@example.com",
    }
    while True:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("POST", "/fails/?token=IN-THE-QUERY&q=hunter2", body, headers)
            assert connection.getresponse().status == 500
            return
        except ConnectionError:
            assert time.monotonic() < until
            time.sleep(0.1)
        finally:
            connection.close()


def test_unknown_parts_of_an_event_stay_here():
    event = {
        "level": "error",
        "user": {"email": "ada@example.com"},
        "breadcrumbs": {"values": [{"message": "SELECT 1"}]},
        "extra": {"sys.argv": ["hunter2"]},
        "contexts": {"response": {"cookies": "x"}},
        "brand_new": "hunter2",
        "request": {"url": "https://a/x?y", "method": "POST", "data": "hunter2", "env": {}},
        "exception": {
            "values": [
                {
                    "type": "KeyError",
                    "value": "hunter2",
                    "stacktrace": {
                        "frames": [
                            {"function": "view", "vars": {"password": "hunter2"}, "lineno": 3}
                        ]
                    },
                }
            ]
        },
        "logentry": {
            "message": "mail to %s",
            "params": ["ada@example.com"],
            "formatted": "mail to ada@example.com",
        },
    }
    sent = scrub(event)
    assert set(sent) == {"level", "tags", "exception", "logentry"}
    assert sent["exception"]["values"][0]["value"] == NOT_SENT
    assert "hunter2" not in json.dumps(sent)
    assert "ada@example.com" not in json.dumps(sent)
