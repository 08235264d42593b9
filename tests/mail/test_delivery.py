"""Messages reach a real SMTP server once each, whatever the server and the deliverers
go through.
"""

import datetime as dt
import email
import email.policy
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.db import connection, transaction
from django.utils import timezone

from apps.mail import outages, tasks
from apps.mail.delivery import GIVE_UP_AFTER, LEASE, MAX_DEATHS, deliver_due, release_dead
from apps.mail.models import MailOutage, OutboxMessage, OutboxState
from apps.mail.outbox import queue_mail

ROOT = Path(__file__).resolve().parents[2]


def mail(key="k", **changes):
    fields = {
        "recipient": "ada@example.com",
        "subject": "Grüße",
        "text": "Textteil.",
        "html": "<p>HTML part.</p>",
    }
    return queue_mail(dedupe_key=key, **fields | changes)


def make_due():
    """Time passes until whatever waits is due, the server's next try included."""
    past = timezone.now() - dt.timedelta(seconds=1)
    OutboxMessage.objects.update(next_attempt_at=past)
    MailOutage.objects.update(next_try_at=past)


def parsed(received):
    return email.message_from_bytes(received.content, policy=email.policy.default)


def test_a_message_arrives_whole(db, server):
    row = mail()
    server.start()
    assert deliver_due() == 1
    (received,) = server.received
    message = parsed(received)
    assert received.recipients == ["ada@example.com"]
    assert (message["Message-ID"], message["Subject"], message["To"]) == (
        row.message_id,
        "Grüße",
        "ada@example.com",
    )
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_body(("plain",)).get_content().strip() == "Textteil."
    assert message.get_body(("html",)).get_content().strip() == "<p>HTML part.</p>"
    row.refresh_from_db()
    assert (row.state, row.attempts, row.lease_until) == (OutboxState.SENT, 1, None)
    assert row.sent_at


def test_a_message_without_html_is_plain(db, server):
    mail(html="")
    server.start()
    deliver_due()
    assert parsed(server.received[0]).get_content_type() == "text/plain"


def test_what_is_sent_is_not_sent_again(db, server):
    mail()
    server.start()
    assert (deliver_due(), deliver_due()) == (1, 0)
    make_due()
    assert deliver_due() == 0
    assert len(server.received) == 1


def test_a_limit_bounds_one_round(db, server):
    for number in range(3):
        mail(f"k{number}")
    server.start()
    assert [deliver_due(limit=2), deliver_due(limit=2)] == [2, 1]


def test_server_that_is_down_costs_one_try_and_no_mail(db, server):
    rows = [mail(f"k{number}") for number in range(3)]
    assert deliver_due() == 0
    outage = outages.current()
    assert "ConnectionRefusedError" in outage.reason
    assert not outage.needs_operator, "it may come back by itself"
    for row in rows:
        row.refresh_from_db()
    assert [row.attempts for row in rows] == [1, 0, 0], (
        "the round ended at the first sign that the server is away"
    )
    assert {row.state for row in rows} == {OutboxState.PENDING}
    server.start()
    assert deliver_due() == 0, "all wait for the next try"
    make_due()
    assert deliver_due() == 3
    assert outages.current() is None
    assert len(server.received) == 3


def test_pauses_of_an_outage_grow_to_a_quarter_of_an_hour_for_a_weekend(db, server):
    row = mail()
    pauses = []
    for _ in range(200):
        make_due()
        before = timezone.now()
        deliver_due()
        pauses.append(round((outages.current().next_try_at - before).total_seconds()))
    # The delivery itself takes a moment.
    assert pauses[:6] == pytest.approx([30, 60, 120, 240, 480, 900], abs=10)
    assert pauses[5:] == pytest.approx([900] * 195, abs=10)
    assert sum(pauses) > 48 * 3600
    row.refresh_from_db()
    assert (row.state, row.refusals) == (OutboxState.PENDING, 0)
    assert MailOutage.objects.count() == 1
    make_due()
    server.start()
    assert deliver_due() == 1


