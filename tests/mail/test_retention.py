"""Links do not stay in the outbox: bodies end at the hand-over, rows after a month."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.mail.delivery import deliver_due
from apps.mail.links import has_address, without_links
from apps.mail.models import OutboxMessage, OutboxState
from apps.mail.outbox import queue_mail
from apps.mail.retention import forget_old


def mail(state=OutboxState.PENDING, days=0):
    row = queue_mail(
        dedupe_key=f"{state}:{days}",
        recipient="ada@example.com",
        subject="x",
        text="https://x/reset",
        html="<p>",
    )
    moment = timezone.now() - timedelta(days=days)
    OutboxMessage.objects.filter(pk=row.pk).update(
        state=state, created_at=moment, next_attempt_at=moment
    )
    return row


def test_a_message_that_was_handed_over_keeps_no_body(transactional_db, server):
    server.start()
    row = mail()
    assert deliver_due() == 1
    assert b"https://x/reset" in server.received[0].content
    row.refresh_from_db()
    assert (row.state, row.text, row.html) == (OutboxState.SENT, "", "")


@pytest.mark.parametrize(
    ("state", "days", "left"),
    [
        (OutboxState.SENT, 0, ""),  # from before bodies were blanked
        (OutboxState.SENT, 31, None),
        (OutboxState.FAILED, 1, "https://x/reset"),
        (OutboxState.FAILED, 8, ""),
        (OutboxState.FAILED, 31, None),
        (OutboxState.KEPT, 1, "https://x/reset"),
        (OutboxState.KEPT, 31, None),
        (OutboxState.PENDING, 31, "https://x/reset"),
    ],
)
def test_bodies_and_rows_end_in_time(db, state, days, left):
    row = mail(state, days)
    forget_old(timezone.now())
    assert (
        OutboxMessage.objects.filter(pk=row.pk).values_list("text", flat=True).first() == left
    )


def test_a_blank_message_is_not_sent_again(admin_client):
    row = mail(OutboxState.FAILED, 8)
    forget_old(timezone.now())
    data = {"action": "send_again", "_selected_action": [row.pk]}
    admin_client.post("/admin/mail/outboxmessage/", data)
    row.refresh_from_db()
    assert row.state == OutboxState.FAILED


@pytest.mark.parametrize(
    "text",
    [
        "http://evil.example",
        "Win at HTTPS://evil.example/x",
        "www.evil.example",
        "evil.example/claim",
        "mailto:a",
    ],
)
def test_web_addresses_are_found(text):
    assert has_address(text)


@pytest.mark.parametrize("text", ["Acme", "Node.js", "A/B tests", "R&D: tools", "Acme, Inc."])
def test_names_are_not_taken_for_addresses(text):
    assert not has_address(text)


def test_a_link_in_a_mail_is_broken():
    text = without_links("Win at https://evil.example/x")
    assert "://" not in text
    assert "https://evil.example" not in text
    assert "evil.example" not in text
    assert text.replace("\u2060", "") == "Win at https://evil.example/x"
