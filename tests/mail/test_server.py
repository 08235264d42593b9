"""Whatever a mail server answers becomes one of a few outcomes, and no exception
passes.
"""

import email
import random
import ssl
import time
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from apps.mail import outages
from apps.mail import server as boundary
from apps.mail.delivery import deliver_due
from apps.mail.models import MailOutage, OutboxMessage, OutboxState
from apps.mail.outbox import queue_mail
from apps.mail.server import (
    Accepted,
    MailServer,
    RecipientRefused,
    ReplyLost,
    TryLater,
    speaks_of_recipient,
)
from project.env import mailer_settings
from tests.mail.smtp_script import USUAL, Script
from tests.services import free_port


def use(settings, port, **options):
    settings.EMAIL_CONFIGURED = True
    options = {"host": "127.0.0.1", "port": port, "timeout": 2} | options
    settings.MAILERS = {
        "default": {"BACKEND": "apps.mail.server.SmtpBackend", "OPTIONS": options}
    }


def mail(key="k", **changes):
    return queue_mail(
        dedupe_key=key,
        **{"recipient": "ada@example.com", "subject": "Hello", "text": "Text."} | changes,
    )


# What the server answers to which command, and the outcome: its kind, whether all
# messages wait, whose turn it is.
FAULTS = {
    "busy at the greeting": ({"GREETING": b"421 4.3.2 too busy\r\n"}, TryLater, True, False),
    "refuses at the greeting": (
        {"GREETING": b"554 5.7.1 no service\r\n"},
        TryLater,
        True,
        False,
    ),
    "greets with words": (
        {"GREETING": b"HTTP/1.1 400 Bad Request\r\n\r\n"},
        TryLater,
        True,
        False,
    ),
    "greets with bytes": ({"GREETING": b"\xff\xfe\x00\r\n"}, TryLater, True, False),
    "ends at the greeting": ({"GREETING": None}, TryLater, True, False),
    "ends at EHLO": ({"EHLO": None}, TryLater, True, False),
    "refuses the sender": ({"MAIL": b"550 5.1.8 bad sender\r\n"}, TryLater, True, True),
    "wants a log-in": (
        {"MAIL": b"530 5.7.0 authentication required\r\n"},
        TryLater,
        True,
        True,
    ),
    "sender for now": ({"MAIL": b"451 4.7.1 later\r\n"}, TryLater, True, False),
    "closes at MAIL": ({"MAIL": b"421 slow down\r\n"}, TryLater, True, False),
    "too large": ({"MAIL": b"552 5.3.4 too big\r\n"}, TryLater, False, True),
    "no such mailbox": ({"RCPT": b"550 5.1.1 unknown\r\n"}, RecipientRefused, None, None),
    "no such domain": ({"RCPT": b"553 5.1.2 unknown\r\n"}, RecipientRefused, None, None),
    "a null MX": ({"RCPT": b"556 5.1.10 no mail\r\n"}, RecipientRefused, None, None),
    "disabled mailbox": ({"RCPT": b"550 5.2.1 disabled\r\n"}, RecipientRefused, None, None),
    "no code but 550": ({"RCPT": b"550 No such user here\r\n"}, RecipientRefused, None, None),
    "full mailbox": ({"RCPT": b"552 5.2.2 full\r\n"}, TryLater, False, False),
    "blocked, 554": ({"RCPT": b"554 5.7.1 blocked\r\n"}, TryLater, False, False),
    "blocked, 550": ({"RCPT": b"550 5.7.1 blocked\r\n"}, TryLater, False, False),
    "greylisted": ({"RCPT": b"450 4.2.0 greylisted\r\n"}, TryLater, False, False),
    "closes at RCPT": ({"RCPT": b"421 4.7.0 slow down\r\n"}, TryLater, True, False),
    "can't authenticate now": ({"RCPT": b"454 4.7.0 later\r\n"}, TryLater, True, False),
    "ends at RCPT": ({"RCPT": None}, TryLater, True, False),
    "refuses DATA": ({"DATA": b"554 5.5.1 no\r\n"}, TryLater, False, False),
    "ends at DATA": ({"DATA": None}, TryLater, True, False),
    "refuses the text": ({"TEXT": b"554 5.7.1 spam\r\n"}, TryLater, False, False),
    "disk full": ({"TEXT": b"452 4.3.1 full\r\n"}, TryLater, False, False),
    "closes after the text": ({"TEXT": b"421 closing\r\n"}, TryLater, True, False),
    "takes it with another word": ({"TEXT": b"251 will forward\r\n"}, Accepted, None, None),
    "ends after the text": ({"TEXT": None}, ReplyLost, None, None),
    "words after the text": ({"TEXT": b"thanks!\r\n"}, ReplyLost, None, None),
    "NUL after the text": ({"TEXT": b"\x00\xff thanks\r\n"}, ReplyLost, None, None),
    "a log-in of no known kind": (
        {"EHLO": b"250-mail.test\r\n250 AUTH GSSAPI\r\n"},
        TryLater,
        True,
        True,
    ),
    "log-in fails for now": (
        {"EHLO": b"250-mail.test\r\n250 AUTH PLAIN\r\n", "AUTH": b"454 4.7.0 later\r\n"},
        TryLater,
        True,
        False,
    ),
    "a line without end": ({"TEXT": b"2" * 20_000 + b"\r\n"}, ReplyLost, None, None),
    "NUL in the reason": (
        {"RCPT": b"450 \x00\xff\xed\xa0\x80 later\r\n"},
        TryLater,
        False,
        False,
    ),
    "a long reason": (
        {"RCPT": b"".join(b"450-%d\r\n" % n for n in range(5000)) + b"450 x\r\n"},
        TryLater,
        False,
        False,
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_has_its_outcome(db, settings, name):
    answers, kind, is_of_server, needs_operator = FAULTS[name]
    log_in = {"username": "ada", "password": "password"} if "log-in " in name else {}
    with Script(**answers) as script:
        use(settings, script.port, **log_in)
        with MailServer() as server:
            outcome = server.send(mail())
    assert type(outcome) is kind, outcome
    if kind is TryLater:
        assert (outcome.is_of_server, outcome.needs_operator) == (is_of_server, needs_operator)
    reason = getattr(outcome, "reason", "")
    assert len(reason) <= 500
    assert "\0" not in reason
    # A row of any database takes the reason.
    OutboxMessage.objects.update(last_error=reason)


def test_server_that_drips_is_ended(db, settings):
    """Each byte comes within the timeout, so only the deadline of the whole ends it."""
    with Script(drip=0.4) as script:
        use(settings, script.port)
        began = time.monotonic()
        with MailServer(deadline=1.0) as server:
            outcome = server.send(mail())
        assert time.monotonic() - began < 10
    assert isinstance(outcome, TryLater)
    assert outcome.is_of_server


def test_silent_server_costs_its_timeout(db, settings):
    with Script(GREETING=b"") as script:
        use(settings, script.port, timeout=1)
        with MailServer() as server:
            outcome = server.send(mail())
    assert isinstance(outcome, TryLater)
    assert outcome.is_of_server
    assert not outcome.needs_operator


@pytest.mark.parametrize(
    ("options", "needs_operator"),
    [
        ({"username": "ada", "password": "pässword"}, True),
        ({"username": "ada", "password": "wrong"}, True),
        ({"host": "mail..example"}, True),
        ({"use_tls": True}, True),
        ({"use_ssl": True}, False),
    ],
)
def test_wrong_settings_never_fail_a_message(db, settings, options, needs_operator):
    row = mail()
    with Script() as script:
        use(settings, script.port, **options)
        assert deliver_due() == 0
    row.refresh_from_db()
    assert row.state == OutboxState.PENDING
    assert MailOutage.objects.get().needs_operator is needs_operator


def test_expired_certificate_needs_the_operator():
    error = ssl.SSLCertVerificationError(1, "certificate has expired")
    outcome = boundary.outcome_of(error)
    assert outcome.is_of_server
    assert outcome.needs_operator


def test_two_deliverers_note_one_outage(db):
    """The second one may have looked at the clock first."""
    now = timezone.now()
    first = outages.note(TryLater("Away.", is_of_server=True), now)
    second = outages.note(TryLater("Away.", is_of_server=True), now - timedelta(seconds=5))
    assert (second.pk, second.failures) == (first.pk, 2)
    assert second.next_try_at > first.next_try_at


def test_lost_answer_means_two_copies_at_most(db, settings):
    row = mail()
    with Script(TEXT=None) as script:
        use(settings, script.port)
        for _ in range(4):
            deliver_due()
            OutboxMessage.objects.update(next_attempt_at=row.created_at)
        assert script.texts == 2
    row.refresh_from_db()
    assert row.state == OutboxState.UNCERTAIN
    assert row.text, "an operator may send it again"


def test_first_slow_down_ends_the_round_for_all(db, settings):
    rows = [mail(f"k{number}") for number in range(20)]
    with Script(RCPT=b"421 slow down\r\n") as script:
        use(settings, script.port)
        for _ in range(5):
            deliver_due()
        assert script.connections == 1
    for row in rows:
        row.refresh_from_db()
    assert {row.refusals for row in rows} == {0}
    assert {row.state for row in rows} == {OutboxState.PENDING}


def test_round_uses_one_connection(db, settings):
    for number in range(20):
        mail(f"k{number}")
    with Script() as script:
        use(settings, script.port)
        assert deliver_due() == 20
        assert (script.connections, script.texts) == (1, 20)


def test_lost_reply_ends_the_round(db, settings):
    """Each further message might come twice as well."""
    for number in range(20):
        mail(f"k{number}")
    with Script(TEXT=None) as script:
        use(settings, script.port)
        deliver_due()
        assert script.texts == 1


@pytest.mark.parametrize(
    ("answers", "connections"),
    [
        # The dialog goes on where it is known.
        ({"RCPT": b"550 5.1.1 unknown\r\n"}, 1),
        # The rest of what the server sends would be read as the answer to the next
        # message.
        ({"TEXT": b"thanks!\r\n250 taken\r\n250 taken\r\n"}, 2),
        ({"RCPT": b"450 4.2.0 later\r\n250 ok\r\n250 ok\r\n"}, 2),
    ],
)
def test_connection_is_used_again_only_if_its_state_is_known(
    db, settings, answers, connections
):
    with Script(**answers) as script:
        use(settings, script.port)
        with MailServer() as server:
            server.send(mail("one"))
            script.answers = USUAL
            assert isinstance(server.send(mail("two")), Accepted)
        assert script.connections == connections
        assert len(script.letters) == 1


def test_connection_whose_log_in_failed_is_not_used(db, settings):
    with Script(
        EHLO=b"250-mail.test\r\n250 AUTH PLAIN\r\n", AUTH=b"454 4.7.0 later\r\n"
    ) as script:
        use(settings, script.port, username="ada", password="password")
        with MailServer() as server:
            assert isinstance(server.send(mail()), TryLater)
            script.answers = script.answers | {"AUTH": b"235 2.7.0 ok\r\n"}
            assert isinstance(server.send(mail()), Accepted)
        assert script.connections == 2


def test_deadline_of_one_message_does_not_end_the_next(db, settings):
    with Script() as script:
        use(settings, script.port)
        with MailServer(deadline=0.5) as server:
            assert isinstance(server.send(mail("one")), Accepted)
            time.sleep(0.8)
            assert isinstance(server.send(mail("two")), Accepted)
        assert script.connections == 1


@pytest.mark.parametrize("answer", [b"2" * 20_000 + b"\r\n", b"\xff\xfe\r\n", None])
def test_end_of_a_connection_changes_nothing(db, settings, answer):
    with Script(QUIT=answer) as script:
        use(settings, script.port)
        with MailServer() as server:
            assert isinstance(server.send(mail()), Accepted)


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "\ud800"},
        {"headers": {"List-Unsubscribe": "<https://example.com/\u00e9>"}},
        {"headers": {"X-Kind": "one\nBcc: eve@example.com"}},
    ],
)
def test_message_that_cannot_be_written_opens_no_connection(settings, changes):
    fields = {
        "recipient": "ada@example.com",
        "subject": "Hello",
        "text": "Text.",
        "from_email": "us@example.com",
    }
    message = OutboxMessage(message_id="<k@example.com>", **(fields | changes))
    with Script() as script:
        use(settings, script.port)
        with MailServer() as server, pytest.raises(boundary.Unsendable):
            server.send(message)
        assert script.connections == 0


