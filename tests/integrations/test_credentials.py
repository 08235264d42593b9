import pytest
from cryptography.fernet import Fernet

from apps.integrations.encryption import CredentialError, rotate
from apps.integrations.models import Credential
from apps.integrations.sources.github import credentials
from apps.integrations.sources.github.credentials import secret_for, store_token, token_for
from apps.integrations.sources.github.errors import MissingCredentials
from apps.teams.models import Team

pytestmark = pytest.mark.django_db

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@pytest.fixture
def team(settings):
    settings.CREDENTIAL_KEYS = [OLD]
    return Team.objects.create(name="Acme", slug="acme")


def stored(team):
    return bytes(Credential.objects.for_team(team).get().secret)


def test_a_token_is_encrypted_and_comes_back(team):
    store_token(team, " any shape at all ")
    assert token_for(team) == token_for(team.pk) == "any shape at all"
    assert b"any shape" not in stored(team)


def test_a_new_token_takes_the_place_of_the_old_one(team):
    store_token(team, "one")
    store_token(team, "two")
    assert token_for(team) == "two"
    assert Credential.objects.for_team(team).count() == 1


def test_each_team_has_its_own(team):
    other = Team.objects.create(name="Other", slug="other")
    store_token(team, "ours")
    with pytest.raises(MissingCredentials):
        token_for(other)


def test_nothing_shows_the_token(team):
    credential = store_token(team, "hunter2")
    shown = f"{credential} {credential!r} {secret_for(team)} {secret_for(team)!r} {vars(credentials)}"
    assert "hunter2" not in shown


def test_an_empty_token_is_refused(team):
    with pytest.raises(MissingCredentials):
        store_token(team, "  ")


def test_keys_can_be_changed(team, settings):
    store_token(team, "kept")
    settings.CREDENTIAL_KEYS = [NEW, OLD]
    assert token_for(team) == "kept"
    assert rotate() == 1
    settings.CREDENTIAL_KEYS = [NEW]
    assert token_for(team) == "kept"


@pytest.mark.parametrize("keys", [[NEW], [], ["short"]])
def test_missing_and_wrong_keys_are_logged_for_operators(team, settings, keys, caplog):
    store_token(team, "kept")
    settings.CREDENTIAL_KEYS = keys
    for read in (lambda: token_for(team), rotate):
        caplog.clear()
        with pytest.raises(CredentialError) as raised:
            read()
        assert "CREDENTIAL_KEYS" in f"{raised.value} {caplog.text}"
    settings.CREDENTIAL_KEYS = [OLD]
    assert token_for(team) == "kept"
