#!/usr/bin/env python
"""Django's command line for this project."""

import sys

if sys.version_info < (3, 12):  # noqa: UP036 - the Python of the machine may well be older
    sys.exit("Firstlight needs Python 3.12 or newer; `make setup` finds one and makes .venv with it.")

from django.core.management import execute_from_command_line

from project.startup import prepare


def main() -> None:
    prepare()
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
