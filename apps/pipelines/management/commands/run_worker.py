"""Run pipelines: a Huey consumer for all queues, or for those named."""

import logging
import os
import signal
import sys
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS, connections
from django.utils.module_loading import autodiscover_modules
from huey.contrib.djhuey import HUEY

from apps.pipelines.conf import config
from apps.pipelines.worker import hangs, marks
from apps.pipelines.worker.consumer import LaneConsumer
from apps.supervision import launch
from apps.supervision.table import Table

# Seconds that a worker waits for SQLite's lock. Its work can wait, unlike a visitor.
LOCK_TIMEOUT = 20


class Command(BaseCommand):
    help = "Run a worker. Without --queue it serves all queues. SIGTERM lets running steps end their unit."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--queue",
            action="append",
            choices=HUEY.queues,
            help="serve only this queue; may be given several times",
        )
        parser.add_argument(
            "--workers",
            type=int,
            default=4,
            help="number of workers, at least one per queue (4)",
        )
        parser.add_argument(
            "--worker-type",
            choices=("thread", "process"),
            default="thread",
            help="kind of worker (thread)",
        )
        parser.add_argument(
            "--grace",
            type=float,
            default=10.0,
            help="seconds that running steps get to end their unit (10)",
        )
        parser.add_argument(
            "--end-with-stdin",
            action="store_true",
            help="stop, as on SIGTERM, when stdin closes",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["workers"] < 1:
            raise CommandError("--workers must be 1 or more.")
        if options["verbosity"] == 0:
            logging.getLogger().setLevel(logging.ERROR)
        autodiscover_modules("tasks")
        # From here on this is the supervisor's child, or the only process when nothing
        # is supervised.
        marks.use(_supervised(options))
        if options["end_with_stdin"]:
            threading.Thread(
                target=_end_with_stdin, name="pipelines-stdin", daemon=True
            ).start()
        _keep_connections()
        consumer = LaneConsumer(
            HUEY,
            queues=tuple(dict.fromkeys(options["queue"] or HUEY.queues)),
            workers=options["workers"],
            worker_type=options["worker_type"],
            shutdown_timeout=options["grace"],
            # How often a polled queue (SQLite) is read. A blocking one (Redis) ignores
            # it.
            initial_delay=0.02,
            max_delay=0.1,
            health_check_interval=2,
        )
        consumer.run()


def _supervised(options: dict[str, Any]) -> Table | None:
    """Put a supervisor in front of this worker, which ends it from outside when a unit
    hangs (`apps.supervision`).
    """
    if not config().unit_limit:
        return None
    # Django's checks have opened a connection. A fork does not inherit SQLite's locks,
    # but the child would believe that it holds them: another process would then remove
    # the journal while the child writes to it.
    connections.close_all()
    HUEY.storage.close()
    limits = launch.Limits(
        silence=config().silence,
        grace=options["grace"],
        reports=str(hangs.folder()),
        as_json=not settings.DEBUG,
    )
    return launch.supervise(limits)


def _keep_connections() -> None:
    """Give each thread of the worker one connection for its whole life, without a pool.

    To open or to borrow a connection takes about as long as all the queries of a short
    step.
    """
    database = connections.settings[DEFAULT_DB_ALIAS]
    database["OPTIONS"].pop("pool", None)
    database["CONN_MAX_AGE"] = None
    if connections[DEFAULT_DB_ALIAS].vendor == "sqlite":
        database["OPTIONS"]["timeout"] = LOCK_TIMEOUT


def _end_with_stdin() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
