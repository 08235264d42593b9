"""One row for each cause and recipient, in the caller's transaction, and a hint to
deliver after its commit.
"""

import threading

import pytest
from django.db import connection, transaction

from apps.mail.models import OutboxMessage, OutboxState
from apps.mail.outbox import message_id, queue_mail


def mail(**changes):
    fields = {
        "dedupe_key": "run:1:done",
        "recipient": "ada@example.com",
        "subject": "Done",
        "text": "All is done.",
    }
    return queue_mail(**fields | changes)


def names(queue):
    return [queue.deserialize_task(data).name for data in queue.storage.enqueued_items()]


def test_a_second_call_returns_the_row_that_is_there(db):
    first = mail()
    second = mail(subject="Changed", text="Changed.")
    assert first.pk == second.pk
    assert OutboxMessage.objects.get().subject == "Done"


def test_other_causes_and_recipients_are_other_messages(db):
    rows = [mail(), mail(recipient="alan@example.com"), mail(dedupe_key="run:1:failed")]
    assert len({row.pk for row in rows}) == len({row.message_id for row in rows}) == 3


def test_the_message_id_is_made_from_cause_and_recipient(db, settings):
    settings.DEFAULT_FROM_EMAIL = "Firstlight <hello@firstlight.example>"
    assert mail().message_id == message_id("run:1:done", "ada@example.com")
    assert mail().message_id.endswith("@firstlight.example>")
    assert message_id("a", "b@c") != message_id("ab", "@c")
    assert mail(dedupe_key="x").from_email == "Firstlight <hello@firstlight.example>"


@pytest.mark.parametrize(
    "subject",
    ["Done\r\nBcc: eve@example.com", "Done\n\n Bcc:\teve@example.com", "\u2028Done\v"],
)
def test_a_subject_is_one_line(db, subject):
    assert len(mail(subject=subject).subject.splitlines()) == 1


def test_a_long_subject_is_cut_visibly(db):
    assert mail(subject="x" * 300).subject == "x" * 249 + "…"


@pytest.mark.parametrize(
    "recipient",
    [
        "",
        "ada",
        "ada@example.com\nBcc: eve@example.com",
        "ada@example.com, eve@example.com",
        "x" * 300 + "\0@example.com",
    ],
)
def test_what_is_no_address_fails_alone(db, recipient):
    row = mail(recipient=recipient)
    assert row.state == "failed"
    assert row.last_error
    # As any database stores it.
    assert len(row.recipient) <= 254
    assert "\0" not in row.recipient
    assert mail().state == "pending"


@pytest.mark.parametrize("key", ["", "x" * 201])
def test_a_key_that_does_not_fit_is_refused(db, key):
    with pytest.raises(ValueError, match="dedupe key"):
        mail(dedupe_key=key)


def test_a_repeat_leaves_the_callers_transaction_usable(db):
    with transaction.atomic():
        mail()
        mail()
        mail(dedupe_key="after")
    assert OutboxMessage.objects.count() == 2


def test_a_commit_hints_once_for_each_message(queue):
    with transaction.atomic():
        mail()
        assert names(queue) == []
    assert names(queue) == ["mail_deliver"]


def test_a_rollback_leaves_neither_row_nor_hint(queue):
    with transaction.atomic():
        mail()
        transaction.set_rollback(True)
    assert not OutboxMessage.objects.exists()
    assert names(queue) == []


def test_a_hint_goes_to_the_email_queue(queue):
    mail()
    assert queue.pending_count("email") == queue.pending_count() == 1


@pytest.mark.django_db(transaction=True)
def test_transactions_at_once_write_one_row():
    start = threading.Barrier(4)
    errors = []

    def write():
        try:
            start.wait()
            with transaction.atomic():
                mail()
                mail(dedupe_key="other")
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert OutboxMessage.objects.filter(state=OutboxState.PENDING).count() == 2
