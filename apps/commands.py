"""Share what all commands need: exit statuses, errors in words, and an orderly end when
the process that started them ends.

A command of this project derives from `UsageCommand`. Run as `manage.py …`, it then
ends

    with 64 on bad usage; argparse alone would end with 2
    with one line on stderr, without the name of a Python class
    with 130 on Ctrl-C and 141 on a closed pipe, without a traceback
    with a line that names `manage.py migrate` if the database has no tables
"""

import os
import signal
import sys
import threading
from argparse import RawDescriptionHelpFormatter
from contextlib import suppress
from typing import Any

from django.core.management.base import (
    BaseCommand,
    CommandError,
    CommandParser,
    DjangoHelpFormatter,
    SystemCheckError,
)
from django.db import DatabaseError, InterfaceError, OperationalError

from apps.masking import mask

EX_USAGE = 64
EX_FAILED = 1
EX_INTERRUPTED = 130
EX_CLOSED_PIPE = 141
ARGPARSE_USAGE = 2
# How databases report a table or column that is not there.
NOT_MIGRATED = ("no such table", "no such column", "does not exist")


class UsageError(CommandError):
    """The command line does not make sense; the message names what to give."""

    def __init__(self, message: str) -> None:
        super().__init__(message, returncode=EX_USAGE)


class HelpFormatter(DjangoHelpFormatter, RawDescriptionHelpFormatter):
    """Keep the lines of `epilog` as they are written."""


class UsageCommand(BaseCommand):
    """The base of our commands. `epilog` is printed below the options of --help."""

    epilog = ""
    _parsed = False

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        kwargs.setdefault("formatter_class", HelpFormatter)
        return super().create_parser(prog_name, subcommand, epilog=self.epilog, **kwargs)

    def execute(self, *args: Any, **options: Any) -> str | None:
        self._parsed = True
        try:
            return super().execute(*args, **options)
        except (CommandError, DatabaseError, InterfaceError) as error:
            # Programs that call the command get the exception; manage.py prints a line.
            is_ours = self._called_from_command_line and not options["traceback"]  # type: ignore[attr-defined]
            reason = str(error) if isinstance(error, CommandError) else database_error(error)
            if not is_ours or not reason or isinstance(error, SystemCheckError):
                raise
            raise _Ended(getattr(error, "returncode", EX_FAILED), reason) from None

    def run_from_argv(self, argv: list[str]) -> None:
        """Run the command and end the process with its exit status, as `manage.py`
        does.
        """
        status, reason = self._outcome(argv)
        try:
            if reason:
                self.stderr.write(f"Error: {reason}")
            self.ended(argv, status, reason)
            # A closed pipe is noticed only when the output is written.
            sys.stdout.flush()
        except BrokenPipeError:
            status = EX_CLOSED_PIPE
        if status == EX_CLOSED_PIPE:
            _drop_output()
        if status:
            sys.exit(status)

    def ended(self, argv: list[str], status: int, reason: str) -> None:
        """Do what is due at every end of the command; `reason` is empty if there was no
        error.
        """

    def _outcome(self, argv: list[str]) -> tuple[int, str]:
        """Return the exit status, and the error in words."""
        try:
            super().run_from_argv(argv)
        except _Ended as ended:
            return ended.status, ended.reason
        except KeyboardInterrupt:
            return EX_INTERRUPTED, ""
        except BrokenPipeError:
            return EX_CLOSED_PIPE, ""
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else EX_FAILED
            # argparse ends before the command runs. A status of 2 from the command
            # itself stays.
            is_usage = code == ARGPARSE_USAGE and not self._parsed
            return (EX_USAGE if is_usage else code), ""
        return 0, ""


class _Ended(Exception):
    """The command ends with a status and a line on stderr."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def database_error(error: Exception) -> str:
    """Return a database's error in words, or "" for one that a user can do nothing
    about.
    """
    text = str(error).strip()
    if any(words in text for words in NOT_MIGRATED):
        return "The database has no tables of this release. Run `manage.py migrate` first; `make dev` and `make demo` do so."
    if isinstance(error, OperationalError | InterfaceError):
        first_line = text.partition("\n")[0]
        return f"The database can't be reached: {mask(first_line) or 'it gave no reason'}"
    return ""


def _drop_output() -> None:
    """Let what is still to be printed go nowhere: its reader has gone, and Python would
    report that at its end.
    """
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())


def end_with_stdin() -> None:
    """Watch stdin from now on, and end the process as by SIGTERM when stdin closes.

    Then the process that holds its other end is gone.
    """
    threading.Thread(target=_await_end_of_stdin, name="stdin", daemon=True).start()


def _await_end_of_stdin() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
