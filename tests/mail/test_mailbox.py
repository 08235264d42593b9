"""Mails are readable at /mail/ in development, on the machine itself; their HTML can do
nothing there.
"""

import pytest
from django.urls import reverse

from apps.mail.delivery import deliver_due
from apps.mail.models import OutboxMessage, OutboxState
from apps.mail.outbox import queue_mail

HTML = "<!doctype html><html><head lang=en><title>x</title></head><body><script>steal()</script><p>Hello</p></body></html>"


@pytest.fixture(autouse=True)
def _development(settings):
    settings.DEBUG = True


@pytest.fixture
def mail(db):
    return queue_mail(
        dedupe_key="a",
        recipient="ada@example.com",
        subject="Hello <b>",
        text="See https://x.example",
        html=HTML,
    )


def policy(response):
    return dict(
        part.strip().partition(" ")[::2]
        for part in response["Content-Security-Policy"].split(";")
    )


def test_without_a_server_mails_are_kept_and_not_called_sent(mail):
    assert deliver_due() == 0
    mail.refresh_from_db()
    assert (mail.state, mail.sent_at, mail.attempts) == (OutboxState.KEPT, None, 0)


def test_a_server_that_comes_later_gets_no_old_mail(mail, server):
    OutboxMessage.objects.update(state=OutboxState.KEPT)
    server.start()
    assert deliver_due() == 0
    assert server.received == []


def test_the_list_is_newest_first_and_escapes(client, mail):
    queue_mail(dedupe_key="b", recipient="bob@example.com", subject="Second", text="x")
    page = client.get(reverse("mail:list")).text
    assert page.index("Second") < page.index("Hello &lt;b&gt;")
    assert "ada@example.com" in page
    assert 'data-total="2"' in page


def test_a_long_list_has_pages(client, mail):
    for number in range(50):
        queue_mail(
            dedupe_key=str(number),
            recipient="bob@example.com",
            subject=f"No {number}",
            text="x",
        )
    assert "Hello" not in client.get(reverse("mail:list")).text
    assert "Hello" in client.get(reverse("mail:list"), {"page": 2}).text


def test_one_mail_shows_its_text_and_frames_its_html(client, mail):
    response = client.get(reverse("mail:detail", args=[mail.pk]))
    assert '<a href="https://x.example"' in response.text
    assert f'src="{reverse("mail:html", args=[mail.pk])}"' in response.text
    assert "steal()" not in response.text
    assert policy(response)["frame-src"] == "'self'"
    assert policy(response)["frame-ancestors"] == "'none'"


def test_the_html_part_is_held_in_a_sandbox_of_its_own(client, mail):
    response = client.get(reverse("mail:html", args=[mail.pk]))
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    rules = policy(response)
    assert (rules["default-src"], rules["frame-ancestors"]) == ("'none'", "'self'")
    assert "script-src" not in rules
    assert "allow-scripts" not in rules["sandbox"]
    assert "allow-same-origin" not in rules["sandbox"]
    assert response.text.index('<base target="_blank">') == response.text.index(
        "<title>"
    ) - len('<base target="_blank">')


def test_a_plain_mail_has_no_html_part(client, db):
    plain = queue_mail(dedupe_key="a", recipient="ada@example.com", subject="Plain", text="x")
    assert "<iframe" not in client.get(reverse("mail:detail", args=[plain.pk])).text
    assert client.get(reverse("mail:html", args=[plain.pk])).status_code == 404


@pytest.mark.parametrize("name", ["list", "detail", "html"])
def test_nobody_reads_them_in_production_or_from_elsewhere(admin_client, mail, settings, name):
    url = reverse(f"mail:{name}", args=[] if name == "list" else [mail.pk])
    assert admin_client.get(url).status_code == 200
    assert admin_client.get(url, REMOTE_ADDR="192.0.2.7").status_code == 404
    assert admin_client.get(url, REMOTE_ADDR="").status_code == 404
    settings.DEBUG = False
    assert admin_client.get(url).status_code == 404
