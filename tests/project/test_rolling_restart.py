"""The probes while a worker restarts, as in an upgrade."""

import time

import pytest

from apps.pipelines.models import Worker
from project import probes
from tests.fixtures.workers import eventually

pytestmark = pytest.mark.django_db(transaction=True)


def test_health_stays_good_while_a_worker_restarts(client, workers):
    """The rolling restart of docs/operations.md:

    SIGTERM, then the next worker. The probe is asked all the time.
    """
    first = workers.start()
    eventually(lambda: is_well(client))
    first.terminate()
    answers = []
    while first.poll() is None:
        answers.append(is_well(client))
    second = None
    until = (
        time.monotonic() + 5
    )  # longer than a probe's answer is kept, and than the old grace of 3 s
    while time.monotonic() < until or not has_begun(second):
        second = second or workers.start()
        answers.append(is_well(client))
        time.sleep(0.05)
    assert len(answers) > 20
    assert all(answers)


def is_well(client):
    for check in (probes.DATABASE, probes.WRITES, probes.QUEUE, probes.WORK):
        check.forget()
    return client.get("/healthz").status_code == 200


def has_begun(process):
    return process is not None and Worker.objects.filter(stopped_at=None).exists()
