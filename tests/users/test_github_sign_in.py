"""Sign-in with GitHub obeys the sign-up modes and opens no account of somebody else."""

from contextlib import suppress

import pytest
from allauth.account.models import EmailAddress
from allauth.core import context
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.internal.flows.login import complete_login
from allauth.socialaccount.models import SocialAccount, SocialLogin
from django.contrib.auth.models import AnonymousUser
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.test import RequestFactory

from apps.mail.models import OutboxMessage
from apps.users.models import User
from apps.users.proof import has_proven_address

ADDRESS = "ada@corp.example"


@pytest.fixture
def sign_in(db, settings):
    """Return a function that ends a sign-in at GitHub; it returns the session."""
    app = {"client_id": "a", "secret": "b", "key": ""}
    settings.SOCIALACCOUNT_PROVIDERS = settings.SOCIALACCOUNT_PROVIDERS | {
        "github": {"APPS": [app]}
    }

    def run(email=ADDRESS, verified=True, uid="1"):
        request = RequestFactory().get("/accounts/github/login/callback/")
        SessionMiddleware(lambda request: None).process_request(request)
        MessageMiddleware(lambda request: None).process_request(request)
        request.user = AnonymousUser()
        with context.request_context(request):
            provider = get_adapter().get_provider(request, "github")
            login = SocialLogin(
                user=User(email=email),
                account=SocialAccount(provider="github", uid=uid),
                email_addresses=[EmailAddress(email=email, verified=verified, primary=True)],
                provider=provider,
            )
            with suppress(ImmediateHttpResponse):
                complete_login(request, login)
        return request.session

    return run


def test_new_account_with_a_verified_address_is_signed_in(sign_in):
    assert "_auth_user_id" in sign_in()
    assert has_proven_address(User.objects.get())


def test_new_account_with_an_unverified_address_waits_for_the_confirmation(sign_in):
    assert "_auth_user_id" not in sign_in(verified=False)
    assert not has_proven_address(User.objects.get())
    assert "/accounts/confirm-email/" in OutboxMessage.objects.get(recipient=ADDRESS).text


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("proven", [True, False])
def test_address_of_an_existing_account_signs_nobody_in(sign_in, verified, proven):
    user = User.objects.create_user(ADDRESS, "Correct-Horse-9-Battery")
    EmailAddress.objects.create(user=user, email=ADDRESS, primary=True, verified=proven)
    assert "_auth_user_id" not in sign_in(verified=verified)
    assert not SocialAccount.objects.exists()
    assert "/accounts/password/reset/" in OutboxMessage.objects.get(recipient=ADDRESS).text


def test_sign_in_that_was_attached_before_the_proof_opens_nothing(sign_in):
    user = User.objects.create_user(ADDRESS, "Correct-Horse-9-Battery")
    EmailAddress.objects.create(user=user, email=ADDRESS, primary=True, verified=False)
    EmailAddress.objects.create(user=user, email="evil@evil.example", verified=True)
    SocialAccount.objects.create(user=user, provider="github", uid="666")
    assert "_auth_user_id" not in sign_in("evil@evil.example", uid="666")


@pytest.mark.parametrize(
    ("mode", "domains"), [("invite", []), ("closed", []), ("open", ["other.example"])]
)
def test_modes_and_domains_hold_for_github(sign_in, settings, mode, domains):
    settings.SIGN_UP, settings.SIGN_UP_DOMAINS = mode, domains
    assert "_auth_user_id" not in sign_in()
    assert not User.objects.exists()
