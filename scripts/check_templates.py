"""Refuse templates whose lines are too long to read and to compare.

    templates/teams/members.html:24: 183 characters, at most 160

A line over 120 characters has one tag: a tag with many attributes has a line for each
of them. Django allows no line break within `{% %}`, so some lines are longer, but no
line has more than 160 characters, and nine in ten have at most 120. The text parts of
emails are not counted: their line breaks are those of the email.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

MOST = 160
MOST_OF_NINE_IN_TEN = 120


def problems(files: Iterable[tuple[str, str]]) -> list[str]:
    """Return a sentence for each line that is too long, and one if too many are long.

    Args:
        files: the name and the text of each template.
    """
    lengths = []
    found = []
    for name, text in files:
        for number, line in enumerate(text.splitlines(), 1):
            lengths.append(len(line))
            if len(line) > MOST:
                found.append(f"{name}:{number}: {len(line)} characters, at most {MOST}")
    ninth = nine_in_ten(lengths)
    if ninth > MOST_OF_NINE_IN_TEN:
        found.append(
            f"nine in ten lines have up to {ninth} characters, at most {MOST_OF_NINE_IN_TEN}"
        )
    return found


def nine_in_ten(lengths: list[int]) -> int:
    """Return the length that nine in ten lines do not exceed, 0 without lines."""
    if not lengths:
        return 0
    return sorted(lengths)[len(lengths) * 9 // 10]


def templates() -> list[tuple[str, str]]:
    """Return the name and the text of each HTML template of the project."""
    paths = sorted((ROOT / "templates").rglob("*.html"))
    return [(str(path.relative_to(ROOT)), path.read_text()) for path in paths]


def main() -> int:
    found = problems(templates())
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
