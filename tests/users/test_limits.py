"""Limits hold for strangers and keep no owner out; answers do not reveal who has an
account.
"""

import re
import threading

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.cache import cache
from django.db import connections
from django.test import Client

from apps.mail.models import OutboxMessage
from apps.users.models import User

PASSWORD, WRONG = "Correct-Horse-9-Battery", "Wrong-Horse-1-Battery"


@pytest.fixture
def ada(db):
    user = User.objects.create_user("ada@example.com", PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    return user


def visitor(ip):
    return Client(REMOTE_ADDR=ip)


def sign_in(client, email="ada@example.com", password=PASSWORD):
    return client.post("/accounts/login/", {"login": email, "password": password})


def sign_up(client, email):
    return client.post(
        "/accounts/signup/", {"email": email, "password1": PASSWORD, "password2": PASSWORD}
    )


def test_wrong_passwords_of_a_stranger_do_not_lock_the_owner_out(ada):
    for _ in range(20):
        sign_in(visitor("192.0.2.1"), password=WRONG)
    assert sign_in(visitor("192.0.2.1")).status_code == 200
    assert sign_in(visitor("198.51.100.1")).status_code == 302


def test_addresses_of_one_ipv6_network_share_a_limit(ada):
    for number in range(20):
        sign_in(visitor(f"2001:db8::{number:x}"), password=WRONG)
    assert sign_in(visitor("2001:db8::ffff")).status_code == 200
    assert sign_in(visitor("2001:db8:0:1::1")).status_code == 302


def test_attack_from_many_addresses_is_slowed_but_keeps_out_no_known_browser(ada, settings):
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {
        "login_failed_account": "5/h/key"
    }
    known = visitor("198.51.100.1")
    sign_in(known)
    known.post("/accounts/logout/")
    for number in range(6):
        sign_in(visitor(f"192.0.2.{number}"), password=WRONG)
    assert sign_in(visitor("203.0.113.1")).status_code == 200
    assert sign_in(known).status_code == 302


def test_browser_of_another_account_is_not_exempt(ada, settings):
    settings.ACCOUNT_RATE_LIMITS = settings.ACCOUNT_RATE_LIMITS | {
        "login_failed_account": "5/h/key"
    }
    eve = User.objects.create_user("eve@example.com", PASSWORD)
    EmailAddress.objects.create(user=eve, email=eve.email, primary=True, verified=True)
    client = visitor("198.51.100.1")
    sign_in(client, eve.email)
    client.post("/accounts/logout/")
    for number in range(6):
        sign_in(visitor(f"192.0.2.{number}"), password=WRONG)
    assert sign_in(client).status_code == 200
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("forged", ["HTTP_X_FORWARDED_FOR", "HTTP_X_REAL_IP", "HTTP_FORWARDED"])
def test_header_of_a_visitor_changes_no_address(ada, forged):
    for number in range(20):
        Client(REMOTE_ADDR="192.0.2.1", **{forged: f"10.0.0.{number}"}).post(
            "/accounts/login/", {"login": ada.email, "password": WRONG}
        )
    assert sign_in(visitor("192.0.2.1")).status_code == 200


def test_sign_up_and_reset_answer_the_same_for_every_address(ada):
    known, unknown = Client(), Client()
    answers = [sign_up(known, "ada@example.com"), sign_up(unknown, "new@example.com")]
    assert answers[0].status_code == answers[1].status_code == 302
    assert answers[0]["Location"] == answers[1]["Location"]
    assert OutboxMessage.objects.filter(recipient="ada@example.com").count() == 1
    cache.clear()
    pages = [client.get("/accounts/confirm-email/").text for client in (known, unknown)]
    pages = [re.sub(r"nonce=\"[^\"]+\"|\w{64}|\w+@example.com", "", page) for page in pages]
    assert pages[0] == pages[1]


class CountingHasher(MD5PasswordHasher):
    """Counts how many passwords are hashed, which is what an answer's time consists of."""

    algorithm = "counting"
    count = 0

    def encode(self, password, salt):
        CountingHasher.count += 1
        return super().encode(password, salt)


def test_sign_up_hashes_as_many_passwords_for_every_address(ada, settings):
    settings.PASSWORD_HASHERS = [f"{__name__}.CountingHasher"]
    counts = []
    for email in ("ada@example.com", "new@example.com"):
        CountingHasher.count = 0
        sign_up(Client(), email)
        counts.append(CountingHasher.count)
    assert counts[0] == counts[1] > 0


@pytest.mark.django_db(transaction=True)
def test_two_sign_ups_at_once_make_one_account():
    statuses = []

    def run():
        statuses.append(
            sign_up(Client(raise_request_exception=False), "twin@example.com").status_code
        )
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [302] * 4
    assert User.objects.filter(email="twin@example.com").count() == 1


MAILS = {
    "reset": ("/accounts/password/reset/", {"email": "ada@example.com"}),
    "unknown": ("/accounts/password/reset/", {"email": "nobody@example.com"}),
    "exists": (
        "/accounts/signup/",
        {"email": "ada@example.com", "password1": PASSWORD, "password2": PASSWORD},
    ),
    "confirm": (
        "/accounts/signup/",
        {"email": "new@example.com", "password1": PASSWORD, "password2": PASSWORD},
    ),
}


@pytest.mark.parametrize("kind", MAILS)
def test_links_in_account_emails_follow_site_url(ada, settings, kind):
    settings.SITE_URL, settings.ALLOWED_HOSTS = (
        "https://app.example.com",
        ["app.example.com", "evil.example"],
    )
    path, data = MAILS[kind]
    Client().post(path, data, HTTP_HOST="evil.example")
    message = OutboxMessage.objects.get()
    assert "https://app.example.com/" in message.text
    assert "evil.example" not in message.text + message.html
