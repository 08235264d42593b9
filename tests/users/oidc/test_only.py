"""With OIDC_ONLY=1 there is one way in. The second factor stays."""

import re

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils import timezone

from apps.mail.models import OutboxMessage
from apps.teams.models import Membership, Role
from apps.teams.services import create_team
from apps.users.models import OidcSession, RecoveryLink, User
from apps.users.oidc import recovery
from apps.users.oidc.encryption import unseal
from tests.users.oidc.conftest import Browser

PASSWORD = "correct horse battery"
OFF = [
    "account_signup",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key_done",
    "account_change_password",
    "account_set_password",
    "account_confirm_login_code",
    "admin:login",
    "github_login",
    "github_callback",
    "socialaccount_signup",
]


@pytest.fixture
def user(db):
    return User.objects.create_user("ada@example.com", PASSWORD)


@pytest.mark.parametrize("name", OFF)
@pytest.mark.parametrize("method", ["get", "post"])
def test_other_way_in_is_off(only, browser, user, name, method):
    user.is_staff = user.is_superuser = True
    user.save()
    form = {
        "email": "ada@example.com",
        "login": user.email,
        "username": user.email,
        "password": PASSWORD,
    }
    answer = getattr(browser, method)(reverse(name), form)
    if method == "get":
        assert answer.status_code == 302
        assert answer["Location"].startswith(reverse("account_login"))
    else:
        assert answer.status_code == 403
    assert browser.user_id is None
    assert not OutboxMessage.objects.exists()


def test_password_does_not_sign_in(only, browser, user):
    answer = browser.post(reverse("account_login"), {"login": user.email, "password": PASSWORD})
    assert answer.status_code == 403
    assert browser.user_id is None


def test_sign_in_page_has_one_button_and_keeps_the_target(only, browser):
    page = browser.get(reverse("account_login"), {"next": "/teams/new/"}).text
    assert (
        "/accounts/oidc/login/?next=%2Fteams%2Fnew%2F" in page
        or "/accounts/oidc/login/?next=/teams/new/" in page
    )
    assert 'type="password"' not in page
    page = browser.get(reverse("account_login"), {"next": "https://evil.example/"}).text
    assert "evil.example" not in page


def test_landing_page_does_not_offer_sign_up(only, browser):
    assert reverse("account_signup") not in browser.get("/").text


def test_password_pages_are_not_offered(only, browser):
    only.person("ada")
    browser.sign_in()
    for name in ("mfa_index", "account_email", "teams:create"):
        page = browser.get(reverse(name))
        assert page.status_code == 200, name
        assert reverse("account_change_password") not in page.text


def test_admin_is_reached_through_the_provider(only, browser, user):
    user.is_staff = user.is_superuser = True
    user.save()
    only.person("ada")
    assert browser.sign_in(reverse("admin:index"))["Location"] == reverse("admin:index")
    assert browser.get(reverse("admin:index")).status_code == 200


def test_second_factor_is_asked_for(only, browser, user):
    TOTP.activate(user, "JBSWY3DPEHPK3PXP")
    codes = RecoveryCodes.activate(user).get_unused_codes()
    only.person("ada")
    answer = browser.sign_in("/teams/new/")
    assert answer["Location"].startswith(reverse("mfa_authenticate"))
    assert browser.user_id is None
    refresh_token = unseal(OidcSession.objects.get().refresh_token)
    assert refresh_token
    assert refresh_token not in str(dict(browser.session))
    answer = browser.post(answer["Location"], {"code": codes[0]})
    assert (answer.status_code, answer["Location"]) == (302, "/teams/new/")
    assert OidcSession.objects.get().user == user
    assert browser.get("/teams/new/").status_code == 200


@pytest.fixture
def owner(user):
    """Ada, who owns a team with Grace."""
    team = create_team("Acme", user)
    grace = User.objects.create_user("grace@example.com")
    Membership.objects.create(team=team, user=grace, role=Role.OWNER)
    return user


