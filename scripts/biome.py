"""Run biome on the CSS and JavaScript of `static`: `python scripts/biome.py check`.

The npm package is a program for each kind of machine and a starter that needs Node.js. This
runs the program itself, because `make setup` removes the Node.js that it brought.
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def program(root: Path = ROOT) -> Path:
    """Return the program that npm chose for this machine.

    Raises:
        SystemExit: there is none.
    """
    programs = sorted(root.glob("node_modules/@biomejs/cli-*/biome"))
    if not programs:
        sys.exit("biome is not in node_modules; run `make setup`.")
    # A package for musl is listed after the one for glibc, and only one of them is installed.
    return programs[0]


def main() -> int:
    command = [program(), *sys.argv[1:]]
    if not sys.stdout.isatty():
        command.append("--colors=off")
    return subprocess.run(command, cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
