"""How many teams one account may own (`TEAMS_PER_ACCOUNT`)."""

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from apps.teams.models import Membership, Role, Team
from apps.teams.services import create_team

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def two_teams_per_account(settings):
    settings.TEAMS_PER_ACCOUNT = 2


def create(client, name):
    return client.post(reverse("teams:create"), {"name": name})


def test_account_with_the_most_teams_gets_an_error(people, as_):
    browser = as_("outsider")
    assert [create(browser, name).status_code for name in ("One", "Two")] == [303, 303]
    response = create(browser, "Three")
    assert response.status_code == 422
    assert "2 teams" in response.context["form"].non_field_errors()[0]
    assert Team.objects.count() == 2


def test_deleted_team_makes_room(people, as_):
    browser = as_("outsider")
    for name in ("One", "Two"):
        create(browser, name)
    Team.objects.get(name="One").delete()
    assert create(browser, "Three").status_code == 303


def test_teams_of_others_do_not_count(people, as_):
    for name in ("One", "Two", "Three"):
        Membership.objects.create(
            team=create_team(name, people["owner"]), user=people["outsider"], role=Role.ADMIN
        )
    assert create(as_("outsider"), "Mine").status_code == 303


def test_superuser_has_no_limit(people, as_):
    get_user_model().objects.filter(pk=people["outsider"].pk).update(is_superuser=True)
    browser = as_("outsider")
    assert [create(browser, str(number)).status_code for number in range(4)] == [303] * 4
