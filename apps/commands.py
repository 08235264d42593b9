"""What the commands share: exit statuses, usage errors that end with 64, and ending with whoever started them."""

import os
import signal
import sys
import threading
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


def end_with_stdin() -> None:
    """From now on, end as by SIGTERM when stdin closes: whoever holds its other end is gone then."""
    threading.Thread(target=_await_end_of_stdin, name="stdin", daemon=True).start()


def _await_end_of_stdin() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