def test_refusals_of_one_message_put_it_off_for_up_to_an_hour(db, server):
    row = mail()
    server.refuse["ada@example.com"] = "450 4.2.1 Come back later"
    server.start()
    delays = []
    for _ in range(10):
        make_due()
        before = timezone.now()
        deliver_due()
        row.refresh_from_db()
        delays.append(round((row.next_attempt_at - before).total_seconds()))
    # The delivery itself takes a moment.
    assert delays == pytest.approx([30, 60, 120, 240, 480, 960, 1920, 3600, 3600, 3600], abs=10)
    assert outages.current() is None


def test_pauses_stay_bounded_after_thousands_of_refusals(db, server):
    row = mail()
    OutboxMessage.objects.update(refusals=5000)
    server.refuse["ada@example.com"] = "450 4.2.1 Come back later"
    server.start()
    deliver_due()
    row.refresh_from_db()
    assert row.refusals == 5001
    assert row.next_attempt_at <= timezone.now() + dt.timedelta(hours=1)


def test_pauses_stay_bounded_after_thousands_of_failures_of_the_server(db, server):
    mail()
    deliver_due()
    MailOutage.objects.update(failures=5000, next_try_at=timezone.now())
    make_due()
    deliver_due()
    assert outages.current().next_try_at <= timezone.now() + dt.timedelta(minutes=15)


def test_server_that_refuses_a_mailbox_is_there_again(db, server):
    mail()
    deliver_due()
    assert outages.current() is not None
    server.refuse["ada@example.com"] = "550 5.1.1 No such person"
    server.start()
    make_due()
    deliver_due()
    assert outages.current() is None


def test_message_that_was_sent_keeps_no_body(db, server):
    """Links in it open accounts."""
    row = mail()
    server.start()
    deliver_due()
    row.refresh_from_db()
    assert (row.state, row.text, row.html) == (OutboxState.SENT, "", "")


def test_outage_is_logged_once(db, server, caplog):
    mail()
    for _ in range(3):
        deliver_due()
        make_due()
    assert (
        len([record for record in caplog.records if record.name == "apps.mail.delivery"]) == 1
    )


def test_message_that_is_refused_for_days_fails(db, server):
    row = mail()
    server.refuse["ada@example.com"] = "550 5.7.1 You are on a list"
    server.start()
    deliver_due()
    row.refresh_from_db()
    assert row.state == OutboxState.PENDING, "the answer speaks of us"
    OutboxMessage.objects.update(created_at=timezone.now() - GIVE_UP_AFTER)
    make_due()
    deliver_due()
    row.refresh_from_db()
    assert row.state == OutboxState.FAILED
    assert "You are on a list" in row.last_error
    make_due()
    server.refuse.clear()
    assert deliver_due() == 0


def test_a_recipient_refused_for_good_fails_at_once_and_alone(db, server):
    bad, good = mail(recipient="gone@example.com"), mail(recipient="here@example.com")
    server.refuse["gone@example.com"] = "550 5.1.1 No such person"
    server.start()
    assert deliver_due() == 1
    bad.refresh_from_db()
    good.refresh_from_db()
    assert (bad.state, good.state) == (OutboxState.FAILED, OutboxState.SENT)
    assert "No such person" in bad.last_error


@pytest.mark.parametrize("rcpt", ["450 4.2.1 Greylisted, come back later", None])
def test_a_refusal_for_now_is_tried_again(db, server, rcpt):
    row = mail()
    if rcpt:
        server.refuse["ada@example.com"] = rcpt
    else:
        server.answer = "554 5.7.1 Sender over quota"
    server.start()
    assert deliver_due() == 0
    row.refresh_from_db()
    assert row.state == OutboxState.PENDING
    server.refuse.clear()
    server.answer = "250 OK"
    make_due()
    assert deliver_due() == 1


