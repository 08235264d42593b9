"""People sign up and in with their e-mail address; what is mailed about it goes through
the outbox.
"""

import pytest
from django.contrib.auth import authenticate
from django.core import mail
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import RequestFactory
from django.urls import reverse

from apps.mail.models import OutboxMessage
from apps.users.models import User
from apps.users.signals import handle_user_signed_up

PASSWORD = "correct horse battery"


def sign_up(client, email="Ada@Example.com"):
    return client.post(
        reverse("account_signup"),
        {"email": email, "password1": PASSWORD, "password2": PASSWORD},
    )


@pytest.fixture
def admins(settings):
    settings.ADMINS = ["Root <root@example.com>", "ops@example.com"]


def test_signing_up_creates_an_unconfirmed_account(client, db):
    assert sign_up(client).status_code == 302
    user = User.objects.get()
    assert user.email == "ada@example.com"
    assert "_auth_user_id" not in client.session
    assert user.emailaddress_set.get().verified is False


def test_signing_in_takes_the_address_in_any_case(client, db):
    user = User.objects.create_user("ada@example.com", PASSWORD)
    user.emailaddress_set.create(email=user.email, primary=True, verified=True)
    response = client.post(
        reverse("account_login"), {"login": "ADA@example.com", "password": PASSWORD}
    )
    assert response.status_code == 302
    assert "_auth_user_id" in client.session


def test_there_is_no_user_name(client, db):
    assert "username" not in client.get(reverse("account_signup")).text
    with pytest.raises(TypeError):
        User(username="ada")


def test_the_admins_are_told_of_a_sign_up_once(client, db, admins):
    sign_up(client)
    user = User.objects.get()
    handle_user_signed_up(request=RequestFactory().get("/"), user=user)
    told = OutboxMessage.objects.filter(dedupe_key=f"user-signed-up:{user.pk}")
    assert set(told.values_list("recipient", flat=True)) == {
        "root@example.com",
        "ops@example.com",
    }
    message = told.first()
    assert message.subject == "ada@example.com signed up"
    assert f"/admin/users/user/{user.pk}/change/" in message.text


def test_names_are_not_escaped_in_a_text(db, admins):
    user = User.objects.create_user("o'hara&co@example.com")
    handle_user_signed_up(request=None, user=user)
    assert "o'hara&co@example.com signed up" in OutboxMessage.objects.first().text


def test_without_admins_nobody_is_told(client, db, settings):
    settings.ADMINS = []
    sign_up(client)
    assert not OutboxMessage.objects.filter(dedupe_key__startswith="user-signed-up").exists()


def test_the_mail_that_confirms_an_address_goes_through_the_outbox(client, db):
    sign_up(client)
    message = OutboxMessage.objects.get(recipient="ada@example.com")
    assert "confirm" in message.subject.lower()
    assert "/accounts/confirm-email/" in message.text
    assert mail.outbox == [], "nothing is sent inside a request"


def test_each_request_for_a_forgotten_password_is_a_mail_of_its_own(client, db):
    User.objects.create_user("ada@example.com", PASSWORD)
    for _ in range(2):
        client.post(reverse("account_reset_password"), {"email": "ada@example.com"})
    texts = set(
        OutboxMessage.objects.filter(recipient="ada@example.com").values_list("text", flat=True)
    )
    assert OutboxMessage.objects.count() == 2
    assert all("/accounts/password/reset/key/" in text for text in texts)


def test_a_forgotten_password_is_answered_alike_for_every_address(client, db):
    User.objects.create_user("ada@example.com", PASSWORD)
    known = client.post(reverse("account_reset_password"), {"email": "ada@example.com"})
    unknown = client.post(reverse("account_reset_password"), {"email": "eve@example.com"})
    assert (known.status_code, known.headers["Location"]) == (
        unknown.status_code,
        unknown.headers["Location"],
    )


def test_addresses_that_differ_in_case_are_one_account(db):
    User.objects.create_user("Ada@Example.com")
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.bulk_create([User(email="ADA@example.com")])
    assert User.objects.get_by_natural_key("ADA@EXAMPLE.COM").email == "ada@example.com"


def test_an_account_needs_an_address(db):
    with pytest.raises(ValueError, match="is not an email address"):
        User.objects.create_user("")


def test_createsuperuser_asks_for_no_user_name(db, monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", email="root@example.com", interactive=False, verbosity=0)
    root = User.objects.get()
    assert root.is_staff
    assert root.is_superuser
    assert (
        authenticate(RequestFactory().get("/"), username="root@example.com", password=PASSWORD)
        == root
    )


def test_an_account_without_a_password_cannot_log_in(db):
    user = User.objects.create_user("ada@example.com")
    assert not user.has_usable_password()
    assert (user.display_name, str(user)) == ("ada", "ada@example.com")


def test_the_admin_makes_and_changes_accounts(admin_client):
    fields = {
        "email": "ada@example.com",
        "usable_password": "true",
        "password1": PASSWORD,
        "password2": PASSWORD,
    }
    assert admin_client.post(reverse("admin:users_user_add"), fields).status_code == 302
    user = User.objects.get(email="ada@example.com")
    assert user.check_password(PASSWORD)
    assert (
        admin_client.get(reverse("admin:users_user_change", args=[user.pk])).status_code == 200
    )
    assert (
        "ada@example.com"
        in admin_client.get(reverse("admin:users_user_changelist"), {"q": "ada"}).text
    )
