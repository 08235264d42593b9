"""A process that is started with wrong settings names all of them at once, in one line
each, whatever it is.
"""

import os
import subprocess
import sys

import pytest

from tests.fixtures.workers import ROOT
from tests.services import free_port

# Each is wrong by itself.
WRONG = {
    "STATE_DIR": "/etc/passwd",
    "SECRET_KEY": "short",
    "ALLOWED_HOSTS": "https://app.example.com",
    "SITE_URL": "ftp://app.example.com",
    "DATABASE_URL": "sqlite:////nonexistent/folder/db.sqlite3",
    "REDIS_URL": "redis://localhost:6379/first",
    "EMAIL_URL": "smtp://mail..example",
    "DEFAULT_FROM_EMAIL": "Firstlight",
    "ADMINS": "ops@mailhost",
    "GITHUB_TOKEN": "ghp_é",
    "GITHUB_APP_PRIVATE_KEY": "no key",
    "OIDC_ISSUER": "login.example.com",
    "GROQ_API_KEY": "gsk_é”",
    "LLM_BASE_URL": "api.example.com",
    "SSL_CERT_FILE": "/nonexistent.pem",
    "LLM_PATIENCE": "soon",
    "UNIT_LIMIT": "-1",
    "SENTRY_DSN": "https://sentry.example.com",
}
SECRETS = ("short", "ghp_", "gsk_", "mail..example")
STARTS = {
    "check": ("manage.py", "check"),
    "web": ("-m", "project.server"),
    "worker": ("manage.py", "run_worker"),
}


def start(words, **values):
    env = {name: value for name, value in os.environ.items() if name not in WRONG}
    env |= {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DEBUG": "0",
        "FIRSTLIGHT_DOTENV": "0",
    }
    env["PORT"] = str(free_port())
    command = [sys.executable, *words]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=env | values,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("name", STARTS)
def test_all_that_is_wrong_is_told_at_once(name):
    done = start(STARTS[name], **WRONG)
    assert done.returncode == 78, done.stderr
    lines = done.stderr.splitlines()
    named = [line.split()[0] for line in lines]
    assert set(WRONG) <= set(named), set(WRONG) - set(named)
    assert not [line for line in lines if "; expected " not in line]
    assert not [secret for secret in SECRETS if secret in done.stderr]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "sqlite:////tmp"),
        ("DATABASE_URL", "postgresql://user@host/name?sslmode=maybe"),
        ("DATABASE_URL", "postgresql://user@host/name?no_such_option=1"),
        ("REDIS_URL", "redis://localhost/0?no_such_option=1"),
        ("REDIS_URL", "rediss://localhost/0?ssl_cert_reqs=maybe"),
        ("EMAIL_URL", "smtp://mail.example.com?tls=maybe"),
        ("EMAIL_URL", "smtp://mail.example.com?no_such_option=1"),
    ],
)
def test_address_with_an_option_that_does_not_exist_is_refused(name, value):
    done = start(STARTS["check"], DEBUG="1", STATE_DIR=os.environ["STATE_DIR"], **{name: value})
    assert (done.returncode, done.stderr.split()[0]) == (78, name), done.stderr


def test_addresses_with_options_that_exist_are_taken():
    done = start(
        STARTS["check"],
        DEBUG="1",
        STATE_DIR=os.environ["STATE_DIR"],
        REDIS_URL="rediss://user:pw@localhost:6380/3?ssl_cert_reqs=required&socket_timeout=3",
        DATABASE_URL="postgresql://user@host/name?sslmode=require&pool_size=3&application_name=a",
        EMAIL_URL="smtp://user:pw@mail.example.com:587/?tls=1",
    )
    assert done.returncode == 0, done.stderr