@pytest.mark.parametrize("seed", range(20))
def test_random_answers_never_raise(db, settings, seed):
    dice = random.Random(seed)
    with Script(**random_answers(dice)) as script:
        use(settings, script.port, timeout=0.3)
        with MailServer() as server:
            outcome = server.send(mail())
    assert isinstance(outcome, Accepted | RecipientRefused | TryLater | ReplyLost)


@pytest.mark.long
def test_thousands_of_random_dialogs_never_raise(db, settings, trial):
    row, count = mail(), 0
    use(settings, 0, timeout=0.05)
    while trial.goes_on(60):
        dice = random.Random(trial.seed * 1_000_000 + count)
        with Script(**random_answers(dice)) as script:
            settings.MAILERS["default"]["OPTIONS"]["port"] = script.port
            with MailServer() as server:
                outcome = server.send(row)
        assert isinstance(outcome, Accepted | RecipientRefused | TryLater | ReplyLost)
        count += 1
    trial.reached(count, floor=200)


def random_answers(dice):
    """Return answers to some commands: codes that don't fit, other protocols, bytes,
    half lines, silence.
    """
    codes = [
        200,
        220,
        221,
        235,
        250,
        251,
        252,
        334,
        354,
        421,
        432,
        450,
        451,
        452,
        454,
        500,
        501,
        502,
        503,
        504,
        521,
    ]
    codes += [530, 534, 535, 538, 550, 551, 552, 553, 554, 555, 556, 0, 99, 600, 999]
    made = [
        lambda: (
            b"%03d %s\r\n"
            % (dice.choice(codes), dice.randbytes(dice.randrange(40)).replace(b"\n", b""))
        ),
        lambda: (
            b"%03d %d.%d.%d x\r\n"
            % (dice.choice(codes), dice.randrange(6), dice.randrange(9), dice.randrange(12))
        ),
        lambda: b"%03d-more\r\n%03d end\r\n" % (dice.choice(codes), dice.choice(codes)),
        lambda: dice.randbytes(dice.randrange(200)),
        lambda: b"HTTP/1.0 200 OK\r\n\r\n",
        lambda: b"250",
        lambda: b"",
        lambda: None,
    ]
    commands = dice.sample(list(USUAL), dice.randrange(1, 4))
    return {command: dice.choice(made)() for command in commands}


