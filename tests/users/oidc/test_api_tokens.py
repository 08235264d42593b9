"""What sign-in through the provider means for a team's API tokens.

A token acts for its team, so it works while nobody is signed in. It ends with the
rights of the person who made it: by a removed group, a lower role, or a deactivated
account.
"""

import pytest
from django.test import Client
from django.urls import reverse

from apps.metrics.api import tokens
from apps.teams.models import Membership
from apps.teams.services import create_team
from apps.users.models import OidcSession, User
from tests.users.oidc.test_sessions import LIMIT, RECHECK, pass_time


@pytest.fixture
def acme(only, settings):
    settings.OIDC_GROUPS = {"leads": [("acme", "admin")], "engineers": [("acme", "member")]}
    return create_team("Acme", User.objects.create_user("owner@example.com"))


@pytest.fixture
def token(only, browser, acme):
    """A token that Ada made while a group gave her the role of an admin."""
    only.person("ada", groups=["leads"])
    browser.sign_in()
    _, text = tokens.make(acme, "Nightly report", User.objects.get(email="ada@example.com"))
    assert status_of(text) == 200
    return text


def status_of(token):
    """Return the status that a program without a session gets."""
    return (
        Client().get("/api/v1/weekly", headers={"Authorization": f"Bearer {token}"}).status_code
    )


@pytest.mark.parametrize("groups", [[], ["engineers"]], ids=["removed", "demoted"])
def test_changed_group_ends_the_token_at_the_next_check(only, browser, acme, token, groups):
    only.person("ada", groups=groups)
    pass_time(RECHECK)
    browser.get(reverse("teams:members", args=[acme.slug]))
    assert status_of(token) == 401


def test_deactivated_account_ends_the_token(only, acme, token):
    user = User.objects.get(email="ada@example.com")
    user.is_active = False
    user.save()
    assert status_of(token) == 401


def test_ended_session_keeps_the_token(only, browser, acme, token):
    only.fault("token", oidc="refuse")
    pass_time(LIMIT)
    browser.get(reverse("teams:members", args=[acme.slug]))
    assert browser.user_id is None
    assert not OidcSession.objects.exists()
    assert Membership.objects.filter(user__email="ada@example.com").exists()
    assert status_of(token) == 200


def test_provider_that_is_down_keeps_the_token(only, acme, token):
    only.fault("discovery", status=503)
    pass_time(2 * LIMIT)
    assert status_of(token) == 200
