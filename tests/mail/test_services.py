"""Mails by a mail service's HTTP interface: a stand-in of Postmark's, spoken to by
django-anymail.
"""

import json
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from django.utils import timezone

from apps.mail.delivery import deliver_due
from apps.mail.http import watch
from apps.mail.models import MailOutage, OutboxMessage, OutboxState
from apps.mail.outbox import queue_mail
from apps.mail.server import Accepted, MailServer, ReplyLost, TryLater
from project.env import Env
from tests.services import free_port

pytestmark = pytest.mark.django_db(transaction=True)
TAKEN = {
    "ErrorCode": 0,
    "Message": "OK",
    "MessageID": "abc",
    "SubmittedAt": "2026-01-01T00:00:00Z",
    "To": "a@b.example",
}
INACTIVE = {
    "ErrorCode": 406,
    "Message": "Found inactive addresses: ada@example.com. Inactive recipients are refused.",
}


class Postmark(ThreadingHTTPServer):
    """Takes mails and keeps them; `answers` are given first, one a request.

    With `raw`, it answers with these bytes, `pause` seconds after each, and ends the
    connection.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.received, self.answers = [], []
        self.raw, self.pause, self.requests = None, 0.0, 0


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests += 1
        if self.server.raw is not None:
            self.answer_raw(self.server.raw)
            return
        status, answer = self.server.answers.pop(0) if self.server.answers else (200, TAKEN)
        if status == 200:
            self.server.received.append((self.headers["X-Postmark-Server-Token"], body))
        text = json.dumps([answer] if isinstance(body, list) else answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def answer_raw(self, raw):
        self.close_connection = True
        with suppress(OSError):
            for place in range(len(raw)):
                self.wfile.write(raw[place : place + 1])
                time.sleep(self.server.pause)

    def log_message(self, *args):
        pass


@pytest.fixture
def postmark(settings):
    server = Postmark()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    env = Env(
        {"EMAIL_URL": f"postmark://secret@?api_url=http://127.0.0.1:{server.server_port}/"}
    )
    settings.EMAIL_CONFIGURED = True
    settings.MAILERS = {"default": env.mailer("EMAIL_URL", required=True)}
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def mail(recipient="ada@example.com"):
    return queue_mail(
        dedupe_key="k", recipient=recipient, subject="Grüße", text="Text.", html="<p>HTML.</p>"
    )


def test_a_mail_is_handed_over_with_its_message_id(postmark):
    row = mail()
    assert deliver_due() == 1
    [(token, sent)] = postmark.received
    sent = sent[0] if isinstance(sent, list) else sent
    assert token == "secret"
    assert (sent["To"], sent["Subject"], sent["TextBody"]) == (
        "ada@example.com",
        "Grüße",
        "Text.",
    )
    assert row.message_id in str(sent["Headers"])
    assert OutboxMessage.objects.get().state == OutboxState.SENT


@pytest.mark.parametrize("status", [401, 429, 503])
def test_a_service_that_does_not_take_mails_now_gets_them_later(postmark, status):
    mail()
    postmark.answers = [(status, {"ErrorCode": 10, "Message": "Not now."})]
    assert deliver_due() == 0
    waiting = OutboxMessage.objects.get()
    assert (waiting.state, waiting.attempts) == (OutboxState.PENDING, 1)
    assert "Not now." in waiting.last_error
    OutboxMessage.objects.update(next_attempt_at=timezone.now())
    MailOutage.objects.update(next_try_at=timezone.now())
    assert deliver_due() == 1


def test_an_address_that_the_service_refuses_is_not_tried_again(postmark):
    mail()
    postmark.answers = [(422, INACTIVE)]
    assert deliver_due() == 0
    assert OutboxMessage.objects.get().state == OutboxState.FAILED


def test_a_service_that_is_away_costs_one_attempt_of_one_mail(postmark):
    mail()
    mail("alan@example.com")
    postmark.shutdown()
    postmark.server_close()
    assert deliver_due() == 0
    assert sorted(OutboxMessage.objects.values_list("attempts", flat=True)) == [0, 1]
    # Nothing went out, so that no answer was lost.
    assert set(OutboxMessage.objects.values_list("lost_replies", flat=True)) == {0}
    assert MailOutage.objects.get().needs_operator is False


@pytest.mark.parametrize(
    ("status", "is_of_server", "needs_operator"),
    [
        (401, True, True),
        (403, True, True),
        (429, True, False),
        (500, False, False),
        (503, False, False),
    ],
)
def test_refusal_of_a_service_has_its_outcome(postmark, status, is_of_server, needs_operator):
    postmark.answers = [(status, {"ErrorCode": 10, "Message": "No."})]
    with MailServer() as server:
        outcome = server.send(mail())
    assert type(outcome) is TryLater
    assert (outcome.is_of_server, outcome.needs_operator) == (is_of_server, needs_operator)


@pytest.mark.parametrize(
    "raw",
    [
        # In the head, and in the body, of an answer whose connection ends with it, or
        # stays.
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json" + b" " * 100,
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b" " * 100,
        b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n" + b" " * 100,
    ],
)
def test_service_that_drips_is_ended(postmark, raw):
    """Each byte comes within the timeout, so only the deadline of the whole ends it."""
    postmark.raw, postmark.pause = raw, 0.1
    began = time.monotonic()
    with MailServer(deadline=1.0) as server:
        outcome = server.send(mail())
    assert time.monotonic() - began < 7
    assert isinstance(outcome, ReplyLost)
    assert "\0" not in outcome.reason


def test_service_is_asked_again_after_it_dripped(postmark):
    postmark.raw, postmark.pause = b"HTTP/1.1 200 OK\r\n" + b"x" * 100, 0.1
    message = mail()
    with MailServer(deadline=0.5) as server:
        began = time.monotonic()
        for _ in range(2):
            assert isinstance(server.send(message), ReplyLost)
        assert time.monotonic() - began < 8
        postmark.raw = None
        assert isinstance(server.send(message), Accepted)
    assert len(postmark.received) == 1


@pytest.mark.parametrize(
    "raw",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<htm", b"220 mail.test ESMTP\r\n"],
)
def test_lost_answer_means_two_copies_at_most(postmark, raw):
    mail()
    postmark.raw = raw
    for _ in range(4):
        deliver_due()
        OutboxMessage.objects.update(next_attempt_at=timezone.now())
    assert postmark.requests == 2
    assert OutboxMessage.objects.get().state == OutboxState.UNCERTAIN


def test_answer_of_another_form_may_mean_that_it_was_taken(postmark):
    message = mail()
    postmark.raw = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<ok>"
    )
    with MailServer() as server:
        assert isinstance(server.send(message), ReplyLost)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_request_that_never_began_was_not_sent(scheme):
    session = requests.Session()
    watched = watch(session)
    # Of a message before.
    watched.has_sent_all = True
    with pytest.raises(requests.ConnectionError):
        session.post(f"{scheme}://127.0.0.1:{free_port()}/", data=b"x")
    assert not watched.has_sent_all


def test_request_that_broke_off_was_not_sent(postmark):
    """Over a connection that is open already."""

    def body():
        yield b"x"
        raise ValueError

    address = f"http://127.0.0.1:{postmark.server_port}/"
    with requests.Session() as session:
        watched = watch(session)
        postmark.protocol = "HTTP/1.1"
        session.post(address, json={})
        assert watched.has_sent_all
        with pytest.raises(ValueError):
            session.post(address, data=body())
    assert not watched.has_sent_all