def test_an_address_that_smtp_cannot_carry_fails_at_once(db, server):
    row = mail()
    OutboxMessage.objects.update(recipient="ada@example.com>\nRCPT TO:<eve@example.com")
    server.start()
    deliver_due()
    row.refresh_from_db()
    assert row.state == OutboxState.FAILED
    assert server.received == []


@pytest.mark.django_db(transaction=True)
def test_deliverers_at_once_hand_over_each_message_once(server):
    for number in range(24):
        mail(f"k{number}")
    server.start()
    start = threading.Barrier(4)
    counts = []

    def deliver():
        try:
            start.wait()
            counts.append(deliver_due())
        finally:
            connection.close()

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = [parsed(received)["Message-ID"] for received in server.received]
    assert sum(counts) == len(ids) == len(set(ids)) == 24


@pytest.fixture
def deliverer(server):
    """Starts a process of its own that delivers what is due; a process that is left is
    ended with the test.
    """
    database = connection.settings_dict
    address = f"sqlite:///{database['NAME']}"
    if connection.vendor == "postgresql":
        address = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{database['NAME']}"
    environment = {
        "DJANGO_SETTINGS_MODULE": "project.settings",
        "DATABASE_URL": address,
        "EMAIL_URL": f"smtp://127.0.0.1:{server.port}",
    }
    code = "import django; django.setup(); from apps.mail.delivery import deliver_due; deliver_due()"
    processes = []

    def start():
        command = [sys.executable, "-W", "ignore", "-c", code]
        processes.append(subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environment}))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.wait()


def check_lease_then_let_it_pass(row):
    row.refresh_from_db()
    assert (row.state, row.attempts) == (OutboxState.SENDING, 1)
    assert timezone.now() < row.lease_until <= timezone.now() + LEASE
    assert deliver_due() == 0
    make_due()
    assert deliver_due() == 1


@pytest.mark.django_db(transaction=True)
def test_a_kill_between_claim_and_hand_over_delays_the_message(server, deliverer):
    row = mail()
    with socket.create_server(("127.0.0.1", server.port)) as silent:
        # It takes the connection and says nothing: the deliverer stands between its
        # claim and the hand-over.
        silent.settimeout(30)
        process = deliverer()
        held, _ = silent.accept()
        with held:
            process.kill()
            process.wait()
    server.start()
    check_lease_then_let_it_pass(row)
    assert [parsed(received)["Message-ID"] for received in server.received] == [row.message_id]


@pytest.mark.django_db(transaction=True)
def test_a_dead_deliverers_message_does_not_wait_for_its_lease(server, deliverer):
    """Its process is known to be gone, so the next tick of any worker makes the message
    due; a living one keeps it.
    """
    row = mail()
    with socket.create_server(("127.0.0.1", server.port)) as silent:
        silent.settimeout(30)
        process = deliverer()
        held, _ = silent.accept()
        with held:
            assert release_dead(timezone.now()) == 0
            process.kill()
            process.wait()
    server.start()
    assert release_dead(timezone.now()) == 1
    assert deliver_due() == 1
    assert [parsed(received)["Message-ID"] for received in server.received] == [row.message_id]


@pytest.mark.django_db(transaction=True)
def test_a_kill_between_acceptance_and_commit_repeats_the_message_id(server, deliverer):
    row = mail()
    server.on_data = lambda envelope: (process.kill(), process.wait())
    server.start()
    process = deliverer()
    assert server.wait_for(1, seconds=30) == 1
    process.wait()
    server.on_data = lambda envelope: None
    check_lease_then_let_it_pass(row)
    assert [parsed(received)["Message-ID"] for received in server.received] == [
        row.message_id
    ] * 2


