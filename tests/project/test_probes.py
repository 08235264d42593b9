"""The probes over rows as workers leave them; a real worker's signs of life are in tests/pipelines."""

from datetime import timedelta

import pytest
from django.utils import timezone
from huey.contrib.djhuey import HUEY
from prometheus_client.parser import text_string_to_metric_families

from apps.mail.models import OutboxMessage
from apps.pipelines import engine, owners
from apps.pipelines.models import StepRun, StepState, Worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def worker():
    now = timezone.now()
    return Worker.objects.create(owner=owners.me(), queues=list(HUEY.queues), started_at=now, seen_at=now, swept_at=now)


def figures(client, **headers):
    response = client.get("/metrics", **headers)
    assert response.status_code == 200
    return {
        (sample.name.removeprefix("firstlight_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.content.decode())
        for sample in family.samples
    }


def test_ready_with_all_migrations(client):
    assert client.get("/readyz").json() == {"status": "ok", "problems": []}


def test_probes_answer_whatever_host_they_ask(client, settings):
    settings.SECURE_SSL_REDIRECT = True
    assert client.get("/readyz", headers={"host": "10.1.2.3"}).status_code == 200
    assert client.get("/", headers={"host": "10.1.2.3"}).status_code != 200


def test_healthy_with_a_worker_for_each_queue(client, worker):
    assert client.get("/healthz").status_code == 200


def test_without_a_worker_each_queue_is_named(client):
    response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["problems"][:3] == [
        f"No worker seen for the queue {queue} within a day." for queue in HUEY.queues
    ]


def test_a_silent_worker_is_none(client, worker):
    Worker.objects.update(seen_at=timezone.now() - timedelta(seconds=90))
    problems = client.get("/healthz").json()["problems"]
    assert problems == [f"No worker seen for the queue {queue} for 90 s." for queue in HUEY.queues]


def test_a_sweeper_that_fails_is_a_problem(client, worker):
    Worker.objects.update(swept_at=timezone.now() - timedelta(seconds=45))
    assert client.get("/healthz").json()["problems"] == ["No sweeper was seen for 45 s."]


def test_mail_that_does_not_leave_is_a_problem(client, worker, settings):
    settings.EMAIL_CONFIGURED = True
    message = OutboxMessage.objects.create(
        dedupe_key="a", recipient="a@example.com", subject="s", text="t", from_email="f@example.com",
        message_id="<1@example.com>", next_attempt_at=timezone.now(),
    )  # fmt: skip
    assert client.get("/healthz").status_code == 200
    OutboxMessage.objects.filter(pk=message.pk).update(created_at=timezone.now() - timedelta(hours=1))
    assert client.get("/healthz").json()["problems"] == ["The oldest mail has been waiting for 3600 s."]


def test_metrics_tell_of_runs_queues_and_mails(client, worker):
    run, _ = engine.start("lab", subject="lab:1", params={}, send=False)
    long_ago = timezone.now() - timedelta(seconds=50)
    StepRun.objects.filter(run=run, idx=0).update(
        state=StepState.DONE, started_at=long_ago, finished_at=long_ago + timedelta(seconds=20), active_seconds=20.0
    )
    StepRun.objects.filter(run=run, idx=1).update(
        state=StepState.DONE, started_at=long_ago + timedelta(seconds=22), active_seconds=0.3
    )
    StepRun.objects.filter(run=run, idx=2).update(state=StepState.READY, dispatched_at=long_ago)
    found = figures(client)
    assert found["up",] == 1
    assert found["runs", "lab", "running"] == 1
    assert found["runs", "lab", "failed"] == 0
    assert found["step_duration_seconds_bucket", "15.0", "one"] == 0
    assert found["step_duration_seconds_bucket", "60.0", "one"] == 1
    assert found["step_duration_seconds_sum", "two"] == pytest.approx(0.3)
    assert found["hand_off_recent_seconds", "0.5"] == pytest.approx(2.0)
    assert found["queue_oldest_ready_seconds", "compute"] == pytest.approx(50, abs=5)
    assert found["queue_oldest_ready_seconds", "sync"] == 0
    assert found["queue_workers", "llm"] == 1
    assert found["queue_unseen_seconds", "llm"] == 0
    assert found["outbox_messages", "sent"] == 0


def test_metrics_say_when_no_worker_was_ever_seen(client):
    assert figures(client)["queue_unseen_seconds", "sync"] == float("inf")


def test_metrics_are_for_this_machine_or_who_has_the_token(client, settings):
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 403
    assert client.get("/metrics", headers={"x-forwarded-for": "192.0.2.7"}).status_code == 403
    settings.METRICS_TOKEN = "a-token"
    assert client.get("/metrics").status_code == 403
    assert client.get("/metrics", headers={"authorization": "Bearer another"}).status_code == 403
    assert figures(client, REMOTE_ADDR="192.0.2.7", headers={"authorization": "Bearer a-token"})["up",] == 1
