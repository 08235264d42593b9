"""Signing in at the sandbox's provider over HTTP: what is accepted, and what is
refused.
"""

from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.urls import reverse

from apps.users.models import OidcSession, User
from tests.users.oidc.conftest import Browser, address_in

TOKEN_FAULTS = [
    "issuer",
    "audience",
    "party",
    "nonce",
    "no_nonce",
    "expired",
    "future",
    "alg_none",
    "hmac_public",
    "hmac_secret",
    "signature",
    "old_key",
    "access_token",
    "no_id_token",
    "refuse",
]


def assert_refused(browser, answer, status=403):
    """Nobody is signed in, no account exists, and the page has a way on."""
    assert answer.status_code == status
    assert 'data-action="sign-in"' in answer.text
    assert browser.user_id is None
    assert not User.objects.exists()
    assert not SocialAccount.objects.exists()
    assert not OidcSession.objects.exists()


def test_sign_in_creates_a_confirmed_account(provider, browser):
    provider.person("ada", name="Ada Lovelace")
    answer = browser.sign_in("/teams/new/")
    assert (answer.status_code, answer["Location"]) == (302, "/teams/new/")
    user = User.objects.get()
    assert browser.user_id == user.pk
    assert (user.email, user.get_full_name()) == ("ada@example.com", "Ada Lovelace")
    assert not user.has_usable_password()
    assert EmailAddress.objects.get(user=user).verified


def test_second_sign_in_finds_the_account_by_its_subject(provider, browser):
    provider.person("ada")
    browser.sign_in()
    browser.post(reverse("account_logout"))
    assert browser.user_id is None
    provider.person("ada", email="countess@example.com")
    browser.sign_in()
    assert browser.user_id == User.objects.get().pk


def test_the_request_to_the_provider_is_bound_to_the_browser(provider, browser):
    """State, nonce, and PKCE are new each time; a link can't replace what is asked for."""
    asked = []
    for _ in range(2):
        address = (
            reverse("openid_connect_login")
            + "?auth_params=redirect_uri%3Dhttps://evil.example&scope=admin"
        )
        answer = browser.post(address)
        asked.append(parse_qs(urlsplit(address_in(answer)).query))
    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
    assert asked[0]["code_challenge_method"] == ["S256"]
    assert asked[0]["redirect_uri"] == ["http://testserver/accounts/oidc/login/callback/"]
    assert set(asked[0]["scope"][0].split()) == {"openid", "profile", "email"}


@pytest.mark.parametrize("fault", TOKEN_FAULTS)
def test_faulty_token_is_refused(provider, browser, fault):
    provider.person("ada")
    provider.order(rotate=True)
    provider.fault("token", oidc=fault)
    assert_refused(browser, browser.sign_in())


@pytest.mark.parametrize(
    "fault", ["unverified", "not_verified", "no_email", "subject", "refuse"]
)
def test_faulty_userinfo_is_refused(provider, browser, fault):
    provider.person("ada")
    if fault in ("not_verified", "no_email"):
        claims = {"sub": "ada"} if fault == "no_email" else {"email": "ada@example.com"}
        provider.order(people={"ada": claims})
    provider.fault("userinfo", oidc=fault)
    assert_refused(browser, browser.sign_in())


def test_discovery_of_another_issuer_is_refused(provider, browser):
    provider.person("ada")
    provider.fault("discovery", oidc="issuer")
    assert_refused(browser, browser.sign_in())


def test_answer_from_another_issuer_is_refused(provider, browser):
    provider.person("ada")
    provider.fault("authorize", oidc="issuer")
    assert_refused(browser, browser.sign_in())


def test_sign_in_works_with_a_new_key(provider, browser):
    provider.person("ada")
    browser.sign_in()
    browser.post(reverse("account_logout"))
    provider.order(rotate=True)
    browser.sign_in()
    assert browser.user_id == User.objects.get().pk


@pytest.mark.parametrize("operation", ["discovery", "token", "keys", "userinfo"])
@pytest.mark.parametrize(
    "effect",
    [
        {"status": 503},
        {"disconnect": True},
        {"oidc": "huge"},
        {"status": 200, "body": "no JSON"},
    ],
    ids=["down", "cut", "huge", "text"],
)
def test_unusable_answer_is_refused(provider, browser, operation, effect):
    provider.person("ada")
    provider.fault(operation, **effect)
    assert_refused(browser, browser.sign_in(), 503)


def test_slow_provider_is_given_up(provider, browser):
    provider.person("ada")
    provider.fault("discovery", delay=8, times=1)
    assert_refused(browser, browser.sign_in(), 503)


def test_provider_that_is_not_there_is_refused(provider, browser, settings):
    settings.OIDC_ISSUER = "http://127.0.0.1:9/oidc"
    assert_refused(browser, browser.sign_in(), 503)


def test_person_who_cancels_is_not_signed_in(provider, browser):
    provider.person("ada")
    provider.fault("authorize", oidc="refuse")
    assert_refused(browser, browser.sign_in())


