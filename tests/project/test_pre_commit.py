"""The hooks of `.pre-commit-config.yaml`, in a repository that has one bad file of each
kind.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sandbox.server import ROOT

BAD = {
    "ruff": ("apps/bad.py", "import os\n"),
    "ruff-format": ("apps/bad.py", "a   =   1\n"),
    "djade": ("templates/bad.html", "{% load   b   a %}\n"),
    "templates": ("templates/bad.html", "x" * 200 + "\n"),
    "biome": ("static/bad.js", "const a = 1; console.log(a)\n"),
    "codespell": ("docs/bad.md", "The organisation recieves it.\n"),  # codespell:ignore
}


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository with the project's configuration and tools."""
    folder = tmp_path_factory.mktemp("hooks")
    for name in ("pyproject.toml", "biome.json", ".pre-commit-config.yaml"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    for name in (".venv", "node_modules"):
        (folder / name).symlink_to((ROOT / name).resolve())
    (folder / ".gitignore").write_text(".venv\nnode_modules\n")
    git(folder, "init", "-q")
    return folder


def git(folder, *arguments):
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)


def run_hook(folder, hook, path):
    command = [Path(sys.executable).with_name("pre-commit"), "run", hook, "--files", path]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("hook", BAD)
def test_a_hook_fails_on_a_bad_file(repository, hook):
    path, text = BAD[hook]
    (repository / path).parent.mkdir(exist_ok=True)
    (repository / path).write_text(text)
    git(repository, "add", ".pre-commit-config.yaml", path)
    done = run_hook(repository, hook, path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Failed" in done.stdout


def test_every_hook_has_a_bad_file():
    lines = (ROOT / ".pre-commit-config.yaml").read_text().splitlines()
    assert [line.split()[2] for line in lines if line.strip().startswith("- id:")] == list(BAD)
