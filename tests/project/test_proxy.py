"""The web process behind a real nginx with deploy/nginx.conf: who visits, streams, and
sizes.
"""

import datetime
import os
import ssl
import subprocess
import sys
import time

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.db import connection
from django.test import Client

from apps.pipelines import engine
from apps.teams.services import create_team
from apps.users.models import User
from tests.fixtures.workers import ROOT
from tests.servers import database_url
from tests.services import free_port, require, running

pytestmark = pytest.mark.django_db(transaction=True)

HOST = "firstlight.example.com"
START_SECONDS = 60
# Visitors: any address of 127.0.0.0/8 can be a client's own. nginx connects from
# 127.0.0.1.
MARA, TEO = "127.0.0.2", "127.0.0.3"
LIMIT_REACHED = 429
RESET = "/accounts/password/reset/"


@pytest.fixture
def web(tmp_path):
    """Yield the port of a web process as the units start it; its log is web/log."""
    port = free_port()
    (tmp_path / "web").mkdir()
    env = os.environ | {
        "DATABASE_URL": database_url(connection),
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "ALLOWED_HOSTS": HOST,
        "SITE_URL": f"https://{HOST}",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-W", "ignore", "-m", "project.server", "--port", str(port)]
    with running_with(env, command, tmp_path / "web") as process:
        wait_for(f"http://127.0.0.1:{port}/readyz", process)
        yield port


def running_with(env, command, folder):
    """Run a command with an environment of its own, by `env`."""
    words = [f"{name}={value}" for name, value in env.items()]
    return running(["env", "-i", *words, *command], folder)


def wait_for(url, process):
    """Wait until the server at `url` answers, whatever it answers."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return httpx.get(url, verify=False, headers={"Host": HOST}, timeout=10)
        except httpx.TransportError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


@pytest.fixture
def proxy(web, tmp_path):
    """Yield the address of nginx in front of `web`, with deploy/nginx.conf but for
    ports and certificate.
    """
    program = require("nginx", "the tests behind a proxy start one")
    folder = tmp_path / "nginx"
    folder.mkdir()
    make_certificate(folder)
    port, plain = free_port(), free_port()
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    for written, here in {
        "listen 443 ": f"listen 127.0.0.1:{port} ",
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "127.0.0.1:8000": f"127.0.0.1:{web}",
        "/etc/ssl/firstlight": f"{folder}/firstlight",
    }.items():
        assert written in text
        text = text.replace(written, here)
    (folder / "site.conf").write_text(text)
    (folder / "nginx.conf").write_text(around(folder))
    command = [program, "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", "stderr"]
    with running(command, folder) as process:
        wait_for(f"https://127.0.0.1:{port}/readyz", process)
        yield f"https://127.0.0.1:{port}"


def around(folder):
    """Return the part of nginx's configuration that Debian's package brings."""
    paths = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{name}_temp_path {folder}/{name};\n" for name in paths)
    user = "user root;\n" if os.geteuid() == 0 else ""
    return (
        f"{user}daemon off;\npid {folder}/pid;\nworker_processes 1;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}include {folder}/site.conf;\n}}\n"
    )


def make_certificate(folder):
    """Write a certificate for HOST and its key, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    private = serialization.PrivateFormat.PKCS8
    (folder / "firstlight.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "firstlight.key").write_bytes(
        key.private_bytes(pem, private, serialization.NoEncryption())
    )


def visitor(address, url):
    """Return a client with a source address of its own."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    transport = httpx.HTTPTransport(verify=context, local_address=address)
    client = httpx.Client(transport=transport, base_url=url, timeout=60)
    client.headers.update({"Host": HOST, "Origin": f"https://{HOST}"})
    return client


def ask_for_reset(client, number, **headers):
    """Ask for a new password of an address of its own; return the status."""
    if "csrftoken" not in client.cookies:
        client.get(RESET).raise_for_status()
    form = {
        "email": f"person-{number}@example.com",
        "csrfmiddlewaretoken": client.cookies["csrftoken"],
    }
    return client.post(RESET, data=form, headers=headers).status_code


def test_each_visitor_has_limits_of_their_own_and_forged_headers_change_nothing(
    proxy, tmp_path
):
    with visitor(MARA, proxy) as mara, visitor(TEO, proxy) as teo:
        statuses = []
        for number in range(60):
            # A different forged address each time: were it believed, no limit would be
            # reached.
            forged = {
                "X-Forwarded-For": f"198.51.100.{number}",
                "Forwarded": f"for=198.51.100.{number}",
            }
            statuses.append(ask_for_reset(mara, number, **forged))
            if statuses[-1] == LIMIT_REACHED:
                break
        assert statuses[-1] == LIMIT_REACHED
        assert ask_for_reset(teo, 100) != LIMIT_REACHED
    assert "was ignored" not in (tmp_path / "web" / "log").read_text()


def test_untrusted_proxy_is_reported_once(web, tmp_path):
    with visitor(MARA, f"http://127.0.0.1:{web}") as direct:
        for number in range(3):
            direct.get("/accounts/login/", headers={"X-Forwarded-For": f"198.51.100.{number}"})
    assert (tmp_path / "web" / "log").read_text().count(
        "X-Forwarded-For from 127.0.0.2 was ignored"
    ) == 1


def test_events_pass_at_once(proxy, queue):
    owner = User.objects.create_user("owner@acme.example")
    team = create_team("Acme", owner)
    run, _ = engine.start(
        "onboarding", subject=f"team:{team.pk}", params={"team_id": team.pk}, send=False
    )
    signed_in = Client()
    signed_in.force_login(owner)
    session = signed_in.cookies["sessionid"].value
    path = f"/t/{team.slug}/onboarding/runs/{run.pk}/events/"
    with visitor(MARA, proxy) as client:
        headers = {"Accept": "text/event-stream", "Cookie": f"sessionid={session}"}
        with client.stream("GET", path, headers=headers, timeout=10) as stream:
            assert stream.status_code == 200
            received = stream.iter_text()
            next(received)
            engine.cancel(run)
            until = time.monotonic() + 5
            seen = ""
            while "cancelled" not in seen:
                assert time.monotonic() < until, seen
                seen += next(received)


def test_too_large_form_gets_an_answer_of_the_site(proxy):
    with visitor(MARA, proxy) as client:
        answer = client.post("/accounts/login/", data={"login": "x" * 2_000_000})
    assert answer.status_code == 413
    assert "nginx" not in answer.text


def test_plain_http_leads_to_tls():
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    assert "return 301 https://$host$request_uri;" in text


def test_configuration_is_valid_by_nginx_itself(proxy, tmp_path):
    """The server that `proxy` started reads the file; nginx's own check finds no
    warning, too.
    """
    program = require("nginx", "the tests behind a proxy start one")
    folder = tmp_path / "nginx"
    command = [
        program,
        "-t",
        "-p",
        str(folder),
        "-c",
        str(folder / "nginx.conf"),
        "-e",
        "stderr",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
