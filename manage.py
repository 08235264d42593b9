#!/usr/bin/env python
"""Django's command line for this project."""

import sys

if sys.version_info < (3, 12):  # noqa: UP036 - the Python of the machine may well be older
    sys.exit(
        "Firstlight needs Python 3.12 or newer; `make setup` finds one and makes .venv with it."
    )

from pathlib import Path

from django.core.management import execute_from_command_line

from project.development import choose
from project.startup import prepare


def main() -> None:
    tables_are_needed = choose(Path(__file__).resolve().parent, "".join(sys.argv[1:2]))
    prepare()
    if tables_are_needed:
        make_tables()
    execute_from_command_line(sys.argv)


def make_tables() -> None:
    """Migrate the database of development, for which no one has to remember a command."""
    import django

    django.setup()
    from project.migrating import migrate_once

    migrate_once(verbosity=0)


if __name__ == "__main__":
    main()
