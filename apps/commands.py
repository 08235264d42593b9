"""What the commands share: exit statuses, and usage errors that end with 64."""

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError

EX_USAGE = 64
ARGPARSE_USAGE = 2


class UsageError(CommandError):
    """The command line does not make sense; the message says what to give."""

    def __init__(self, message: str) -> None:
        super().__init__(message, returncode=EX_USAGE)


class UsageCommand(BaseCommand):
    """argparse ends with 2 on bad usage, which means partial here; so that becomes 64."""

    _parsed = False

    def execute(self, *args: Any, **options: Any) -> str | None:
        self._parsed = True
        return super().execute(*args, **options)

    def run_from_argv(self, argv: list[str]) -> None:
        try:
            super().run_from_argv(argv)
        except SystemExit as leaving:
            if leaving.code == ARGPARSE_USAGE and not self._parsed:
                sys.exit(EX_USAGE)
            raise
