"""Clones of the server are read by the teams that the operator granted them to."""

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from apps.integrations.connections.grants import grant
from apps.integrations.models import Connection, TrackedRepository
from apps.integrations.sources.git.access import clones_for, open_clone
from apps.integrations.sources.git.errors import NotGranted, OutsideRoot
from apps.teams.services import create_team
from apps.users.models import User
from tests.integrations.git.conftest import Builder


@pytest.fixture
def root(tmp_path, settings):
    settings.GIT_SOURCE_ROOT = tmp_path
    for path in ("acme/api", "globex/secret-project"):
        Builder(tmp_path / path).commit("Begin")
    return tmp_path


@pytest.fixture
def team(db):
    return create_team("X", User.objects.create_user("owner@x.example"))


@pytest.fixture
def owner(team):
    client = Client()
    client.force_login(User.objects.get(email="owner@x.example"))
    return client


def test_a_team_without_a_grant_lists_and_reads_nothing(root, team, owner):
    assert 'id="source-git"' not in owner.get("/t/x/onboarding/connect/").content.decode()
    assert owner.post("/t/x/onboarding/connect/", {"source": "git"}).status_code == 422
    assert not Connection.objects.for_team(team).exists()
    with pytest.raises(NotGranted):
        clones_for(team)
    with pytest.raises(NotGranted):
        open_clone(team, "acme/api")


def test_a_hand_made_key_starts_nothing(root, team, owner):
    data = {"shown": "git:acme/api", "pick": "git:acme/api"}
    owner.post("/t/x/onboarding/start/", data)
    owner.post("/t/x/onboarding/repositories/", data)
    assert not TrackedRepository.objects.for_team(team).exists()


def test_a_grant_lets_read_and_its_end_ends_it(root, team, owner):
    call_command("grant_source", "x", "git")
    owner.post("/t/x/onboarding/connect/", {"source": "git"})
    assert b"secret-project" in owner.get("/t/x/onboarding/repositories/").content
    assert open_clone(team, "acme/api").name == "local/acme/api"
    call_command("grant_source", "x", "git", "--revoke")
    page = owner.get("/t/x/onboarding/repositories/?again=1", follow=True).content
    assert b"secret-project" not in page
    with pytest.raises(NotGranted):
        open_clone(team, "acme/api")


def test_a_grant_of_a_folder_reads_nothing_beside_it(root, team):
    grant(team, "git", folder="acme")
    assert clones_for(team) == (["acme/api"], False)
    assert open_clone(team, "acme/api").trunk == "main"
    for path in (
        "globex/secret-project",
        "acme/../globex/secret-project",
        str(root / "globex/secret-project"),
        "acmes",
    ):
        with pytest.raises(OutsideRoot):
            open_clone(team, path)


@pytest.mark.parametrize("folder", ["..", "/etc", "acme/../..", "a\0b"])
def test_a_folder_outside_the_root_is_not_granted(root, team, folder):
    with pytest.raises(ValueError):
        grant(team, "git", folder=folder)


def test_command_names_the_folder_and_needs_a_root(root, team, settings, capsys):
    call_command("grant_source", team.slug, "git", "--folder", "acme")
    assert str(root / "acme") in capsys.readouterr().out
    call_command("grant_source", team.slug, "git", "--folder", "nothing-yet")
    assert capsys.readouterr().err
    settings.GIT_SOURCE_ROOT = None
    with pytest.raises(CommandError):
        call_command("grant_source", team.slug, "git")
