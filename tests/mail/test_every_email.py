"""Every kind of email that the product can send: right in Word's engine, with a
preheader, as text and HTML.
"""

import re
from pathlib import Path

import pytest
from django.conf import settings

from tests.mail import word
from tests.mail.every_kind import ALL_KINDS, kinds, queue

pytestmark = pytest.mark.django_db

# Recipients who have no account, and so no preferences: invited, unknown, operators.
TO_STRANGERS = {
    *(
        "invitation",
        "unknown_account",
        "email_confirmation_signup",
        "recovery_link",
        "user_signed_up",
        "error",
    ),
}
# Modules that may write a message themselves: the outbox, and what builds on the
# templates.
MAY_QUEUE = {"apps/mail/outbox.py", "apps/mail/letters.py", "apps/users/adapter.py"}


@pytest.fixture(autouse=True)
def _operators(settings):
    settings.ADMINS = ["Ops <ops@example.com>"]


def test_every_kind_with_a_template_is_caused_here():
    assert kinds() == set(ALL_KINDS)


def test_no_email_is_written_around_the_templates():
    root = Path(settings.BASE_DIR)
    callers = set()
    for path in [*root.glob("apps/**/*.py"), *root.glob("project/**/*.py")]:
        if re.search(r"\bqueue_mail\(", path.read_text()):
            callers.add(str(path.relative_to(root)))
    assert callers == MAY_QUEUE


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_email_is_right_in_every_mail_program(kind):
    messages = queue(kind)
    assert messages
    for message in messages:
        assert word.pitfalls(message.html) == []
        assert word.text_faults(message.text) == []
        words, length = word.preheader(message.html)
        assert words
        assert words.casefold() not in message.subject.casefold()
        assert length >= word.MIN_PREHEADER
        assert 0 < len(message.subject) <= 120


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_footer_leads_to_the_preferences(kind):
    address = f"{settings.SITE_URL}/account/emails/"
    for message in queue(kind):
        for part in (message.text, message.html):
            assert (address in part) is (kind not in TO_STRANGERS)


@pytest.mark.parametrize("kind", ALL_KINDS)
def test_text_has_every_link_of_the_html(kind):
    """A person whose program shows text alone can do the same."""
    for message in queue(kind):
        links = {
            link.replace("&amp;", "&") for link in re.findall(r'href="([^"]+)"', message.html)
        }
        assert {link for link in links if link not in message.text} == set()


@pytest.mark.parametrize(
    "html",
    [
        '<table><tr><td><a href="https://x/" style="padding:1px">x</a></td></tr></table>',
        '<div style="display:flex">x</div>',
        '<table role="presentation" border="0" cellpadding="0" cellspacing="0"><tr><td>bare</td></tr></table>',
        '<table role="presentation" border="0" cellpadding="0" cellspacing="0" style="max-width:600px"></table>',
        '<td style="width:50px"></td>',
        '<td style="background-color:#ffffff"></td>',
        "<svg></svg>",
        '<p style="padding:4px"></p>',
    ],
)
def test_checker_finds_each_pitfall(html):
    assert word.pitfalls(html)
