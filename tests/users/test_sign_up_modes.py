"""Who may create an account: SIGN_UP and SIGN_UP_DOMAINS."""

import re
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from apps.mail.models import OutboxMessage
from apps.teams.invitations import invite
from apps.teams.models import Invitation
from apps.teams.services import create_team
from apps.users.models import User
from apps.users.sign_up import may_sign_up


@pytest.mark.parametrize(
    ("mode", "invited", "allowed"),
    [
        ("open", False, True),
        ("open", True, True),
        ("invite", False, False),
        ("invite", True, True),
        ("closed", False, False),
        ("closed", True, False),
    ],
)
def test_mode_decides_who_may_sign_up(settings, mode, invited, allowed):
    settings.SIGN_UP = mode
    assert may_sign_up("ada@example.com", invited=invited) is allowed


@pytest.mark.parametrize(
    ("email", "allowed"),
    [
        ("ada@example.com", True),
        ("Ada@EXAMPLE.com", True),
        ("ada@müller.example", True),
        ("ada@xn--mller-kva.example", True),
        ("ada@faß.example", False),
        ("ada@eu.example.com", False),
        ("ada@example.com.evil.example", False),
        ("ada@evil.example@example.com.", False),
        ("ada@evilexample.com", False),
        ("ada", False),
        ("", False),
    ],
)
def test_only_listed_domains_may_sign_up(settings, email, allowed):
    settings.SIGN_UP = "open"
    settings.SIGN_UP_DOMAINS = ["example.com", "xn--mller-kva.example", "fass.example"]
    assert may_sign_up(email) is allowed
    assert may_sign_up(email, invited=True) is allowed


PASSWORD = "Correct-Horse-9-Battery"


def sign_up(client, email):
    return client.post(
        "/accounts/signup/", {"email": email, "password1": PASSWORD, "password2": PASSWORD}
    )


@pytest.fixture
def invitation(db):
    """The path of an invitation's link, sent to new@corp.example."""
    owner = User.objects.create_user("owner@acme.example")
    team = create_team("Acme", owner)
    invite(team, owner, "new@corp.example", "member")
    text = OutboxMessage.objects.get(recipient="new@corp.example").text
    return re.search(r"/invitations/\S+", text)[0]


@pytest.mark.parametrize("mode", ["invite", "closed"])
def test_visitor_cannot_sign_up(client, db, settings, mode):
    settings.SIGN_UP = mode
    assert f'data-mode="{mode}"' in client.get("/accounts/signup/").text
    sign_up(client, "ada@example.com")
    assert not User.objects.exists()
    for path in ("/", "/accounts/login/"):
        assert "/accounts/signup/" not in client.get(path).text


def test_visitor_signs_up_when_open(client, db):
    assert "/accounts/signup/" in client.get("/").text
    sign_up(client, "ada@example.com")
    assert User.objects.filter(email="ada@example.com").exists()


def test_invited_person_signs_up_and_is_signed_in_at_once(client, settings, invitation):
    settings.SIGN_UP = "invite"
    assert "/accounts/signup/" in client.get(invitation).text
    page = client.get("/accounts/signup/").text
    assert re.search(r'<input[^>]*value="new@corp.example"[^>]*disabled', page)
    sign_up(client, "other@corp.example")  # the address cannot be changed
    assert not User.objects.filter(email="other@corp.example").exists()
    user = User.objects.get(email="new@corp.example")
    assert client.session["_auth_user_id"] == str(user.pk)
    assert user.emailaddress_set.get().verified


def test_invitation_of_a_closed_installation_creates_no_account(client, settings, invitation):
    settings.SIGN_UP = "closed"
    assert "/accounts/signup/" not in client.get(invitation).text
    sign_up(client, "new@corp.example")
    assert not User.objects.filter(email="new@corp.example").exists()


@pytest.mark.parametrize(
    "change", [{"state": "revoked"}, {"expires_at": timezone.now() - timedelta(days=1)}]
)
def test_ended_invitation_creates_no_account(client, settings, invitation, change):
    settings.SIGN_UP = "invite"
    client.get(invitation)
    Invitation.objects.across_teams().update(**change)
    sign_up(client, "new@corp.example")
    assert not User.objects.filter(email="new@corp.example").exists()


def test_invitation_of_another_address_counts_for_that_address_alone(
    client, settings, invitation
):
    settings.SIGN_UP_DOMAINS = ["corp.example"]
    client.get(invitation)
    sign_up(client, "someone@corp.example")
    assert not User.objects.get(email="someone@corp.example").emailaddress_set.get().verified


def test_domain_outside_the_list_is_refused(client, db, settings):
    settings.SIGN_UP_DOMAINS = ["corp.example"]
    assert sign_up(client, "ada@example.com").status_code == 200
    assert not User.objects.exists()


def test_superuser_is_created_in_every_mode(db, settings, monkeypatch):
    settings.SIGN_UP = "closed"
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
    call_command("createsuperuser", email="root@example.com", interactive=False, verbosity=0)
    assert User.objects.get().is_superuser