def test_unsubscribe_header_is_one_plain_line(db, server):
    """Mail programs read it byte for byte; encoded words are not decoded there."""
    address = (
        "https://firstlight.example.com/teams/stop/" + "eyJtIjo3LCJrIjoiZGlnZXN0In0" * 4 + "/"
    )
    headers = {
        "List-Unsubscribe": f"<{address}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    mail(headers=headers, subject="Grüße " * 20)
    server.start()
    assert deliver_due() == 1
    lines = server.received[0].content.split(b"\r\n")
    assert b"List-Unsubscribe: <" + address.encode() + b">" in lines
    assert b"List-Unsubscribe-Post: List-Unsubscribe=One-Click" in lines
    assert max(map(len, lines)) < 998
    subject = email.message_from_bytes(server.received[0].content, policy=email.policy.default)[
        "Subject"
    ]
    assert subject.strip() == ("Grüße " * 20).strip()


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (550, "5.1.1 No such user", True),
        (550, "5.7.1 Blocked", False),
        (554, "5.7.1 Blocked", False),
        (550, "5.1.8 Bad sender", False),
        (550, "5.1.7 Bad sender", False),
        (550, "Unknown", True),
        (550, "", True),
        (554, "No", False),
        (452, "4.1.1 Later", False),
        (550, "1.2 Unknown", True),
        (550, "no.such.user here", True),
        (550, "5.7.x blocked", True),
        (550, "\u0665.\u0661.\u0661 in other digits", True),
    ],
)
def test_answer_speaks_of_the_recipient(code, text, expected):
    assert speaks_of_recipient(code, text) is expected


