"""The probes over rows as workers leave them; a real worker's signs of life are in
tests/pipelines.
"""

import shutil
import subprocess
from datetime import timedelta

import pytest
from django.utils import timezone
from huey.contrib.djhuey import HUEY
from prometheus_client.parser import text_string_to_metric_families

from apps.mail.models import MailOutage, OutboxMessage
from apps.pipelines import durations, engine
from apps.pipelines.models import Run, StepDuration, StepRun, StepState, Worker
from apps.pipelines.worker import presence, process_id
from project import probes
from tests.services import free_port, redis_server

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def fresh():
    """Probes give an answer again for a second; each test gets its own."""
    for check in (probes.DATABASE, probes.WRITES, probes.QUEUE, probes.WORK):
        check.forget()


@pytest.fixture
def worker():
    now = timezone.now()
    return Worker.objects.create(
        owner=process_id.me(),
        queues=list(HUEY.queues),
        started_at=now,
        seen_at=now,
        swept_at=now,
    )


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
    assert response.json()["problems"][: len(HUEY.queues)] == [
        f"No worker seen for the queue {queue} within a day." for queue in HUEY.queues
    ]


def test_a_silent_worker_is_none(client, worker):
    Worker.objects.update(seen_at=timezone.now() - timedelta(seconds=90))
    problems = client.get("/healthz").json()["problems"]
    assert problems == [
        f"No worker seen for the queue {queue} for 90 s." for queue in HUEY.queues
    ]


def leave(seconds_ago, **changes):
    at = timezone.now() - timedelta(seconds=seconds_ago)
    Worker.objects.update(seen_at=at, swept_at=at, **changes)
    return at


def test_worker_that_left_in_order_has_a_minute_to_come_back(client, worker):
    leave(45, stopped_at=timezone.now() - timedelta(seconds=45))
    assert client.get("/healthz").json() == {"status": "ok", "problems": []}


def test_worker_that_left_in_order_and_stays_away_is_reported(client, worker):
    leave(90, stopped_at=timezone.now() - timedelta(seconds=90))
    response = client.get("/healthz")
    assert response.status_code == 503
    assert len(response.json()["problems"]) == len(HUEY.queues) + 1


@pytest.mark.parametrize(("seconds", "status"), [(3, 200), (20, 503)])
def test_worker_that_died_is_reported_when_a_new_one_would_be_there(
    client, worker, seconds, status
):
    Worker.objects.update(owner=f"{process_id.me().split('|')[0]}|4194304|1")
    leave(seconds)
    assert client.get("/healthz").status_code == status


def test_a_sweeper_that_fails_is_a_problem(client, worker):
    Worker.objects.update(swept_at=timezone.now() - timedelta(seconds=45))
    assert client.get("/healthz").json()["problems"] == ["No sweeper was seen for 45 s."]


def test_mail_that_does_not_leave_is_a_problem(client, worker, settings):
    settings.EMAIL_CONFIGURED = True
    message = OutboxMessage.objects.create(
        dedupe_key="a",
        recipient="a@example.com",
        subject="s",
        text="t",
        from_email="f@example.com",
        message_id="<1@example.com>",
        next_attempt_at=timezone.now(),
    )
    assert client.get("/healthz").status_code == 200
    OutboxMessage.objects.filter(pk=message.pk).update(
        created_at=timezone.now() - timedelta(hours=1)
    )
    probes.WORK.forget()
    assert client.get("/healthz").json()["problems"] == [
        "The oldest email has been waiting for 3600 s."
    ]


@pytest.mark.parametrize(
    ("seconds", "needs_operator", "status"),
    [(60, False, 200), (60, True, 503), (3600, False, 503)],
)
def test_mail_server_that_takes_no_email_is_a_problem(
    client, worker, settings, seconds, needs_operator, status
):
    settings.EMAIL_CONFIGURED = True
    now = timezone.now()
    began = now - timedelta(seconds=seconds)
    MailOutage.objects.create(
        began_at=began, next_try_at=now, reason="No.", needs_operator=needs_operator
    )
    answer = client.get("/healthz")
    assert answer.status_code == status
    assert ["No." in problem for problem in answer.json()["problems"]] == [True] * (
        status == 503
    )


def test_metrics_tell_of_runs_queues_and_mails(client, worker):
    run, _ = engine.start("lab", subject="lab:1", params={}, send=False)
    long_ago = timezone.now() - timedelta(seconds=50)
    StepRun.objects.filter(run=run, idx=0).update(
        state=StepState.DONE,
        started_at=long_ago,
        finished_at=long_ago + timedelta(seconds=20),
        active_seconds=20.0,
    )
    StepRun.objects.filter(run=run, idx=1).update(
        state=StepState.DONE, started_at=long_ago + timedelta(seconds=22), active_seconds=0.3
    )
    StepRun.objects.filter(run=run, idx=2).update(state=StepState.READY, dispatched_at=long_ago)
    found = figures(client)
    assert found["up",] == 1
    assert found["runs", "lab", "running"] == 1
    assert found["runs", "lab", "failed"] == 0
    assert found["hand_off_recent_seconds", "0.5"] == pytest.approx(2.0)
    assert found["queue_oldest_ready_seconds", "compute"] == pytest.approx(50, abs=5)
    assert found["queue_oldest_ready_seconds", "sync"] == 0
    assert found["queue_workers", "llm"] == 1
    assert found["queue_unseen_seconds", "llm"] == 0
    assert found["outbox_messages", "sent"] == 0


