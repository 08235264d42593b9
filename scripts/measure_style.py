"""Measure the language and the density of the code: `python scripts/measure_style.py`,
part of `make check`.

Prints one figure a line, and fails if one is beyond its limit. The limits only ever get
stricter: when a change makes a figure better, lower its limit to the new value.

    where: 2.62 per 1,000 words (at most 2.70)
"""

import ast
import io
import math
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("apps", "project")
LEFT_OUT = {"migrations", "tests", ".venv", "node_modules", "__pycache__"}
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
# Words that are counted in comments and docstrings, as patterns.
WORDS = {
    "if": "if",
    "where": "where",
    "say": "says?|said",
    "tell": "tells?|told",
    "stand": "stands?",
    "nobody": "nobody|whoever|somebody",
}
# The figures that have a limit: the lowest or the highest value allowed.
AT_LEAST = {"if": 4.0, "comments": 3.2}
AT_MOST = {
    "where": 1.0,
    "say": 0.5,
    "tell": 0.5,
    "stand": 0.2,
    "nobody": 0.2,
    "comprehensions": 17.8,
    "conditionals": 14.7,
    "line_length": 85,
    "function_length": 25,
    "skips": 0,
}
UNITS = {
    **dict.fromkeys(WORDS, "per 1,000 words"),
    "comprehensions": "per 1,000 lines",
    "conditionals": "per 1,000 lines",
    "comments": "per 100 lines",
    "line_length": "characters (p90)",
    "function_length": "lines (p90)",
    "skips": "`# fmt: skip`",
}


@dataclass
class Counts:
    """What is counted over all files."""

    lines: int = 0
    comments: int = 0
    comprehensions: int = 0
    conditionals: int = 0
    skips: int = 0
    texts: list[str] = field(default_factory=list)
    line_lengths: list[int] = field(default_factory=list)
    function_lengths: list[int] = field(default_factory=list)

    def add(self, source: str) -> None:
        """Count one file."""
        self.lines += source.count("\n")
        self.skips += source.count("# fmt: skip")
        self.line_lengths += [len(line) for line in source.split("\n") if line.strip()]
        for node in ast.walk(ast.parse(source)):
            self._add_node(node)
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                self.comments += 1
                self.texts.append(token.string.lstrip("# "))

    def _add_node(self, node: ast.AST) -> None:
        if isinstance(node, (ast.Module, ast.ClassDef, *FUNCTIONS)):
            self.texts.append(ast.get_docstring(node) or "")
        if isinstance(node, FUNCTIONS):
            self.function_lengths.append((node.end_lineno or node.lineno) - node.lineno + 1)
        self.comprehensions += isinstance(node, COMPREHENSIONS)
        self.conditionals += isinstance(node, ast.IfExp)


def figures_of(counts: Counts) -> dict[str, float]:
    """Return the figures by name, as `UNITS` names them."""
    text = " ".join(counts.texts).lower()
    words = max(1, len(text.split()))
    lines = max(1, counts.lines)
    figures = {}
    for name, pattern in WORDS.items():
        found = len(re.findall(rf"\b(?:{pattern})\b", text))
        figures[name] = round(1000 * found / words, 2)
    figures["comprehensions"] = round(1000 * counts.comprehensions / lines, 1)
    figures["conditionals"] = round(1000 * counts.conditionals / lines, 1)
    figures["comments"] = round(100 * counts.comments / lines, 1)
    figures["line_length"] = p90(counts.line_lengths)
    figures["function_length"] = p90(counts.function_lengths)
    figures["skips"] = counts.skips
    return figures


def p90(values: list[int]) -> int:
    """Return the value that nine of ten do not exceed; 0 if there are none."""
    if not values:
        return 0
    place = min(len(values) - 1, math.floor(0.9 * len(values)))
    return sorted(values)[place]


def sources(root: Path) -> Iterator[Path]:
    """Yield the Python files that are measured."""
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            inside = path.relative_to(root / folder)
            if not LEFT_OUT & set(inside.parts) and not path.name.startswith("test_"):
                yield path


def main() -> int:
    """Print the figures. Returns 1 if one is beyond its limit."""
    counts = Counts()
    for path in sources(ROOT):
        counts.add(path.read_text())
    is_beyond = False
    for name, value in figures_of(counts).items():
        limit = ""
        if name in AT_LEAST:
            limit = f" (at least {AT_LEAST[name]})"
            is_beyond |= value < AT_LEAST[name]
        elif name in AT_MOST:
            limit = f" (at most {AT_MOST[name]})"
            is_beyond |= value > AT_MOST[name]
        print(f"{name}: {value} {UNITS[name]}{limit}")
    if is_beyond:
        print("A figure is beyond its limit. See “Style” in CONTRIBUTING.md.", file=sys.stderr)
    return int(is_beyond)


if __name__ == "__main__":
    sys.exit(main())
