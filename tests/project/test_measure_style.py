"""The script that measures language and density, on a made-up file, and against the
other script that counts the same.
"""

import subprocess
import sys

import pytest

from scripts import measure_style
from tests.sandbox.server import ROOT

SOURCE = '''"""Return the sum where it is told."""

# Nobody says this if it is wrong.
NAMES = [name for name in ("a", "b")]  # a reason


def first(values):
    """Return one."""
    return values[0] if values else None
'''
OTHER = ROOT.parent / "shared" / "tools" / "style_measure.py"
# The other script's names.
NAMES = {
    "if": "if",
    "where": "where",
    "say/said": "say",
    "tell/told": "tell",
    "stand(s)": "stand",
    "nobody/whoever/somebody": "nobody",
    "comprehensions/1000": "comprehensions",
    "conditionals/1000": "conditionals",
    "comments/100": "comments",
    "line p90": "line_length",
    "function p90": "function_length",
    "fmt skip": "skips",
}


def test_figures_of_a_small_file():
    counts = measure_style.Counts()
    counts.add(SOURCE)
    figures = measure_style.figures_of(counts)
    # 18 words are in comments and docstrings; the file has 9 lines.
    assert (figures["where"], figures["tell"], figures["nobody"]) == (55.56, 55.56, 55.56)
    assert (figures["comprehensions"], figures["conditionals"], figures["comments"]) == (
        111.1,
        111.1,
        22.2,
    )
    assert figures["function_length"] == 3


@pytest.mark.skipif(not OTHER.exists(), reason="the other script is not on this machine")
def test_figures_equal_those_of_the_other_script():
    command = [sys.executable, str(OTHER), str(ROOT), *measure_style.FOLDERS]
    lines = subprocess.run(
        command, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    theirs = dict(line.rsplit(": ", 1) for line in lines)
    counts = measure_style.Counts()
    for path in measure_style.sources(ROOT):
        counts.add(path.read_text())
    ours = measure_style.figures_of(counts)
    assert {name: float(theirs[name]) for name in NAMES} == {
        name: ours[NAMES[name]] for name in NAMES
    }