def test_step_durations_add_up_and_stay_when_rows_go(client):
    # What steps of other tests noted in this process.
    durations.flush()
    StepDuration.objects.all().delete()
    durations.note("sync", 20.0)
    durations.note("sync", 0.3)
    durations.flush()
    durations.note("sync", 99_999.0)
    durations.flush()
    run, _ = engine.start("lab", subject="lab:1", params={}, send=False)
    Run.objects.filter(pk=run.pk).delete()
    found = figures(client)
    buckets = {
        bound: found["step_duration_seconds_bucket", bound, "sync"]
        for bound in ("0.1", "0.5", "15.0", "60.0")
    }
    assert buckets == {"0.1": 0, "0.5": 1, "15.0": 1, "60.0": 2}
    assert found["step_duration_seconds_bucket", "+Inf", "sync"] == 3
    assert found["step_duration_seconds_count", "sync"] == 3
    assert found["step_duration_seconds_sum", "sync"] == pytest.approx(100_019.3)


def test_metrics_count_requests_by_route_without_what_is_in_the_address(client):
    client.get("/invitations/a-secret-token-of-an-invitation/")
    client.get("/there-is-no-such-page/")
    text = client.get("/metrics").content.decode()
    assert 'route="invitations/<str:token>/"' in text
    assert 'route="unmatched",status="404"' in text
    assert "a-secret-token" not in text
    assert "there-is-no-such-page" not in text
    assert 'route="metrics' not in text


def test_metrics_name_the_releases_that_run(client, settings):
    settings.RELEASE = "r42"
    presence.announce("web")
    found = figures(client)
    assert found["release_info", "r42"] == 1
    assert found["processes", "web", "r42"] == 1


def test_metrics_show_whether_redis_answers(client, settings):
    assert ("redis_up",) not in figures(client)
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    assert figures(client)["redis_up",] == 0
    with redis_server() as url:
        settings.REDIS_URL = url
        found = figures(client)
    assert found["redis_up",] == 1
    assert found["redis_memory_bytes",] > 0


def test_no_label_has_a_name_that_prometheus_reserves(client):
    families = text_string_to_metric_families(client.get("/metrics").content.decode())
    for family in families:
        for sample in family.samples:
            reserved = {"quantile": "summary", "le": "histogram"}
            for label, kind in reserved.items():
                assert label not in sample.labels or family.type == kind, sample.name


@pytest.mark.long
def test_promtool_finds_no_fault(client):
    program = shutil.which("promtool")
    if program is None:
        # Debian's package brings all of Prometheus, so it is not asked for.
        pytest.skip("promtool is not installed: it checks the metrics")
    client.get("/accounts/login/")
    done = subprocess.run(
        [program, "check", "metrics"],
        input=client.get("/metrics").content,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_metrics_say_when_no_worker_was_ever_seen(client):
    assert figures(client)["queue_unseen_seconds", "sync"] == float("inf")


def test_metrics_are_for_this_machine_or_who_has_the_token(client, settings):
    assert client.get("/metrics", REMOTE_ADDR="192.0.2.7").status_code == 403
    assert client.get("/metrics", headers={"x-forwarded-for": "192.0.2.7"}).status_code == 403
    settings.METRICS_TOKEN = "a-token"
    assert client.get("/metrics").status_code == 403
    assert (
        client.get("/metrics", headers={"authorization": "Bearer another"}).status_code == 403
    )
    assert (
        figures(client, REMOTE_ADDR="192.0.2.7", headers={"authorization": "Bearer a-token"})[
            "up",
        ]
        == 1
    )


def test_metrics_have_the_age_of_the_last_night_that_ended_well(client):
    assert figures(client)["nightly_age_seconds",] == float("inf")
    now = timezone.now()
    times = {"created_at": now, "generation_started_at": now}
    for hours, state in ((30, "done"), (2, "failed")):
        ended = now - timedelta(hours=hours)
        Run.objects.create(
            pipeline="nightly",
            subject="team:1",
            dedupe_key="a",
            state=state,
            finished_at=ended,
            **times,
        )
    assert figures(client)["nightly_age_seconds",] == pytest.approx(30 * 3600, abs=60)
    assert figures(client)["failed_receivers", "given_up"] == 0
