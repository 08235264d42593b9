"""Two requests at the same time, on SQLite and with SERVERS=1 on PostgreSQL."""

from collections import Counter
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.teams.models import Membership
from apps.teams.services import create_team
from apps.users.models import OidcSession, RecoveryLink, User
from apps.users.oidc import recovery
from tests.teams.conftest import in_threads

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE = 6


def test_recovery_link_is_redeemed_once(only):
    owner = User.objects.create_user("ada@example.com")
    create_team("Acme", owner)
    _, address = recovery.make(owner)
    link = recovery.find(address.rstrip("/").rpartition("/")[2])
    results = in_threads(*[lambda: recovery.redeem(link, "127.0.0.1")] * AT_ONCE)
    assert Counter(results) == {True: 1, False: AT_ONCE - 1}


def test_recovery_link_signs_one_of_many_visitors_in(only):
    owner = User.objects.create_user("ada@example.com")
    create_team("Acme", owner)
    path = recovery.make(owner)[1].removeprefix("http://testserver")
    visitors = [Client() for _ in range(AT_ONCE)]
    answers = in_threads(
        *[lambda visitor=visitor: visitor.post(path).status_code for visitor in visitors]
    )
    assert Counter(answers) == {302: 1, 410: AT_ONCE - 1}
    assert sum("_auth_user_id" in visitor.session for visitor in visitors) == 1
    assert RecoveryLink.objects.get().used_at


@pytest.mark.parametrize("hours", [4, 40])
def test_parallel_requests_refresh_a_session_once(only, browser, hours):
    only.person("ada")
    browser.sign_in()
    user = User.objects.get()
    team = create_team("Acme", user)
    home = reverse("teams:members", args=[team.slug])
    OidcSession.objects.update(
        checked_at=timezone.now() - timedelta(hours=hours), claimed_until=None
    )
    tokens = only.calls()["token"]
    visitors = [Client() for _ in range(AT_ONCE)]
    for visitor in visitors:
        visitor.cookies = browser.cookies.copy()
    # The first request is still at the provider when the others arrive.
    only.fault("token", delay=1.0)
    answers = in_threads(
        *[lambda visitor=visitor: visitor.get(home).status_code for visitor in visitors]
    )
    assert answers == [200] * AT_ONCE
    assert only.calls()["token"] == tokens + 1
    assert OidcSession.objects.get().checked_at > timezone.now() - timedelta(minutes=1)
    assert Membership.objects.get().user == user