@pytest.mark.parametrize("answer", ["250 OK", "554 5.7.1 No"])
@pytest.mark.django_db(transaction=True)
def test_a_deliverer_that_lost_its_claim_does_not_write_the_outcome(server, answer):
    """Frozen in the hand-over for longer than its lease, while another one took over."""
    row = mail()

    def take_over(envelope):
        OutboxMessage.objects.update(attempts=2, lease_until=timezone.now() + LEASE)
        connection.close()

    server.on_data = take_over
    server.answer = answer
    server.start()
    assert deliver_due() == 0
    row.refresh_from_db()
    assert (row.state, row.attempts) == (OutboxState.SENDING, 2)
    assert row.lease_until


@pytest.mark.django_db(transaction=True)
def test_outcome_is_written_when_a_lock_ends(server):
    """Longer than a statement waits for it: without the outcome, the email would be
    sent again after its lease.
    """
    row = mail()
    lock = Lock(row)
    server.on_data = lambda envelope: lock.take()
    server.start()
    with connection.cursor() as cursor:
        wait_little = (
            "PRAGMA busy_timeout = 200"
            if connection.vendor == "sqlite"
            else "SET lock_timeout = '200ms'"
        )
        cursor.execute(wait_little)
    try:
        assert deliver_due() == 1
        assert lock.is_over
    finally:
        lock.thread.join()
        connection.close()
    row.refresh_from_db()
    assert row.state == OutboxState.SENT


class Lock:
    """A transaction of another connection that holds a message's row, with SQLite the
    database, for two seconds.
    """

    def __init__(self, row):
        self.row = row
        self.taken = threading.Event()
        self.is_over = False
        self.thread = threading.Thread(target=self.hold)

    def take(self):
        self.thread.start()
        assert self.taken.wait(10)

    def hold(self):
        try:
            with transaction.atomic():
                OutboxMessage.objects.filter(pk=self.row.pk).update(attempts=1)
                self.taken.set()
                time.sleep(2)
                self.is_over = True
        finally:
            connection.close()


def test_deliverers_that_keep_dying_end_in_failed(db, server):
    row = mail()
    OutboxMessage.objects.update(
        state=OutboxState.SENDING, attempts=MAX_DEATHS, deaths=MAX_DEATHS - 1
    )
    server.start()
    assert deliver_due() == 0
    row.refresh_from_db()
    assert row.state == OutboxState.FAILED
    assert "20 processes ended" in row.last_error
    assert server.received == []


def test_a_worker_delivers_on_the_hint(queue, server):
    mail()
    server.start()
    queue.execute(queue.dequeue())
    assert len(server.received) == 1


def test_a_lost_hint_is_given_again(queue, server):
    mail()
    queue.flush()
    assert not tasks.hint_due(), "one was given a moment ago"
    tasks._hinted_at = float("-inf")
    assert tasks.hint_due(sender=None, owner="worker", signal=None)
    assert queue.pending_count() == 1
    server.start()
    queue.execute(queue.dequeue())
    tasks._hinted_at = float("-inf")
    assert not tasks.hint_due(), "nothing is due"


def test_each_minute_has_a_backstop(queue):
    now = timezone.now().replace(tzinfo=None)
    due = [task for task in queue.read_periodic(now) if task.name == "mail_deliver_backstop"]
    assert len(due) == 1
    assert queue.queue_of(due[0]) == "email"


def test_hint_waits_for_the_next_try_of_a_server_that_is_away(queue, server):
    mail()
    queue.flush()
    deliver_due()
    OutboxMessage.objects.update(next_attempt_at=timezone.now())
    tasks._hinted_at = float("-inf")
    assert not tasks.hint_due()
    make_due()
    assert tasks.hint_due()


@pytest.mark.parametrize(
    ("timeout", "good"), [(20, True), (30, True), (None, False), (120, False)]
)
def test_a_timeout_longer_than_the_lease_is_found_at_the_start(db, settings, timeout, good):
    settings.MAILERS = {
        "default": {
            "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
            "OPTIONS": {"host": "localhost", "timeout": timeout},
        }
    }
    assert [error.id for error in run_checks() if error.id == "mail.E001"] == (
        [] if good else ["mail.E001"]
    )
