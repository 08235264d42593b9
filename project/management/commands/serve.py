"""Run all of Firstlight in one process group: migrate, then the web process and the
workers.
"""

import os
import socket
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import OperationalError, connections

from apps.commands import UsageCommand, UsageError
from apps.masking import mask
from apps.supervision import group
from project.migrating import migrate_once
from project.server.serve import BACKLOG
from project.startup import EX_CONFIG

MANIFEST = "staticfiles.json"
# Seconds between the end of a worker's own grace and the moment at which it would be
# killed.
WORKER_MARGIN = 2.0
LEAST_GRACE = 3.0


class Command(UsageCommand):
    help = (
        "Migrate the database, then run a web process and workers of all queues until SIGTERM or Ctrl-C. "
        "Processes that end are started again. Several may start at once: only one of them migrates. "
        "Exit status: 0 after a signal, 1 if a process ended 5 times in a row, "
        "78 if a setting is wrong or static files are missing."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)"
        )
        parser.add_argument(
            "--port", type=int, default=settings.PORT, help=f"the port, or 0 ({settings.PORT})"
        )
        parser.add_argument(
            "--workers", type=int, default=4, help="threads of each worker process (4)"
        )
        parser.add_argument(
            "--worker-processes", type=int, default=1, help="worker processes (1)"
        )
        parser.add_argument(
            "--grace",
            type=float,
            default=9.0,
            help="seconds that all processes get to end before they are killed (9)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        _check(options)
        listener = _listen(options["host"], options["port"])
        try:
            migrate_once(options["verbosity"])
        except OperationalError as error:
            raise CommandError(mask(f"The database can't be used: {error}")) from None
        connections.close_all()
        host, port = listener.getsockname()[:2]
        shown = (
            "localhost"
            if host in ("127.0.0.1", "::1")
            else f"[{host}]"
            if ":" in host
            else host
        )
        self.stderr.write(f"Firstlight is at http://{shown}:{port}/ (Ctrl-C ends it)")
        members = [_web(listener), *_workers(options)]
        os.chdir(settings.BASE_DIR)
        group.become(members, grace=options["grace"], as_json=not settings.DEBUG)


def _check(options: dict[str, Any]) -> None:
    """Raise UsageError or CommandError if the options or the files of the installation
    are wrong.
    """
    if options["workers"] < 1 or options["worker_processes"] < 1:
        raise UsageError("--workers and --worker-processes must be 1 or more.")
    if options["grace"] < LEAST_GRACE:
        raise UsageError(f"--grace must be {LEAST_GRACE:g} or more.")
    if not settings.DEBUG and not (Path(settings.STATIC_ROOT) / MANIFEST).exists():
        message = "The static files are missing: run manage.py collectstatic --no-input first."
        raise CommandError(message, returncode=EX_CONFIG)


def _listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Connections wait in it until the web process has
    started.

    Raises UsageError if the address is not available.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"Firstlight can't listen on {host}, port {port}: {reason}. Choose --port."
        ) from None


def _web(listener: socket.socket) -> group.Member:
    number = listener.fileno()
    command = [sys.executable, "-m", "project.server", "--fd", str(number), "--end-with-stdin"]
    return group.Member("web process", command, [number])


def _workers(options: dict[str, Any]) -> list[group.Member]:
    grace = options["grace"] - WORKER_MARGIN
    command = [sys.executable, "manage.py", "run_worker", "--end-with-stdin"]
    command += ["--workers", str(options["workers"]), "--grace", str(grace)]
    count = options["worker_processes"]
    if count == 1:
        return [group.Member("worker", command)]
    return [group.Member(f"worker {number}", command) for number in range(1, count + 1)]
