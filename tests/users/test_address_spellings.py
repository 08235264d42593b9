"""Spellings of addresses on allauth's pages: one mailbox is one account, and two
mailboxes are never mixed up.
"""

import re
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from apps.mail.models import OutboxMessage
from apps.users.models import User

PASSWORD, NEW = "Correct-Horse-9-Battery", "Another-Horse-8-Battery"
STORED = "ada@xn--fa-hia.example"
# Lower case, upper case (its ß is a capital letter of its own), and the form that is
# stored.
SPELLINGS = ["ada@faß.example", "ADA@FAẞ.EXAMPLE", "Ada@XN--FA-HIA.Example"]
REFUSED = [
    "straße@example.com",
    "ad\u212a@example.com",
    "ada@\u212alm.example",
    "\u0430da@example.com",
    '"a b"@example.com',
]


def link_to(address, kind):
    """Return the path of the newest link of a kind that was mailed to an address, None
    if there is none.
    """
    for message in OutboxMessage.objects.filter(recipient=address).order_by("-pk"):
        if found := re.search(rf"http\S+/{kind}/\S+", message.text):
            return urlsplit(found[0]).path
    return None


def sign_up(client, email):
    return client.post(
        "/accounts/signup/", {"email": email, "password1": PASSWORD, "password2": PASSWORD}
    )


def confirmed(email):
    """Sign up, confirm, and return the client, which is signed in."""
    client = Client()
    sign_up(client, email)
    client.post(link_to(EmailAddress.objects.latest("pk").email, "accounts/confirm-email"))
    return client


def recipients():
    return set(OutboxMessage.objects.values_list("recipient", flat=True))


@pytest.mark.parametrize("first", SPELLINGS)
def test_three_spellings_sign_up_as_one_account(db, first):
    confirmed(first)
    for spelling in SPELLINGS:
        assert sign_up(Client(), spelling).status_code == 302
    assert User.objects.get().email == STORED
    assert EmailAddress.objects.get().email == STORED
    assert recipients() == {STORED}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_signs_in(db, spelling):
    confirmed(STORED)
    client = Client()
    client.post("/accounts/login/", {"login": spelling, "password": PASSWORD})
    assert client.session["_auth_user_id"] == str(User.objects.get().pk)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_resets_the_password(db, spelling):
    confirmed(STORED)
    client = Client()
    client.post("/accounts/password/reset/", {"email": spelling})
    assert recipients() == {STORED}
    form = client.get(link_to(STORED, "accounts/password/reset/key"))["Location"]
    client.post(form, {"password1": NEW, "password2": NEW})
    assert User.objects.get().check_password(NEW)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_of_a_new_address_is_stored_alike(db, spelling):
    client = confirmed("ada@example.com")
    client.post("/accounts/email/", {"email": spelling, "action_add": ""})
    assert EmailAddress.objects.filter(verified=False).get().email == STORED
    client.post(link_to(STORED, "accounts/confirm-email"))
    assert User.objects.get().email == STORED
    assert EmailAddress.objects.get().email == STORED


def test_two_mailboxes_are_two_accounts(db):
    confirmed("ADA@faß.example")
    confirmed("ada@fass.example")
    addresses = {STORED, "ada@fass.example"}
    assert set(User.objects.values_list("email", flat=True)) == addresses
    assert set(EmailAddress.objects.values_list("email", flat=True)) == addresses
    client = Client()
    client.post("/accounts/password/reset/", {"email": "ada@faß.example"})
    assert link_to(STORED, "accounts/password/reset/key")
    assert link_to("ada@fass.example", "accounts/password/reset/key") is None


@pytest.mark.parametrize("address", REFUSED)
@pytest.mark.parametrize(
    ("page", "field"),
    [("signup", "email"), ("login", "login"), ("password/reset", "email"), ("email", "email")],
)
def test_address_that_could_be_another_mailbox_is_refused_with_the_reason(
    db, address, page, field
):
    client = confirmed("owner@acme.example") if page == "email" else Client()
    OutboxMessage.objects.all().delete()
    accounts = User.objects.count()
    data = {
        field: address,
        "password": PASSWORD,
        "password1": PASSWORD,
        "password2": PASSWORD,
        "action_add": "",
    }
    answer = client.post(f"/accounts/{page}/", data)
    assert answer.status_code == 200
    errors = answer.context["form"].errors[field]
    assert len(errors) == 1
    assert "name@example.com" in errors[0]
    assert User.objects.count() == accounts
    assert not EmailAddress.objects.exclude(email="owner@acme.example").exists()
    assert not OutboxMessage.objects.exists()


def test_row_that_code_makes_is_stored_as_the_account_s_address(db):
    user = User.objects.create_user("Ada@faß.example")
    row = EmailAddress.objects.create(user=user, email="Ada@faß.example")
    assert row.email == user.email == STORED


def test_row_of_the_admin_is_normalized_and_refused(admin_client):
    user = User.objects.create_user("ada@example.com")
    page = "/admin/account/emailaddress/add/"
    assert (
        admin_client.post(page, {"user": user.pk, "email": "straße@example.com"}).status_code
        == 200
    )
    assert not EmailAddress.objects.exists()
    assert (
        admin_client.post(page, {"user": user.pk, "email": "ADA@faß.example"}).status_code
        == 302
    )
    assert EmailAddress.objects.get().email == STORED
