"""Addresses: one form for each mailbox, and never one form for two mailboxes."""
# ruff: noqa: RUF001

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from apps.mail.addresses import (
    InvalidAddress,
    address_or_none,
    normalize_address,
    validate_address,
)
from apps.mail.models import OutboxMessage
from apps.mail.outbox import queue_mail
from apps.teams.invitations import invite, is_for
from apps.teams.models import Invitation
from apps.teams.services import create_team
from apps.users.models import User

SAME = [
    ("Ada@Example.com", "ada@example.com"),
    (" ada@example.com ", "ada@example.com"),
    ("ada@Faß.Example", "ada@xn--fa-hia.example"),
    ("ada@XN--FA-HIA.example", "ada@xn--fa-hia.example"),
    ("ada@STRAẞE.example", "ada@xn--strae-oqa.example"),
    ("ada@BÜCHER.example", "ada@xn--bcher-kva.example"),
    ("ada+tag@example.com", "ada+tag@example.com"),
    ("ops@localhost", "ops@localhost"),
]
REFUSED = [
    "",
    " ",
    "ada",
    "@example.com",
    "ada@",
    "ada@mailhost",
    "ada@@example.com",
    "ada@eve@example.com",
    "straße@example.com",
    "ad\u212a@example.com",
    "аda@example.com",
    "ada lovelace@example.com",
    '"ada"@example.com',
    '"ada lovelace"@example.com',
    '"a\x01b"@example.com',
    '"a\\"b"@example.com',
    "ada@example.com\n",
    "ada\r\n@example.com",
    "ada@example.com\nBcc: eve@example.com",
    "ada\0@example.com",
    "ada@exam\0ple.com",
    "ada\u200b@example.com",
    "ada@exam\u00adple.com",
    "ada@exam\u200dple.com",
    "ada\ud800@example.com",
    "ada@\ud800.example",
    ".ada@example.com",
    "ada.@example.com",
    "a..da@example.com",
    "ada@example..com",
    "ada@.example.com",
    "ada@example.com.",
    "ada@-x.example",
    "ada@x-.example",
    "ada@x_y.example",
    "ada@[127.0.0.1]",
    "ada@127.0.0.1",
    "ada@\u212aa.example",
    "ada@ü\u212a.example",
    "ada@ﬁx.example",
    "ada@ｅxample.com",
    "ada@bu\u0308cher.example",
    "ada@fa。example",
    "ada@ΟΔΟΣ.example",
    "ada@xn--fass.example",
    "ada@xn--.example",
    "ada@example.com,eve@example.com",
    "x" * 65 + "@example.com",
    "ada@" + "x" * 64 + ".example",
    "ada@" + ".".join(["x" * 60] * 5),
    "ada@" + "ü" * 100_000,
    "<ada@example.com>",
    "ada@example.com?bcc=eve@example.com",
    "ada@example.com/../x",
]


@pytest.mark.parametrize(("typed", "stored"), SAME)
def test_spellings_of_one_mailbox_become_equal(typed, stored):
    assert normalize_address(typed) == stored
    assert normalize_address(stored) == stored


def reason(typed):
    """Return why an address is refused, without the address."""
    with pytest.raises(InvalidAddress) as refused:
        normalize_address(typed)
    return str(refused.value).partition("”")[2]


@pytest.mark.parametrize(
    "typed",
    [
        "ada lovelace@example.com",
        "ada@exam ple.com",
        "a\x01b@example.com",
        "ada@exam\0ple.com",
        "ada\u200b@a.example",
    ],
)
def test_space_or_control_character_is_the_reason_wherever_it_is(typed):
    others = {reason("straße@example.com"), reason("ada@-x.example"), reason("ada")}
    assert reason(typed) == reason('"a\x02"@example.com')
    assert reason(typed) not in others


@pytest.mark.parametrize("typed", REFUSED)
def test_what_is_not_a_plain_address_is_refused(typed):
    with pytest.raises(InvalidAddress) as refused:
        normalize_address(typed)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400
    assert address_or_none(typed) is None
    with pytest.raises(ValidationError):
        validate_address(typed)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ada@faß.example", "ada@fass.example"),
        ("ada@ς.example", "ada@σ.example"),
        ("ada@ı.example", "ada@i.example"),
    ],
)
def test_two_mailboxes_stay_two(one, other):
    assert normalize_address(one) != normalize_address(other)


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_normalized_once_or_refused(local, domain):
    address = address_or_none(f"{local}@{domain}.example")
    if address is not None:
        assert address.isascii()
        assert address == address.lower()
        assert normalize_address(address) == address


def test_an_invitation_does_not_fit_another_mailbox(db):
    owner = User.objects.create_user("owner@acme.example")
    invitation = invite(create_team("Acme", owner), owner, "ada@Faß.example", "admin")
    message = OutboxMessage.objects.get(recipient__startswith="ada@")
    assert message.recipient == "ada@xn--fa-hia.example"
    assert Invitation.objects.across_teams().get().email == "ada@xn--fa-hia.example"
    assert not is_for(invitation, User.objects.create_user("ada@fass.example"))
    assert is_for(invitation, User.objects.create_user("Ada@faß.example"))


def test_three_spellings_of_one_mailbox_are_one_account(db):
    user = User.objects.create_user("Ada@Faß.example")
    for spelling in (
        "ada@FAß.example",
        "ada@xn--fa-hia.example",
        "ADA@STRAẞE.example".replace("STRAẞE", "FAẞ"),
    ):
        assert User.objects.get_by_natural_key(spelling) == user
        user.email = spelling
        user.save()
        assert User.objects.get().email == "ada@xn--fa-hia.example"
    with pytest.raises(User.DoesNotExist):
        User.objects.get_by_natural_key("ada@fass.example")
    with pytest.raises(User.DoesNotExist):
        User.objects.get_by_natural_key("no address")


def test_a_user_cannot_be_made_with_a_refused_address(db):
    for make in (
        User.objects.create_user,
        User.objects.create_superuser,
        lambda email: User.objects.create(email=email),
    ):
        with pytest.raises(InvalidAddress), transaction.atomic():
            make('"a\x01"@example.com')
    with pytest.raises(CommandError):
        call_command("createsuperuser", email="straße@example.com", interactive=False)
    assert not User.objects.exists()


def test_the_admin_form_normalizes_and_refuses(admin_client):
    form = {"usable_password": "false"}
    answer = admin_client.post("/admin/users/user/add/", form | {"email": '"a b"@example.com'})
    assert (answer.status_code, User.objects.count()) == (200, 1)
    admin_client.post("/admin/users/user/add/", form | {"email": "Ada@Faß.example"})
    assert User.objects.filter(email="ada@xn--fa-hia.example").exists()
    answer = admin_client.post("/admin/users/user/add/", form | {"email": "ada@FAß.example"})
    assert (answer.status_code, User.objects.count()) == (200, 2)


@pytest.mark.parametrize(
    "recipient", ['"a\x01"@example.com', "ada@example.com\n", "straße@example.com"]
)
def test_mail_is_queued_to_plain_addresses_only(db, recipient):
    row = queue_mail(dedupe_key="x", recipient=recipient, subject="x", text="x")
    assert (row.state, row.attempts) == ("failed", 0)
