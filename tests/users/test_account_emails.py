"""Every email that allauth can send has the product's own subject, text, and HTML."""

from pathlib import Path
from types import SimpleNamespace

import allauth
import pytest
from allauth.account.adapter import get_adapter
from allauth.account.models import EmailAddress
from allauth.core import context
from django.apps import apps
from django.conf import settings
from django.template.loader import get_template
from django.test import RequestFactory
from django.utils import timezone

from apps.mail.models import OutboxMessage
from apps.users.models import User

pytestmark = pytest.mark.django_db

OURS = Path(settings.BASE_DIR, "templates")
PASSWORD = "correct horse battery"


def prefixes():
    """Return `account/email/password_changed` and the like: the emails of each part of
    allauth that is installed.
    """
    root = Path(allauth.__file__).parent / "templates"
    parts = [
        part
        for part in root.iterdir()
        if part.is_dir() and apps.is_installed(f"allauth.{part.name}")
    ]
    subjects = [path for part in parts for path in part.glob("email/*_subject.txt")]
    return sorted(str(path.relative_to(root)).removesuffix("_subject.txt") for path in subjects)


PREFIXES = prefixes()


def send(prefix):
    """Send one email of allauth with everything that any of them shows."""
    request = RequestFactory().get(
        "/", headers={"user-agent": "A browser https://evil.example/x"}
    )
    values = {
        "request": request,
        "user": User(email="ada@example.com"),
        "code": "ABC-DEF",
        "activate_url": f"{settings.SITE_URL}/accounts/confirm-email/key/",
        "password_reset_url": f"{settings.SITE_URL}/accounts/password/reset/key/1-key/",
        "signup_url": f"{settings.SITE_URL}/accounts/signup/",
        "from_email": "old@example.com",
        "to_email": "new@example.com",
        "deleted_email": "old@example.com",
        "provider": SimpleNamespace(name="GitHub"),
        "timestamp": timezone.now(),
        "ip": "192.0.2.7",
        "user_agent": request.headers["user-agent"],
    }
    with context.request_context(request):
        get_adapter().send_mail(prefix, "ada@example.com", values)
    return OutboxMessage.objects.latest("pk")


def test_the_emails_of_allauth_are_found():
    assert {
        "account/email/password_changed",
        "mfa/email/totp_activated",
        "account/email/unknown_account",
    } < set(PREFIXES)
    assert len(PREFIXES) >= 20


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("part", ["subject.txt", "message.txt", "message.html"])
def test_template_is_the_products_own(prefix, part):
    template = get_template(f"{prefix}_{part}")
    assert Path(template.origin.name).is_relative_to(OURS)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_email_has_subject_text_and_html(prefix):
    message = send(prefix)
    assert message.subject
    assert message.html.lstrip().startswith("<!doctype html>")
    assert "example.com" not in message.subject
    for part in (message.text, message.html):
        assert "Firstlight" in part
        assert "{{" not in part
        assert "https://evil.example" not in part


def test_changed_password_is_reported_by_email(client):
    user = User.objects.create_user("ada@example.com", PASSWORD)
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    client.force_login(user)
    fields = {
        "oldpassword": PASSWORD,
        "password1": "staple battery horse",
        "password2": "staple battery horse",
    }
    client.post("/accounts/password/change/", fields)
    message = OutboxMessage.objects.get()
    assert message.recipient == "ada@example.com"
    assert "/accounts/password/reset/" in message.text
    assert "/accounts/password/reset/" in message.html


def test_a_site_with_provider_only_names_no_password_page(settings):
    settings.OIDC_ISSUER, settings.OIDC_ONLY = "https://id.example.com", True
    message = send("mfa/email/totp_deactivated")
    assert "/accounts/password/reset/" not in message.text + message.html
