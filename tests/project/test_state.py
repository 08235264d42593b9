"""Files with people's data are readable by the installation's user alone."""

import os
import stat
import subprocess
import sys

import pytest

from project.state import tighten
from tests.fixtures.workers import ROOT


@pytest.fixture
def manage(tmp_path):
    """Run a manage.py command with an own STATE_DIR and a umask that lets others read."""

    def run(*arguments):
        env = {"PATH": os.environ["PATH"], "FIRSTLIGHT_DOTENV": "0", "DEBUG": "1"}
        env["STATE_DIR"] = str(tmp_path / "state")
        command = [sys.executable, "-W", "ignore", "manage.py", *arguments]
        subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True, umask=0o022)

    return run


def modes(folder):
    """Return the permission bits of a folder and of all that is in it, by name."""
    paths = [folder, *folder.rglob("*")]
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in paths}


def test_new_files_are_for_their_owner_alone(manage, tmp_path):
    manage("migrate", "-v0")
    found = modes(tmp_path / "state")
    assert {"db.sqlite3", "secret_key", "credential_key"} <= found.keys()
    assert found.pop("state") == 0o700
    assert set(found.values()) == {0o600}


def test_files_of_an_earlier_release_become_private_at_start(manage, tmp_path):
    state = tmp_path / "state"
    state.mkdir()
    names = ["db.sqlite3", "queue.sqlite3", "secret_key", "credential_key"]
    for name in names:
        (state / name).touch()
        (state / name).chmod(0o644)
    (state / "secret_key").write_text("a-key-of-an-earlier-release-for-this-test-only")
    (state / "credential_key").write_text("A" * 43 + "=")
    (state / "notes.txt").touch()
    (state / "notes.txt").chmod(0o644)
    manage("check")
    found = modes(state)
    assert {name: found[name] for name in names} == dict.fromkeys(names, 0o600)
    assert found["notes.txt"] == 0o644


def test_folder_that_is_named_in_place_of_a_database_keeps_its_rights(tmp_path):
    tmp_path.chmod(0o755)
    tighten(
        tmp_path,
        {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path},
        {"filename": tmp_path},
    )
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
