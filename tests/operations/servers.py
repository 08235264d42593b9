"""PostgreSQL and Redis with passwords, as compose.yaml has them, and nginx with
deploy/nginx.conf.
"""

import contextlib
import os
import re
import subprocess

import psycopg
import redis
import yaml

from tests.operations.place import ROOT
from tests.project.test_proxy import around, make_certificate
from tests.services import free_port, require, running, unprivileged_user, wait_until

# What Debian's nginx.conf has, and what operators add.
COMMON = """
gzip on;
gzip_proxied any;
gzip_types text/plain text/css text/event-stream application/json application/javascript;
proxy_buffering on;
"""


def composition():
    return yaml.safe_load((ROOT / "compose.yaml").read_text())


@contextlib.contextmanager
def postgres(place, password):
    """Yield the port of a new cluster, with the user and the database of compose.yaml
    and this password.
    """
    initdb, program = (
        require("initdb", "operations need it"),
        require("postgres", "operations need it"),
    )
    wanted = composition()["services"]["postgres"]["environment"]
    folder, user, port = place.folder / "postgres", unprivileged_user(), free_port()
    folder.mkdir()
    secret = folder / "password"
    secret.write_text(password)
    if user is not None:
        os.chown(folder, user, -1)
        os.chown(secret, user, -1)
    new = [initdb, "-D", f"{folder}/data", "-U", wanted["POSTGRES_USER"], "-A", "scram-sha-256"]
    new += ["--pwfile", secret, "-E", "UTF8", "--locale=C", "--no-sync"]
    subprocess.run(new, user=user, cwd=folder, check=True, capture_output=True)
    command = [
        program,
        "-D",
        f"{folder}/data",
        "-p",
        str(port),
        "-c",
        "listen_addresses=127.0.0.1",
    ]
    with running([*command, "-c", "unix_socket_directories="], folder, user) as server:
        facts = {
            "host": "127.0.0.1",
            "port": port,
            "user": wanted["POSTGRES_USER"],
            "password": password,
        }
        administration = wait_until(
            lambda: psycopg.connect(**facts, dbname="postgres", autocommit=True),
            psycopg.OperationalError,
            server,
        )
        with administration:
            administration.execute(f'CREATE DATABASE "{wanted["POSTGRES_DB"]}"')
        yield port


@contextlib.contextmanager
def valkey(place, password):
    """Yield the port of a server that compose.yaml's own command started; Redis takes
    the same settings.
    """
    program = require("redis-server", "operations need it")
    _, _, line = composition()["services"]["valkey"]["command"]
    port = free_port()
    assert "exec valkey-server" in line
    line = line.replace("$$", "$").replace("exec valkey-server", f"exec {program}")
    folder = place.folder / "valkey"
    folder.mkdir()
    command = [
        "env",
        f"REDIS_PASSWORD={password}",
        "sh",
        "-c",
        f"{line} --port {port} --bind 127.0.0.1",
    ]
    with (
        running(command, folder) as server,
        redis.Redis(port=port, password=password) as client,
    ):
        wait_until(client.ping, redis.ConnectionError, server)
        yield port


@contextlib.contextmanager
def nginx(place):
    """Run nginx with deploy/nginx.conf; only its ports and paths are those of this
    place.
    """
    program = require("nginx", "operations need it")
    folder = place.folder / "nginx"
    folder.mkdir()
    make_certificate(place.folder / "etc" / "ssl")
    text = (ROOT / "deploy" / "nginx.conf").read_text()
    changes = {
        "listen 443 ": f"listen 127.0.0.1:{place.tls_port} ",
        "listen 80;": f"listen 127.0.0.1:{place.plain_port};",
    }
    for written, real in changes.items():
        assert written in text
        text = text.replace(written, real)
    (folder / "site.conf").write_text(COMMON + place.here(text))
    (folder / "nginx.conf").write_text(around(folder))
    command = [program, "-p", str(folder), "-c", f"{folder}/nginx.conf", "-e", "stderr"]
    with running(command, folder):
        yield


def host():
    """Return the host name of deploy/nginx.conf."""
    names = re.findall(r"server_name (\S+);", (ROOT / "deploy" / "nginx.conf").read_text())
    [name] = set(names)
    return name
