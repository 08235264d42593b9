"""Pages for machines: `/readyz` (may requests be sent here), `/healthz` (does the whole
installation work), `/metrics` (Prometheus).

A middleware before all others answers them, so that a probe needs neither the right
host name nor https. They contain no data of a team. `/metrics` is only for this machine
and for clients with METRICS_TOKEN.
"""

import logging
from collections.abc import Callable, Sequence
from ipaddress import ip_address

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from django.utils.crypto import constant_time_compare
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from apps.mail import health as mail_health
from apps.pipelines.worker import disk, health
from project import outages
from project.deadlines import Check, together
from project.monitoring import REGISTRY

logger = logging.getLogger(__name__)

# A sweeper runs twice a second. One that did not run for so long recovers nothing.
SWEEPER_SILENT_AFTER = 30.0
# How long the check of writes waits for a lock; less than `project.deadlines.DEADLINE`.
LOCK_SECONDS = 0.8
LOCKED = "The database is locked: another process holds a lock that the workers wait for."
GetResponse = Callable[[HttpRequest], HttpResponse]


class ProbeMiddleware:
    """Answers the probes; passes all other requests on."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probe = PROBES.get(request.path)
        return probe(request) if probe else self.get_response(request)


def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 if this process can serve requests: the database answers, accepts
    writes, and has this release's tables.

    An outage of the queue is listed as a problem, but the answer stays 200, because
    pages and sign-in work without it. A load balancer that took every web process out
    would only make it worse. The same is true for a database that is busy for a while.
    """
    database, writes, queue = together(DATABASE, WRITES, QUEUE)
    return _answer(
        _of_database(database, writes), notes=[*_BUSY_NOTE, *_of_queue(writes, queue)]
    )


def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 if work goes on: database and queue accept writes, each queue has a
    worker, a sweeper runs, and email is sent.

    Otherwise answer 503 with one sentence for each problem.
    """
    database, writes, queue, work = together(DATABASE, WRITES, QUEUE, WORK)
    queue = _of_queue(writes, queue)
    if database:
        return _answer([*_of_database(database, writes), *queue])
    if _BUSY_NOTE:
        # Workers can't write that they are alive, so reports of missing workers may be
        # wrong.
        work = []
    return _answer([*writes, *_BUSY_NOTE, *queue, *work])


def _of_database(reads: list[str], writes: list[str]) -> list[str]:
    """Return one sentence. A database that does not answer also accepts no writes, and
    a full disk explains both.
    """
    return writes if disk.FULL in writes else reads or writes


def _of_queue(writes: list[str], queue: list[str]) -> list[str]:
    """Return the queue's problems, without those that a full disk explains. Without
    Redis, the queue is a file on that disk.
    """
    return [] if disk.FULL in writes and not settings.REDIS_URL else queue


def _read_database() -> list[str]:
    executor = MigrationExecutor(connection)
    behind = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return (
        [f"{len(behind)} migrations are not applied: run manage.py migrate."] if behind else []
    )


def _write_database() -> list[str]:
    """Update an existing row and commit, because only a commit fails on a full disk or
    a read-only file.
    """
    _BUSY_NOTE.clear()
    try:
        _wait_little_for_locks()
        full = health.disk_problem()
        if full:
            return [full]
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute("SET LOCAL lock_timeout = %s", [f"{LOCK_SECONDS * 1000:.0f}ms"])
            cursor.execute(
                "UPDATE django_migrations SET app = app WHERE id = (SELECT MIN(id) FROM django_migrations)"
            )
    except DatabaseError as error:
        if outages.outage_of(error) == "busy":
            _BUSY_NOTE.append(LOCKED)
            return []
        logger.warning("The database takes no writes: %s", error)
        return ["The database takes no writes: it is read-only, or its disk is full."]
    return []


def _wait_little_for_locks() -> None:
    """Make SQLite report a lock before the probe's deadline.

    The check's connection is closed after it.
    """
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {LOCK_SECONDS * 1000:.0f}")


def _work() -> list[str]:
    if health.database_is_locked():
        # Workers can't write that they are alive, and their rows may not even be
        # readable.
        return [LOCKED]
    problems = [
        f"No worker seen for the queue {queue} "
        + ("within a day." if seconds is None else f"for {seconds:.0f} s.")
        for queue, seconds in health.queues_to_report().items()
    ]
    age = health.sweeper_age()
    if (age is None or age > SWEEPER_SILENT_AFTER) and not health.is_restarting():
        problems.append(
            "No sweeper was seen" + (" within a day." if age is None else f" for {age:.0f} s.")
        )
    email = mail_health.problem() if settings.EMAIL_CONFIGURED else ""
    if email:
        problems.append(email)
    return problems


def _answer(problems: list[str], notes: Sequence[str] = ()) -> JsonResponse:
    """Return 503 if there are problems; with notes only, 200 with status "degraded"."""
    status = "ok"
    if problems:
        status = "unavailable"
    elif notes:
        status = "degraded"
    return JsonResponse(
        {"status": status, "problems": [*problems, *notes]},
        status=503 if problems else 200,
        headers={"Cache-Control": "no-store"},
    )


def metrics(request: HttpRequest) -> HttpResponse:
    """Return the figures of `project.monitoring` in Prometheus' text format."""
    if not (_has_token(request) or _is_local(request)):
        return HttpResponseForbidden(
            "Ask from this machine, or with METRICS_TOKEN as bearer token.\n"
        )
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return bool(settings.METRICS_TOKEN) and constant_time_compare(given, settings.METRICS_TOKEN)


def _is_local(request: HttpRequest) -> bool:
    """Return whether the request comes directly from this machine.

    If a token is set, only the token counts, because a proxy's requests are local, too.
    """
    try:
        local = ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
    return local and not settings.METRICS_TOKEN and "X-Forwarded-For" not in request.headers


DATABASE = Check(_read_database, late="The database does not answer.")
WRITES = Check(_write_database, late="The database takes no writes: they do not end.")
QUEUE = Check(health.queue_problems, late="The queue does not answer.")
WORK = Check(_work, late="The state of the workers can't be read.")
# Set by the check of writes when another process holds a lock. That is no reason to
# take this process out.
_BUSY_NOTE: list[str] = []
PROBES = {"/readyz": readyz, "/healthz": healthz, "/metrics": metrics}
