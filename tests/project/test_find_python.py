"""scripts/find-python, with made-up interpreters on a PATH of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "find-python"
WORKS = f'#!/bin/sh\nexec "{sys.executable}" "$@"\n'
TOO_OLD = "#!/bin/sh\nexit 1\n"
SHIM = '#!/bin/sh\necho "pyenv: python: command not found" >&2\nexit 127\n'
NOT_A_PROGRAM = "\x7fELF of some other machine"


@pytest.fixture
def machine(tmp_path):
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("cut", "dirname", "sh"):
        (tools / tool).symlink_to(shutil.which(tool))

    class Machine:
        path = [str(tools)]

        def add(self, place, text):
            program = tmp_path / place
            program.parent.mkdir(parents=True, exist_ok=True)
            program.write_text(text)
            program.chmod(0o755)
            return str(program)

        def on_path(self, *folders):
            self.path = [*(str(tmp_path / folder) for folder in folders), str(tools)]

        def find(self, **variables):
            env = {
                "PATH": os.pathsep.join(self.path),
                "HOME": str(tmp_path / "home"),
                **variables,
            }
            return subprocess.run(
                [SCRIPT], env=env, capture_output=True, text=True, check=False
            )

    return Machine()


def test_it_prefers_the_version_that_the_project_names(machine):
    wanted = machine.add("bin/python3.13", WORKS)
    machine.add("bin/python3.12", WORKS)
    machine.add("bin/python3", WORKS)
    machine.on_path("bin")
    assert machine.find().stdout.strip() == wanted


def test_it_takes_an_older_one_that_is_new_enough(machine):
    older = machine.add("bin/python3.12", WORKS)
    machine.add("bin/python3", TOO_OLD)
    machine.on_path("bin")
    assert machine.find().stdout.strip() == older


def test_it_looks_past_a_shim_that_does_not_start(machine):
    machine.add("shims/python3.13", SHIM)
    real = machine.add("bin/python3.13", WORKS)
    machine.on_path("shims", "bin")
    assert machine.find().stdout.strip() == real


@pytest.mark.parametrize("text", [SHIM, TOO_OLD, NOT_A_PROGRAM])
def test_plain_python3_counts_only_if_it_works(machine, text):
    machine.add("first/python3", text)
    real = machine.add("second/python3", WORKS)
    machine.on_path("first", "second")
    assert machine.find().stdout.strip() == real


@pytest.mark.parametrize(
    "place",
    [
        "home/.pyenv/versions/3.13.4/bin/python3.13",
        "home/.local/share/uv/python/cpython-3.12.9-linux/bin/python3.12",
    ],
)
def test_it_finds_what_version_managers_keep_off_the_path(machine, place):
    real = machine.add(place, WORKS)
    assert machine.find().stdout.strip() == real


def test_it_follows_the_version_managers_own_variables(machine, tmp_path):
    real = machine.add("elsewhere/versions/3.12.1/bin/python3.12", WORKS)
    assert machine.find(PYENV_ROOT=str(tmp_path / "elsewhere")).stdout.strip() == real


def test_nothing_usable_is_one_line_that_says_what_is_missing(machine):
    machine.add("bin/python3", TOO_OLD)
    machine.on_path("bin")
    done = machine.find()
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("Python 3.12 or newer")
    assert done.stderr.count("\n") == 1


def test_a_named_one_is_taken_or_refused_never_replaced(machine):
    machine.add("bin/python3.13", WORKS)
    machine.on_path("bin")
    named = machine.add("opt/my-python", WORKS)
    assert machine.find(PYTHON=named).stdout.strip() == named
    done = machine.find(PYTHON=machine.add("opt/old-python", TOO_OLD))
    assert done.returncode == 1
    assert "old-python" in done.stderr