def test_answer_to_another_browser_is_refused(provider, browser):
    provider.person("ada")
    back = browser.visit_provider(address_in(browser.start()))
    stranger = Browser()
    assert_refused(stranger, stranger.get(back))


def test_answer_is_good_once(provider, browser):
    provider.person("ada")
    back = browser.visit_provider(address_in(browser.start()))
    browser.get(back)
    assert browser.get(back).status_code == 403


def test_address_outside_the_domains_is_refused(provider, browser):
    provider.person("mallory", email="mallory@example.com.evil.example")
    assert_refused(browser, browser.sign_in())


def test_address_outside_the_domains_is_refused_to_a_known_person(provider, browser, settings):
    provider.person("ada")
    browser.sign_in()
    browser.post(reverse("account_logout"))
    settings.OIDC_DOMAINS = ["example.org"]
    assert browser.sign_in().status_code == 403
    assert browser.user_id is None


def test_group_counts_as_an_invitation(provider, browser, settings):
    settings.SIGN_UP, settings.OIDC_DOMAINS = "invite", []
    settings.OIDC_GROUPS = {"engineers": [("acme", "member")]}
    provider.person("eve", groups=["others"])
    assert_refused(browser, browser.sign_in())
    provider.person("ada", groups=["engineers"])
    browser.sign_in()
    assert User.objects.get().email == "ada@example.com"


def test_closed_sign_up_creates_no_account(provider, browser, settings):
    settings.SIGN_UP = "closed"
    provider.person("ada")
    assert_refused(browser, browser.sign_in())


def test_listed_domain_takes_over_an_account_with_the_address(provider, browser):
    user = User.objects.create_user("ada@example.com", "correct horse battery")
    provider.person("ada", email="Ada@Example.com")
    browser.sign_in()
    assert browser.user_id == user.pk
    assert User.objects.get().has_usable_password()
    assert EmailAddress.objects.get(user=user).verified


def test_account_is_not_taken_over_without_a_listed_domain(provider, browser, settings):
    settings.OIDC_DOMAINS = []
    User.objects.create_user("ada@example.com", "correct horse battery")
    provider.person("ada")
    assert browser.sign_in().status_code == 403
    assert browser.user_id is None
    assert not SocialAccount.objects.exists()


def test_unverified_address_does_not_take_over_an_account(provider, browser):
    User.objects.create_user("ada@example.com")
    provider.person("ada", email_verified=False)
    assert browser.sign_in().status_code == 403
    assert browser.user_id is None


def test_first_proof_drops_what_a_stranger_left(provider, browser):
    user = User.objects.create_user("ada@example.com", "the password of a stranger")
    EmailAddress.objects.create(
        user=user, email="ada@example.com", primary=True, verified=False
    )
    SocialAccount.objects.create(user=user, provider="github", uid="666")
    Authenticator.objects.create(user=user, type="totp", data={})
    provider.person("ada")
    browser.sign_in()
    user.refresh_from_db()
    assert browser.user_id == user.pk
    assert not user.has_usable_password()
    assert not Authenticator.objects.exists()
    assert [account.uid for account in SocialAccount.objects.all()] == ["ada"]


def test_subject_of_another_issuer_is_another_person(provider, browser, settings):
    """An operator who changes providers does not hand accounts to people with equal
    subjects.
    """
    victim = User.objects.create_user("victim@example.com")
    SocialAccount.objects.create(user=victim, provider="oidc-0123456789abcdef", uid="ada")
    provider.person("ada")
    browser.sign_in()
    assert browser.user_id not in (None, victim.pk)


def test_no_token_is_stored_in_clear(provider, browser):
    provider.person("ada")
    browser.sign_in()
    row = OidcSession.objects.get()
    assert bytes(row.refresh_token).startswith(b"gAAAA")
    assert not SocialToken.objects.exists()
    assert set(browser.session["oidc_session"]) <= set("0123456789abcdef-")


def test_without_settings_there_is_no_such_page(client, db):
    for name in ("openid_connect_login", "openid_connect_callback", "openid_connect_check"):
        assert client.get(reverse(name)).status_code == 404


def test_sign_in_page_offers_the_provider(provider, client):
    page = client.get(reverse("account_login")).text
    assert f'action="{reverse("openid_connect_login")}' in page
    assert "Example Login" in page


def test_account_of_a_former_provider_is_listed(provider, browser):
    provider.person("ada")
    browser.sign_in()
    user = User.objects.get()
    SocialAccount.objects.create(user=user, provider="oidc-0123456789abcdef", uid="ada")
    assert browser.get(reverse("socialaccount_connections")).status_code == 200


def test_signed_in_person_connects_the_provider(provider, browser, settings):
    settings.OIDC_DOMAINS = []
    user = User.objects.create_user("ada@private.example")
    browser.force_login(user)
    provider.person("ada")
    answer = browser.post(reverse("openid_connect_login", query={"process": "connect"}))
    browser.get(browser.visit_provider(address_in(answer)))
    assert SocialAccount.objects.get().user == user
    assert browser.user_id == user.pk


def test_starts_are_limited(provider, browser):
    provider.person("ada")
    codes = {browser.start().status_code for _ in range(32)}
    assert codes == {200, 429}
