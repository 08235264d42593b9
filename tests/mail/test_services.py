"""Mails by a mail service's HTTP interface: a stand-in of Postmark's, spoken to by django-anymail."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.utils import timezone

from apps.mail.delivery import deliver_due
from apps.mail.models import MailOutage, OutboxMessage, OutboxState
from apps.mail.outbox import queue_mail
from project.env import Env

pytestmark = pytest.mark.django_db(transaction=True)
TAKEN = {
    "ErrorCode": 0,
    "Message": "OK",
    "MessageID": "abc",
    "SubmittedAt": "2026-01-01T00:00:00Z",
    "To": "a@b.example",
}
INACTIVE = {"ErrorCode": 406, "Message": "Found inactive addresses: ada@example.com. Inactive recipients are refused."}


class Postmark(ThreadingHTTPServer):
    """Takes mails and keeps them; `answers` are given first, one a request."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.received, self.answers = [], []


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = self.server.answers.pop(0) if self.server.answers else (200, TAKEN)
        if status == 200:
            self.server.received.append((self.headers["X-Postmark-Server-Token"], body))
        text = json.dumps([answer] if isinstance(body, list) else answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *args):
        pass


@pytest.fixture
def postmark(settings):
    server = Postmark()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    env = Env({"EMAIL_URL": f"postmark://secret@?api_url=http://127.0.0.1:{server.server_port}/"})
    settings.EMAIL_CONFIGURED = True
    settings.MAILERS = {"default": env.mailer("EMAIL_URL", required=True)}
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def mail(recipient="ada@example.com"):
    return queue_mail(dedupe_key="k", recipient=recipient, subject="Grüße", text="Text.", html="<p>HTML.</p>")


def test_a_mail_is_handed_over_with_its_message_id(postmark):
    row = mail()
    assert deliver_due() == 1
    [(token, sent)] = postmark.received
    sent = sent[0] if isinstance(sent, list) else sent
    assert token == "secret"
    assert (sent["To"], sent["Subject"], sent["TextBody"]) == ("ada@example.com", "Grüße", "Text.")
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
