"""The mail server's rows of the fault table: a setup, a night, and a page that sends,
with a real worker.

All of it by hand, in about ten minutes: `SAMPLE=all python -m pytest -m long -n 0 -s
tests/faults/test_smtp_table.py`. `make test-long` tries a sample by SEED.
"""

import email
import ssl
from collections import Counter
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from apps.integrations.connections.tracking import track_repositories
from apps.mail import health, outages
from apps.mail.models import OutboxMessage, OutboxState
from apps.metrics.models import PullRequest
from apps.onboarding.services import refreshing
from apps.onboarding.services.runs import start_onboarding
from apps.pipelines.worker.health import live_workers
from apps.users.models import User
from tests.faults.certificates import self_signed
from tests.faults.scene import OURS, Scene, assert_fit_for_people, look
from tests.faults.smtp_rows import (
    NO_MAILBOX,
    OPERATOR,
    PERHAPS,
    PLAIN,
    ROWS,
    SENT,
    SERVER,
    WAITS,
)
from tests.faults.table import assert_rows_differ, sample
from tests.fixtures.workers import ended, eventually
from tests.mail.smtp_script import USUAL, Script
from tests.services import free_port

pytestmark = pytest.mark.django_db(transaction=True)

OPEN = (OutboxState.PENDING, OutboxState.SENDING)


class SmtpScene(Scene):
    """A team, a worker, and a mail server with one fault."""

    def __init__(self, row, log, tried, script):
        super().__init__(row, log, tried)
        self.script, self.before = script, 0

    def requests(self):
        return self.connections() - self.before

    def connections(self):
        return self.script.connections + self.script.secure.connections

    def mark(self):
        super().mark()
        self.before = self.connections()

    def begin(self):
        self.script.answers, self.script.drip = USUAL | self.row.fault, self.row.how["drip"]
        self.mark()

    def end(self):
        """Let the fault pass, and the time for which messages wait."""
        self.script.answers, self.script.drip = USUAL, 0.0
        self.make_due()

    def make_due(self):
        outages.make_due()
        OutboxMessage.objects.filter(state=OutboxState.PENDING).update(
            next_attempt_at=timezone.now()
        )

    def until_tried(self):
        """Wait until each message was tried, or waits for the server."""

        def is_over():
            left = OutboxMessage.objects.filter(state__in=OPEN)
            if self.row.outcome in (SERVER, OPERATOR):
                return (
                    outages.current() is not None
                    and not left.filter(state=OutboxState.SENDING).exists()
                )
            if self.row.outcome == PERHAPS:
                # Its second try is due in half a minute.
                left.filter(lost_replies=1, state=OutboxState.PENDING).update(
                    next_attempt_at=timezone.now()
                )
                return not left.exists()
            if self.row.outcome == WAITS:
                return not left.filter(refusals=0).exists()
            return not left.exists()

        eventually(is_over, 60)

    def check(self):
        """Compare what became of the email with the row."""
        messages = [
            message
            for message in OutboxMessage.objects.all()
            if message.recipient != self.row.how["member"]
        ]
        states = {message.state for message in messages}
        expected = {SENT: "sent", NO_MAILBOX: "failed", PERHAPS: "uncertain"}.get(
            self.row.outcome, "pending"
        )
        assert states == {expected}, [
            (message.state, message.last_error) for message in messages
        ]
        outage = outages.current()
        assert (outage is not None) == (self.row.outcome in (SERVER, OPERATOR))
        if outage is not None:
            assert outage.needs_operator == (self.row.outcome == OPERATOR), outage.reason
            assert bool(health.problem()) == (self.row.outcome == OPERATOR)
            # The pauses grow, so that a server that is away is left alone.
            assert outage.next_try_at - timezone.now() < timedelta(minutes=15)
        for message in OutboxMessage.objects.all():
            assert len(message.last_error) <= 500
            assert "\x00" not in message.last_error


@pytest.fixture
def script(tmp_path):
    """A sound mail server, and one of TLS whose certificate no one signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(self_signed(tmp_path))
    with Script() as script, Script(tls=context) as secure:
        script.secure = secure
        yield script


@pytest.mark.long
@pytest.mark.parametrize("row", sample("smtp", ROWS), ids=lambda row: row.name)
def test_fault_ends_as_its_row_states(
    row, team, owner, workers, octo_server, script, client, tried
):
    octo_server.reset()
    cache.clear()  # counts password resets
    url = row.how["url"].format(
        port=script.port, tls_port=script.secure.port, closed_port=free_port()
    )
    workers.start(GITHUB_API_URL=octo_server.url, EMAIL_URL=url)
    eventually(lambda: len(live_workers()) == 1)
    if row.how["member"]:
        # As rows from before addresses were checked have it.
        member = User.objects.create_user("member@octo.example")
        User.objects.filter(pk=member.pk).update(email=row.how["member"])
        team.memberships.create(user=member, role="admin")
    scene = SmtpScene(row, workers.log, tried, script)
    tracked = track_repositories(team, "github", ["octo/hello", "octo/world"])
    scene.begin()

    def set_up():
        run, _ = start_onboarding(team, owner, tracked, 12)
        eventually(ended(run), 60)
        # The main job waits for no email.
        assert (run.state, run.missing) == ("done", [])
        scene.until_tried()
        return run

    run = scene.measured("onboarding", set_up)
    assert PullRequest.objects.for_team(team).count() == 33
    completion = OutboxMessage.objects.filter(dedupe_key__endswith=":complete")
    assert owner.email in [message.recipient for message in completion]
    scene.check()

    def refresh():
        night, _ = refreshing.refresh(team.pk)
        eventually(ended(night), 60)
        assert (night.state, night.missing) == ("done", [])

    scene.mark()
    scene.measured("night", refresh)
    scene.check()

    def reset_password():
        answer = client.post("/accounts/password/reset/", {"email": owner.email})
        assert answer.status_code == 302, answer.content.decode()
        client.logout()
        pages = look(client, team, owner, run)
        scene.until_tried()
        return pages

    owner.set_password("Correct-Horse-9-Battery")
    owner.save()
    count = OutboxMessage.objects.count()
    scene.mark()
    assert_fit_for_people(scene.measured("page", reset_password))
    assert OutboxMessage.objects.count() == count + 1
    scene.check()

    # When the fault has passed, everything that waits is sent, and nothing twice.
    if url != PLAIN.format(port=script.port):
        workers.end()
        workers.start(GITHUB_API_URL=octo_server.url, EMAIL_URL=PLAIN.format(port=script.port))
    scene.end()
    eventually(lambda: not OutboxMessage.objects.filter(state__in=OPEN).exists(), 60)
    sent = Counter(
        str(email.message_from_bytes(letter)["Message-ID"]) for letter in script.letters
    )
    expected = OutboxMessage.objects.filter(state=OutboxState.SENT)
    if row.fault.get("TEXT", USUAL["TEXT"]) == USUAL["TEXT"]:
        assert sent == Counter(expected.values_list("message_id", flat=True))
    for letter in script.letters:
        assert not OURS.search(letter.decode(errors="replace"))
        lines = letter.split(b"\r\n")
        assert max(map(len, lines)) < 998
        if b"List-Unsubscribe-Post" in letter:
            assert any(
                line.startswith(b"List-Unsubscribe: <http") and line.endswith(b">")
                for line in lines
            )


def test_rows_differ_in_bytes():
    assert_rows_differ(ROWS, floor=45)