def link_for(capsys, email="ada@example.com"):
    call_command("recovery_link", email)
    (address,) = re.findall(r"http\S+", capsys.readouterr().out)
    return address.partition("testserver")[2] or "/" + address.split("/", 3)[3]


def test_recovery_link_signs_an_owner_in_once(only, browser, owner, capsys):
    only.fault("discovery", status=503)
    path = link_for(capsys)
    for _ in range(2):  # previews open links
        assert browser.get(path).status_code == 200
    assert browser.user_id is None
    assert browser.post(path).status_code == 302
    assert browser.user_id == owner.pk
    assert browser.get(reverse("teams:create")).status_code == 200
    for method in ("get", "post"):
        other = Browser()
        assert getattr(other, method)(path).status_code == 410
        assert other.user_id is None


def test_recovery_is_recorded_and_others_are_told(only, browser, owner, capsys, settings):
    settings.ADMINS = ["Root <root@example.com>"]
    path = link_for(capsys)
    row = RecoveryLink.objects.get()
    assert (row.email, row.user, row.used_at) == ("ada@example.com", owner, None)
    assert row.made_by
    assert row.made_on
    token = path.strip("/").split("/")[-1]
    assert token not in str(RecoveryLink.objects.values())
    mails = OutboxMessage.objects.all()
    assert {mail.recipient for mail in mails} == {"root@example.com", "grace@example.com"}
    assert not [mail for mail in mails if token in mail.text]
    browser.post(path)
    row.refresh_from_db()
    assert row.used_from == "127.0.0.1"


def test_recovery_link_ends_after_fifteen_minutes(only, browser, owner, capsys):
    path = link_for(capsys)
    row = RecoveryLink.objects.get()
    assert row.expires_at - row.created_at == recovery.LINK_LASTS
    RecoveryLink.objects.update(expires_at=timezone.now())
    assert browser.get(path).status_code == 410
    assert browser.post(path).status_code == 410
    assert browser.user_id is None


def test_recovery_session_ends_after_an_hour(only, browser, owner, capsys):
    browser.post(link_for(capsys))
    assert browser.session.get_expiry_age() <= 3600
    session = browser.session
    session[recovery.KEY] -= 3600
    session.save()
    assert browser.get(reverse("teams:create")).status_code == 302
    assert browser.user_id is None


def test_recovery_asks_for_the_second_factor(only, browser, owner, capsys):
    TOTP.activate(owner, "JBSWY3DPEHPK3PXP")
    codes = RecoveryCodes.activate(owner).get_unused_codes()
    answer = browser.post(link_for(capsys))
    assert answer["Location"].startswith(reverse("mfa_authenticate"))
    browser.post(answer["Location"], {"code": codes[0]})
    assert browser.get(reverse("teams:create")).status_code == 200


@pytest.mark.parametrize("who", ["member", "nobody", "inactive"])
def test_recovery_link_is_for_owners_only(only, owner, who):
    Membership.objects.filter(user=owner).update(role=Role.MEMBER)
    if who == "inactive":
        User.objects.update(is_active=False)
    email = "eve@example.com" if who == "nobody" else owner.email
    with pytest.raises(CommandError):
        call_command("recovery_link", email)
    assert not RecoveryLink.objects.exists()


def test_superuser_gets_a_recovery_link(only, capsys):
    User.objects.create_superuser("root@example.com")
    assert link_for(capsys, "root@example.com")


def test_recovery_link_is_for_only_oidc(provider, owner):
    with pytest.raises(CommandError):
        call_command("recovery_link", owner.email)


def test_records_of_recovery_can_not_be_changed(only, browser, owner, capsys):
    link_for(capsys)
    owner.is_staff = owner.is_superuser = True
    owner.save()
    only.person("ada")
    browser.sign_in()
    row = RecoveryLink.objects.get()
    assert browser.get(reverse("admin:users_recoverylink_changelist")).status_code == 200
    page = browser.get(reverse("admin:users_recoverylink_change", args=[row.pk]))
    assert page.status_code == 200
    assert row.token_hash not in page.text
    assert (
        browser.post(reverse("admin:users_recoverylink_delete", args=[row.pk])).status_code
        == 403
    )
