"""What machines ask: `/readyz` (may requests come here), `/healthz` (does the whole work), `/metrics` (Prometheus).

A middleware before all others answers them, so that neither the host name of a probe nor the redirect to https stands
in the way. They tell nothing of any team. `/metrics` is for this machine, and for who brings METRICS_TOKEN.
"""

import logging
from collections.abc import Callable
from ipaddress import ip_address

from django.conf import settings
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from django.utils.crypto import constant_time_compare
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from apps.mail import health as mail_health
from apps.pipelines import health
from project.monitoring import REGISTRY

logger = logging.getLogger(__name__)

# A sweeper looks twice a second; one that did not for so long recovers nothing.
SWEEPER_SILENT_AFTER = 30.0
GetResponse = Callable[[HttpRequest], HttpResponse]


class ProbeMiddleware:
    """Answers the probes; everything else goes on."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probe = PROBES.get(request.path)
        return probe(request) if probe else self.get_response(request)


def readyz(request: HttpRequest) -> HttpResponse:
    """200 where this process can serve requests: the database answers and has the tables of this release."""
    try:
        executor = MigrationExecutor(connection)
        behind = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Exception:
        logger.exception("The database does not answer.")
        return _answer(["The database does not answer."])
    return _answer([f"{len(behind)} migrations are not applied: run manage.py migrate."] if behind else [])


def healthz(request: HttpRequest) -> HttpResponse:
    """200 where work goes on: each queue has a worker, a sweeper looks, mail leaves. Else 503 with what is wrong."""
    try:
        return _answer(list(_problems()))
    except Exception:
        logger.exception("The health could not be read.")
        return _answer(["The database does not answer."])


def _problems() -> list[str]:
    problems = [
        f"No worker seen for the queue {queue} " + ("within a day." if seconds is None else f"for {seconds:.0f} s.")
        for queue, seconds in health.queues_without_workers().items()
    ]
    age = health.sweeper_age()
    if age is None or age > SWEEPER_SILENT_AFTER:
        problems.append("No sweeper was seen" + (" within a day." if age is None else f" for {age:.0f} s."))
    waiting = mail_health.oldest_due()
    if settings.EMAIL_CONFIGURED and waiting > mail_health.LATE_AFTER:
        problems.append(f"The oldest mail has been waiting for {waiting:.0f} s.")
    return problems


def _answer(problems: list[str]) -> JsonResponse:
    return JsonResponse(
        {"status": "unavailable" if problems else "ok", "problems": problems},
        status=503 if problems else 200,
        headers={"Cache-Control": "no-store"},
    )


def metrics(request: HttpRequest) -> HttpResponse:
    """The figures of `project.monitoring` in Prometheus' text format."""
    if not (_has_token(request) or _is_local(request)):
        return HttpResponseForbidden("Ask from this machine, or with METRICS_TOKEN as bearer token.\n")
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _has_token(request: HttpRequest) -> bool:
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return bool(settings.METRICS_TOKEN) and constant_time_compare(given, settings.METRICS_TOKEN)


def _is_local(request: HttpRequest) -> bool:
    """Asked directly from this machine. With a token set, only that counts: a proxy's requests are local, too."""
    try:
        local = ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
    return local and not settings.METRICS_TOKEN and "X-Forwarded-For" not in request.headers


PROBES = {"/readyz": readyz, "/healthz": healthz, "/metrics": metrics}
