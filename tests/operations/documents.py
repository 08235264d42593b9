"""Commands as documents have them: the indented lines below a heading.

block("docs/operations.md", "Upgrade", "systemctl")
# ["deploy/manage migrate", "systemctl restart firstlight-worker@sync ...", ...]
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INDENT = "    "


def section(document, heading):
    """Return the lines below `## heading` or `### heading`, up to the next heading.

    Raise LookupError if it is not there.
    """
    lines = (ROOT / document).read_text().splitlines()
    starts = [number for number, line in enumerate(lines) if line.lstrip("#") == f" {heading}"]
    if not starts:
        raise LookupError(f"{document} has no section {heading!r}")
    [start] = starts
    found = []
    for line in lines[start + 1 :]:
        if line.startswith("#"):
            break
        found.append(line)
    return found


def block(document, heading, word):
    """Return the commands of the one indented block of a section in which the pattern
    `word` is found.

    A line that ends in a backslash is joined with the next one. Raise LookupError if
    there is no such block, or more than one.
    """
    blocks, current = [], []
    for line in [*section(document, heading), ""]:
        if line.startswith(INDENT):
            current.append(line.removeprefix(INDENT))
        elif current and not line.strip():
            blocks.append(current)
            current = []
    chosen = [lines for lines in blocks if re.search(word, "\n".join(lines), re.MULTILINE)]
    if len(chosen) != 1:
        raise LookupError(f"{document}, {heading}: {len(chosen)} blocks with {word!r}")
    joined = "\n".join(chosen[0]).replace("\\\n", " ")
    return [line for line in joined.splitlines() if line and not line.startswith("#")]
