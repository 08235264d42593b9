"""Operators see what became of each message, not what it says, and may send failed ones
again.
"""

import pytest
from django.urls import reverse

from apps.mail.models import OutboxMessage, OutboxState
from apps.mail.outbox import queue_mail


@pytest.fixture
def rows(db):
    rows = {}
    for state in OutboxState:
        row = queue_mail(
            dedupe_key=state,
            recipient="ada@example.com",
            subject=f"A {state} one",
            text="secret link",
        )
        OutboxMessage.objects.filter(pk=row.pk).update(
            state=state, attempts=20, last_error="Refused."
        )
        rows[state] = row
    return rows


def test_pages_show_the_state_but_no_body(admin_client, rows):
    listing = admin_client.get(reverse("admin:mail_outboxmessage_changelist")).text
    page = admin_client.get(
        reverse("admin:mail_outboxmessage_change", args=[rows["failed"].pk])
    ).text
    assert "A failed one" in listing
    assert "Refused." in page
    assert "secret link" not in listing + page


def test_messages_are_neither_made_nor_changed_nor_deleted(admin_client, rows):
    change = reverse("admin:mail_outboxmessage_change", args=[rows["failed"].pk])
    for url in (
        reverse("admin:mail_outboxmessage_add"),
        change,
        change.replace("change", "delete"),
    ):
        assert admin_client.post(url, {"recipient": "eve@example.com"}).status_code == 403
    assert OutboxMessage.objects.filter(recipient="ada@example.com").count() == len(rows)


@pytest.mark.django_db(transaction=True)
def test_failed_and_kept_messages_are_sent_again(admin_client, rows, queue):
    action = {"action": "send_again", "_selected_action": [row.pk for row in rows.values()]}
    response = admin_client.post(
        reverse("admin:mail_outboxmessage_changelist"), action, follow=True
    )
    assert "3 of 6 will be sent again." in response.text
    states = dict(OutboxMessage.objects.values_list("dedupe_key", "state"))
    again = {"failed": "pending", "uncertain": "pending", "kept": "pending"}
    assert states == {"pending": "pending", "sending": "sending", "sent": "sent"} | again
    assert OutboxMessage.objects.get(dedupe_key="failed").attempts == 0
    assert queue.pending_count("email") == 1
