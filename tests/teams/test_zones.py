"""A team's time zone is known, or it is UTC, and its pages state that."""

import pytest
from django.urls import reverse

from apps.teams.services import create_team
from apps.teams.zones import zone_or_utc


@pytest.mark.parametrize(
    "name", ["Atlantis/Port", "", "..", "Europe", "/etc/passwd", "US/Pacific\0", "x" * 60]
)
def test_unknown_zone_is_utc(name):
    assert zone_or_utc(name).key == "UTC"


def test_old_name_is_known():
    assert zone_or_utc("US/Pacific").key == "US/Pacific"


def test_pages_of_a_team_with_an_unknown_zone_state_utc(admin_client, admin_user):
    team = create_team("Lab", admin_user)
    type(team).objects.filter(pk=team.pk).update(time_zone="Atlantis/Port")
    for page in ("metrics:dashboard", "metrics:measures", "metrics:pull_requests"):
        assert admin_client.get(reverse(page, args=[team.slug])).status_code == 200
    assert (
        "Atlantis/Port is not known here"
        in admin_client.get(reverse("metrics:measures", args=[team.slug])).text
    )
