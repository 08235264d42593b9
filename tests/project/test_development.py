"""`manage.py` in a checkout in which nothing is configured, in a copy of its own."""

import fcntl
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from project.development import DEMO_LOCK, DEMO_SETTINGS
from scripts import demo_state

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
EX_CONFIG, EX_USAGE = 78, 64


@pytest.fixture
def checkout(tmp_path):
    """Return a folder with what a clone has, as far as commands need it."""
    for name in ("apps", "project", "templates", "static"):
        # With the compiled modules, so that each command starts quickly.
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "manage.py", tmp_path)
    (tmp_path / "node_modules").symlink_to((ROOT / "node_modules").resolve())
    return tmp_path


def manage(checkout, *words, **env):
    """Run a command as a person types it: with no setting but those given."""
    env = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **env}
    command = [sys.executable, "manage.py", *words]
    return subprocess.run(
        command, cwd=checkout, env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.long
def test_fresh_checkout_uses_the_state_folder_and_makes_its_tables(checkout):
    done = manage(checkout, "sign_in_link", "nobody@acme.example")
    assert "development mode, with the state in .state." in done.stderr
    assert done.returncode == EX_USAGE
    assert "nobody@acme.example" in done.stderr
    assert "Traceback" not in done.stderr
    assert (checkout / ".state" / "db.sqlite3").exists()


def test_command_beside_a_running_demo_uses_its_state_and_settings(checkout):
    demo = checkout / ".state" / "demo-api"
    demo.mkdir(parents=True)
    (demo / DEMO_SETTINGS).write_text(json.dumps({"PORT": "8765"}))
    print_settings = (
        "shell",
        "-v",
        "0",
        "-c",
        "from django.conf import settings as s; print(s.STATE_DIR, s.SITE_URL)",
    )
    with (demo / DEMO_LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = manage(checkout, *print_settings)
    assert done.stdout.split() == [str(demo), "http://localhost:8765"]
    assert "the demo in .state/demo-api" in done.stderr
    # A demo that has ended is not used.
    assert "with the state in .state." in manage(checkout, "check").stderr


@pytest.mark.parametrize(
    "env", [{"ALLOWED_HOSTS": "app.example.com"}, {"FIRSTLIGHT_DOTENV": "0"}]
)
def test_installation_that_is_configured_in_part_is_refused(checkout, env):
    done = manage(checkout, "check", **env)
    assert done.returncode == EX_CONFIG
    assert "SECRET_KEY" in done.stderr
    assert "development" not in done.stderr


def test_names_are_those_of_the_demo():
    assert (DEMO_LOCK, DEMO_SETTINGS) == (demo_state.LOCK, demo_state.SETTINGS)


def documented():
    """Return the arguments of each `manage.py` command of the README's table."""
    found = re.findall(r"^\| `manage\.py (.+?)` \|", README, re.MULTILINE)
    return [
        line.replace(
            "retry\\|pause\\|resume\\|cancel RUN",
            f"retry {'0' * 8}-{'0' * 4}-4000-8000-{'0' * 12}",
        )
        for line in found
    ]


def test_readme_has_commands_to_check():
    assert len(documented()) >= 5


@pytest.mark.parametrize("line", documented())
def test_command_of_the_readme_takes_its_arguments(line):
    command, *arguments = shlex.split(line)
    load_command_class(get_commands()[command], command).create_parser(
        "manage.py", command
    ).parse_args(arguments)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`make ([a-z-]+)", README)) <= set(targets)
