"""Connecting through the GitHub App: only with a state of one's own, and only what
GitHub says is theirs.
"""

import json
import time
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core import signing
from django.urls import reverse
from django.utils import timezone

from apps.integrations.connections.tracking import track_repositories
from apps.integrations.encryption import decrypt, encrypt
from apps.integrations.models import Connection, Credential
from apps.integrations.sources.github import credentials
from apps.integrations.tasks import sync_historical_data_task
from apps.metrics.models import PullRequest
from apps.onboarding.installing import SALT
from apps.pipelines.models import RunState
from apps.teams.models import Membership, Role
from apps.teams.services import create_team
from apps.users.models import User
from tests.integrations.test_webhooks import signed_by

pytestmark = pytest.mark.django_db(transaction=True)

INSTALLATION = 4242


@pytest.fixture(scope="module")
def private_key():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PrivateFormat.TraditionalOpenSSL
    return key.private_bytes(
        serialization.Encoding.PEM, form, serialization.NoEncryption()
    ).decode()


@pytest.fixture
def app(octo, settings, private_key):
    settings.GITHUB_WEB_URL = octo.url
    settings.GITHUB_APP_ID, settings.GITHUB_APP_SLUG = "77", "firstlight-test"
    settings.GITHUB_APP_CLIENT_ID, settings.GITHUB_APP_CLIENT_SECRET = "Iv1.x", "secret"
    settings.GITHUB_APP_PRIVATE_KEY, settings.GITHUB_APP_WEBHOOK_SECRET = private_key, "hook"
    return octo


@pytest.fixture
def owner(db):
    return User.objects.create_user("mara@octo.example")


@pytest.fixture
def team(owner):
    return create_team("Octo", owner)


@pytest.fixture
def signed_in(client, owner):
    client.force_login(owner)
    return client


class Past(signing.TimestampSigner):
    """Signs as it would have two hours ago."""

    def timestamp(self):
        return signing.b62_encode(int(time.time()) - 7200)


def begin(client, team):
    answer = client.post(reverse("onboarding:app_install", args=[team.slug]))
    assert answer.status_code == 303
    address = urlsplit(answer.url)
    assert address.path == "/apps/firstlight-test/installations/new"
    return parse_qs(address.query)["state"][0]


def back(client, **query):
    return client.get(reverse("onboarding:app_installed", args=["github"]), query)


def said(client):
    return client.get(reverse("onboarding:home"), follow=True).content.decode()


def test_an_installation_is_connected_read_and_left(app, team, signed_in):
    state = begin(signed_in, team)
    answer = back(
        signed_in,
        state=state,
        code="mara",
        installation_id=INSTALLATION,
        setup_action="install",
    )
    assert answer.url == reverse("onboarding:choose", args=[team.slug])
    connection = Connection.objects.for_team(team).get()
    assert (connection.installation_id, connection.login, connection.of_app) == (
        INSTALLATION,
        "octo",
        True,
    )
    assert {listed["name"] for listed in connection.listing} == {"octo/hello", "octo/world"}
    secret = bytes(Credential.objects.for_team(team).get().secret)
    assert b"ghs_" not in secret
    track_repositories(team, "github", ["octo/hello"])
    assert sync_historical_data_task.call_local(team_id=team.pk).state == RunState.DONE
    assert PullRequest.objects.for_team(team).count() == 30
    # One token serves all of it.
    assert app.requests()[f"POST /app/installations/{INSTALLATION}/access_tokens"] == 1
    signed_in.post(reverse("onboarding:disconnect", args=[team.slug, "github"]))
    assert app.requests()["DELETE /installation/token"] == 1
    assert not Credential.objects.for_team(team).exists()


def test_who_they_are_is_asked_where_github_did_not(app, team, signed_in):
    state = begin(signed_in, team)
    answer = back(signed_in, state=state, installation_id=INSTALLATION)
    assert urlsplit(answer.url).path == "/login/oauth/authorize"
    assert parse_qs(urlsplit(answer.url).query)["state"] == [state]
    back(signed_in, state=state, code="mara")
    assert Connection.objects.for_team(team).get().installation_id == INSTALLATION


def test_an_installation_that_is_not_theirs_joins_nothing(app, team, signed_in):
    state = begin(signed_in, team)
    back(signed_in, state=state, code="stranger", installation_id=INSTALLATION)
    assert not Connection.objects.for_team(team).exists()
    assert "has no access to this installation" in said(signed_in)
    state = begin(signed_in, team)
    back(signed_in, state=state, code="mara", installation_id=INSTALLATION + 1)
    assert not Connection.objects.for_team(team).exists()


@pytest.mark.parametrize(
    "wrong",
    ["none", "forged", "old", "another person's", "another session's", "used", "demoted"],
)
def test_without_a_state_of_ones_own_nothing_is_joined(
    app, team, owner, signed_in, wrong, client
):
    state = begin(signed_in, team)
    if wrong == "none":
        state = ""
    elif wrong == "forged":
        state = signing.dumps({"team": team.pk, "user": owner.pk, "nonce": "x"}, salt="another")
    elif wrong == "old":
        state = Past(salt=SALT).sign_object(signing.loads(state, salt=SALT))
    elif wrong == "another person's":
        stranger = User.objects.create_user("eve@evil.example")
        Membership.objects.create(team=team, user=stranger, role=Role.ADMIN)
        signed_in.force_login(stranger)
    elif wrong == "another session's":
        signed_in.logout()
        signed_in.force_login(owner)
    elif wrong == "used":
        back(signed_in, state=state, code="stale", installation_id=INSTALLATION)
    else:
        Membership.objects.filter(user=owner).update(role=Role.MEMBER)
    back(signed_in, state=state, code="mara", installation_id=INSTALLATION)
    assert not Connection.objects.for_team(team).exists()


def test_an_installation_that_awaits_approval_is_explained(app, team, signed_in):
    back(signed_in, state=begin(signed_in, team), setup_action="request", code="mara")
    assert "has to approve the app first" in said(signed_in)


def test_a_token_that_ends_soon_is_replaced_in_the_midst(app, team, owner):
    credentials.store_installation(team, INSTALLATION, owner)
    Connection.objects.create(
        team=team, source="github", connected_at=timezone.now(), installation_id=INSTALLATION
    )
    with credentials.client_for(team) as client:
        first, key = client._token, client.fingerprint
        credentials.keep_fresh(client, team)
        assert client._token == first
        row = Credential.objects.for_team(team).get(kind=credentials.INSTALLATION)
        kept = json.loads(decrypt(row.secret))
        kept["ends"] = (timezone.now() + timedelta(minutes=5)).isoformat()
        Credential.objects.across_teams().update(secret=encrypt(json.dumps(kept)))
        credentials.keep_fresh(client, team)
        assert client._token != first
        # What all workers know of the credential stays known under its name.
        assert client.fingerprint == key


def test_the_apps_webhook_tells_the_teams_of_its_installation(app, team, owner, client):
    credentials.store_installation(team, INSTALLATION, owner)
    Connection.objects.create(
        team=team, source="github", connected_at=timezone.now(), installation_id=INSTALLATION
    )
    payload = {"action": "deleted", "installation": {"id": INSTALLATION}}
    address = reverse("integrations:app_webhook", args=["github"])
    assert signed_by("a guess", client, address, "installation", payload).status_code == 403
    assert Credential.objects.for_team(team).exists()
    assert signed_by("hook", client, address, "installation", payload).content == b"noted"
    assert not Credential.objects.for_team(team).exists()
    assert "removed on GitHub" in Connection.objects.for_team(team).get().notes[0]