@pytest.mark.parametrize(
    "value", ["smtp://mail..example", "smtp://ada:p%C3%A4ss@mail.example.com"]
)
def test_impossible_server_is_refused_at_the_start(value):
    assert mailer_settings(urlsplit(value)) is None


def test_test_email_arrives(db, server, capsys):
    server.start()
    call_command("send_test_email", "Ada@Example.com")
    assert server.received[0].recipients == ["ada@example.com"]
    assert not OutboxMessage.objects.exists()


def test_test_email_makes_what_waits_due(db, server):
    row = mail()
    deliver_due()
    server.start()
    call_command("send_test_email", "ada@example.com")
    assert deliver_due() == 1
    row.refresh_from_db()
    assert row.state == OutboxState.SENT


@pytest.mark.parametrize(
    "answers", [{"RCPT": b"550 5.1.1 no\r\n"}, {"TEXT": None}, {"GREETING": b"421 later\r\n"}]
)
def test_test_email_that_is_not_taken_ends_with_the_reason(db, settings, answers):
    with Script(**answers) as script:
        use(settings, script.port)
        with pytest.raises(CommandError):
            call_command("send_test_email", "ada@example.com")


def test_test_email_without_a_server_names_the_setting(db, settings):
    settings.EMAIL_CONFIGURED = False
    with pytest.raises(CommandError, match="EMAIL_URL"):
        call_command("send_test_email", "ada@example.com")


def test_port_that_is_closed_waits(db, settings):
    use(settings, free_port())
    with MailServer() as server:
        assert server.send(mail()).is_of_server
