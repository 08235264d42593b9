"""Teams that OIDC_GROUPS names and that do not exist are reported."""

import pytest
from django.core.management import call_command
from prometheus_client.parser import text_string_to_metric_families

from apps.teams.services import create_team
from apps.users.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def groups(settings):
    settings.OIDC_GROUPS = {
        "engineers": [("acme", "member")],
        "leads": [("acme", "admin"), ("acne", "owner")],
    }


def test_check_of_the_database_names_the_unknown_team(capsys):
    create_team("Acme", User.objects.create_user("mara@acme.example"))
    call_command("check", databases=["default"])
    reported = capsys.readouterr().err
    assert "teams.W001" in reported
    assert "'acne'" in reported
    assert "'acme'" not in reported


def test_check_is_silent_when_every_team_exists(capsys, settings):
    create_team("Acme", User.objects.create_user("mara@acme.example"))
    settings.OIDC_GROUPS = {"engineers": [("acme", "member")]}
    call_command("check", databases=["default"])
    assert "teams.W001" not in capsys.readouterr().err


def test_metric_counts_the_unknown_teams(client):
    def unknown():
        text = client.get("/metrics").content.decode()
        families = {family.name: family for family in text_string_to_metric_families(text)}
        assert families["firstlight_up"].samples[0].value == 1
        return families["firstlight_oidc_unknown_teams"].samples[0].value

    assert unknown() == 2
    create_team("Acme", User.objects.create_user("mara@acme.example"))
    assert unknown() == 1
