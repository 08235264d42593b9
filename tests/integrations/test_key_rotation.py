"""Keys are changed beside real processes: none of them is left with a list that can't
read or write rightly.
"""

import contextlib
import os
import subprocess
import sys
import time
from datetime import timedelta
from io import StringIO

import pytest
from cryptography.fernet import Fernet
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from apps.integrations.models import Credential
from apps.integrations.sources.github.credentials import store_token
from apps.pipelines.models import ProcessSeen
from apps.pipelines.worker import presence, process_id
from apps.teams.services import create_team
from apps.users.models import User
from tests.fixtures.workers import ROOT
from tests.servers import database_url
from tests.services import free_port

pytestmark = pytest.mark.django_db(transaction=True)

START_SECONDS = 60.0
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def environment(*keys):
    return os.environ | {
        "DATABASE_URL": database_url(connection),
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "CREDENTIAL_KEYS": ",".join(keys),
        "RELEASE": "release-of-this-test",
    }


@contextlib.contextmanager
def process(log, keys, *words):
    """Run a process of the product with a list of keys; end it as systemd does."""
    with log.open("ab") as out:
        started = subprocess.Popen(
            [sys.executable, "-W", "ignore", *words],
            cwd=ROOT,
            env=environment(*keys),
            stdout=out,
            stderr=out,
        )
    try:
        yield started
    finally:
        started.terminate()
        started.wait(30)


def rotate(*keys):
    command = [sys.executable, "-W", "ignore", "manage.py", "rotate_credentials"]
    return subprocess.run(
        command, cwd=ROOT, env=environment(*keys), capture_output=True, text=True, check=False
    )


def wait_until(condition):
    until = time.monotonic() + START_SECONDS
    while not condition():
        assert time.monotonic() < until, list(ProcessSeen.objects.all())
        time.sleep(0.1)


def seen(owner, key):
    now = timezone.now()
    return ProcessSeen.objects.create(
        owner=owner,
        kind="web",
        host="elsewhere",
        pid=7,
        release="r1",
        key=key,
        started_at=now,
        seen_at=now,
    )


def test_rotation_is_refused_while_a_process_elsewhere_has_another_first_key(settings):
    settings.CREDENTIAL_KEYS = [OLD]
    owner = User.objects.create_user("owner@acme.example")
    store_token(create_team("Acme", owner), "token", owner)
    row = seen("elsewhere|7|1", presence.key_fingerprint())
    settings.CREDENTIAL_KEYS = [NEW, OLD]
    with pytest.raises(CommandError, match="process 7 on elsewhere, release r1"):
        call_command("rotate_credentials")
    assert (
        Fernet(OLD).decrypt(bytes(Credential.objects.across_teams().get().secret)) == b"token"
    )
    # A process that was not seen for a minute is gone.
    ProcessSeen.objects.filter(pk=row.pk).update(seen_at=timezone.now() - timedelta(seconds=61))
    call_command("rotate_credentials", stdout=StringIO())
    assert (
        Fernet(NEW).decrypt(bytes(Credential.objects.across_teams().get().secret)) == b"token"
    )


def test_rotation_ignores_a_process_whose_machine_proves_that_it_is_gone(settings):
    settings.CREDENTIAL_KEYS = [NEW]
    ended = process_id.me().rpartition("|")[0] + "|1"
    seen(ended, "another")
    call_command("rotate_credentials", stdout=StringIO())
    seen(process_id.me(), "another")
    with pytest.raises(CommandError):
        call_command("rotate_credentials")


@pytest.mark.long
def test_rotation_is_refused_until_no_process_has_another_first_key(tmp_path, queue, settings):
    settings.CREDENTIAL_KEYS = [OLD]
    owner = User.objects.create_user("owner@acme.example")
    store_token(create_team("Acme", owner), "token", owner)
    log = tmp_path / "log"
    web = ("-m", "project.server", "--port", str(free_port()))
    with process(log, [OLD, NEW], *web), process(log, [NEW, OLD], "manage.py", "run_worker"):
        wait_until(lambda: ProcessSeen.objects.count() == 2)
        found = {row.kind: row for row in ProcessSeen.objects.all()}
        assert {row.release for row in found.values()} == {"release-of-this-test"}
        refused = rotate(NEW, OLD)
        assert refused.returncode == 1
        assert f"process {found['web'].pid} " in refused.stderr
        assert f"process {found['worker'].pid} " not in refused.stderr
        assert (
            Fernet(OLD).decrypt(bytes(Credential.objects.across_teams().get().secret))
            == b"token"
        )
    # Both are gone from the list as soon as they have ended.
    assert ProcessSeen.objects.count() == 0
    assert rotate(NEW, OLD).returncode == 0
    assert (
        Fernet(NEW).decrypt(bytes(Credential.objects.across_teams().get().secret)) == b"token"
    )
