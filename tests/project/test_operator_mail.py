"""Emails to the operators: few, without secrets, and never because of a probe, a
client, or an outage.
"""

import logging
import time

import pytest
from django.core import mail
from django.db import OperationalError, connection
from django.test import Client
from redis.exceptions import ConnectionError as RedisAway

from apps.mail.models import OutboxMessage
from project import operator_mail
from project.operator_mail import MAX_EMAILS, OperatorMailHandler, reporter

pytestmark = pytest.mark.django_db(transaction=True)
logger = logging.getLogger("apps.tested")


@pytest.fixture(autouse=True)
def operators(settings):
    settings.DEBUG, settings.ADMINS = False, ["Ada <ops@example.com>"]
    handler = OperatorMailHandler(logging.ERROR)
    logging.getLogger().addHandler(handler)
    reporter.forget()
    yield
    logging.getLogger().removeHandler(handler)
    reporter.forget()


def fail(error, log=logger, text="It failed."):
    try:
        raise error
    except type(error):
        log.exception(text)


def emails(wanted, seconds=10):
    """The queued emails, as soon as there are so many; the reporter's thread queues
    them.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until and OutboxMessage.objects.count() < wanted:
        time.sleep(0.05)
    time.sleep(0.3)
    return list(OutboxMessage.objects.order_by("pk"))


def test_first_error_is_mailed_at_once():
    fail(ValueError("a value"))
    [message] = emails(1)
    assert message.recipient == "ops@example.com"
    assert "ValueError" in message.subject
    assert "test_operator_mail.py" in message.text


def test_email_holds_no_secret_and_no_value(settings):
    settings.REDIS_URL = "redis://:REDIS-PASSWORD@redis:6379/0"
    fail(
        ValueError("hunter2"),
        text="GET /invitations/Yq3vXbT0aL1mNoPq/?code=ABC123 redis://:REDIS-PASSWORD@redis",
    )
    [message] = emails(1)
    for secret in (
        "hunter2",
        "Yq3vXbT0aL1mNoPq",
        "ABC123",
        "REDIS-PASSWORD",
        settings.SECRET_KEY,
    ):
        assert secret not in message.text + message.subject


def test_flood_of_one_kind_is_one_email():
    for number in range(1_000):
        fail(ValueError(number))
    assert len(emails(1)) == 1


def test_flood_of_many_kinds_stops_at_the_limit():
    for number in range(1_000):
        fail(ValueError(number), log=logging.getLogger(f"apps.tested.part{number}"))
    assert len(emails(MAX_EMAILS)) == MAX_EMAILS


def test_repetitions_are_mailed_an_hour_later_with_their_count():
    for _ in range(7):
        fail(ValueError("x"))
    emails(1)
    for _ in range(41):
        fail(ValueError("x"))
    OutboxMessage.objects.update(
        created_at="2020-01-01T00:00:00Z", dedupe_key="operators:before", message_id="<x>"
    )
    reporter.queue_due()
    assert OutboxMessage.objects.count() == 1
    with reporter._lock:
        for report in reporter._reports.values():
            report.mailed_at -= 3_600
    reporter.queue_due()
    _first, second = OutboxMessage.objects.order_by("pk")
    assert " times since the last email" in second.text


def test_another_process_that_mailed_it_counts():
    fail(ValueError("x"))
    emails(1)
    with reporter._lock:
        for report in reporter._reports.values():
            report.mailed_at, report.count = None, 5
    reporter.queue_due()
    assert OutboxMessage.objects.count() == 1


@pytest.mark.parametrize(
    "error", [OperationalError("away"), RedisAway("away"), TimeoutError("slow")]
)
def test_outage_mails_no_operator(error):
    fail(error)
    assert emails(1, seconds=1) == []


def test_error_while_the_database_is_away_causes_no_other():
    """The reporter can't write.

    It must not log an error about that, which it would have to report.
    """
    written = []

    class Keep(logging.Handler):
        def emit(self, record):
            written.append(record)

    keep = Keep(logging.ERROR)
    logging.getLogger().addHandler(keep)
    connection.cursor().execute("ALTER TABLE mail_outboxmessage RENAME TO mail_away")
    try:
        for number in range(1_000):
            fail(ValueError(number))
        time.sleep(1.5)
        assert len(written) == 1_000
    finally:
        connection.cursor().execute("ALTER TABLE mail_away RENAME TO mail_outboxmessage")
        logging.getLogger().removeHandler(keep)
    assert len(mail.outbox) == 0


def test_probes_and_refused_clients_mail_no_operator():
    client = Client(raise_request_exception=False)
    for _ in range(3):
        assert client.get("/healthz").status_code == 503
    client.get("/", headers={"host": "no such host"})
    client.get("/", headers={"host": "evil.example"})
    assert emails(1, seconds=1) == []
    assert len(mail.outbox) == 0


def test_no_operator_means_no_work(settings):
    settings.ADMINS = []
    fail(ValueError("x"))
    assert operator_mail.reporter._reports == {}
