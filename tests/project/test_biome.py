"""The check of CSS and JavaScript, on small files and on those of the project."""

import subprocess
import sys

import pytest

from scripts import biome
from tests.sandbox.server import ROOT


@pytest.mark.parametrize(
    ("name", "text", "passes"),
    [
        ("good.js", "const a = 1;\nconsole.log(a);\n", True),
        ("unformatted.js", "const a = 1; console.log(a)\n", False),
        ("unused.js", "import { a } from './b.js';\n", False),
        ("good.css", "a {\n  margin: 0;\n}\n", True),
        ("unformatted.css", "a { margin: 0 }\n", False),
        ("unknown.css", "a {\n  margn: 0;\n}\n", False),
    ],
)
def test_a_file_passes_only_if_it_is_formatted_and_valid(tmp_path, name, text, passes):
    folder = tmp_path / "static"
    folder.mkdir()
    (folder / name).write_text(text)
    config = (ROOT / "biome.json").read_text()
    (tmp_path / "biome.json").write_text(config)
    command = [biome.program(), "check", "--error-on-warnings"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == passes, done.stderr


def test_the_files_of_the_project_pass():
    command = [sys.executable, ROOT / "scripts" / "biome.py", "check", "--error-on-warnings"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
