"""The settings of a team: who may change them, and what follows from another time zone."""

import pytest
from django.urls import reverse
from huey.contrib.djhuey import HUEY

from apps.metrics.factories import PullRequestFactory, RepositoryFactory
from apps.metrics.figures.weekly import recompute
from apps.metrics.models import WeeklyMetrics
from apps.pipelines.models import Run
from apps.teams.models import Role
from apps.teams.services import create_team
from apps.users.models import User
from tests.metrics.pages import MONDAY


@pytest.fixture
def team(transactional_db):
    HUEY.flush()
    yield create_team("Acme", User.objects.create_user("lead@acme.example"))
    HUEY.flush()


def keep(client, team, **values):
    return client.post(
        reverse("onboarding:team_settings", args=[team.slug]),
        {"name": "Acme", **values},
        follow=True,
    )


def test_another_time_zone_moves_the_weeks_of_the_table(client, team):
    client.force_login(team.members.get())
    PullRequestFactory(
        repository=RepositoryFactory(team=team), created_at=MONDAY, merged_at=MONDAY
    )
    recompute(team.pk)
    answer = keep(client, team, name=" Acme  Two ", time_zone="America/New_York")
    assert "recalculated" in answer.content.decode()
    team.refresh_from_db()
    assert (team.name, team.time_zone) == ("Acme Two", "America/New_York")
    HUEY.execute(HUEY.dequeue())
    assert Run.objects.get().state == "done"
    assert {f"{row.week:%G-W%V}" for row in WeeklyMetrics.objects.for_team(team)} == {
        "2026-W06"
    }
    keep(client, team, time_zone="America/New_York")
    assert Run.objects.count() == 1


def test_a_zone_that_is_none_is_refused_and_nothing_is_kept(client, team):
    client.force_login(team.members.get())
    answer = keep(client, team, time_zone="Mars/Olympus")
    assert answer.status_code == 422
    assert "Mars/Olympus is not one of the available choices" in answer.content.decode()
    team.refresh_from_db()
    assert team.time_zone == "UTC"


def test_members_may_neither_see_nor_change_them(client, team):
    member = User.objects.create_user("dev@acme.example")
    team.memberships.create(user=member, role=Role.MEMBER)
    client.force_login(member)
    assert keep(client, team, time_zone="Europe/Berlin").status_code == 403
    page = client.get(reverse("teams:members", args=[team.slug])).content.decode()
    assert "Settings" not in page
    team.refresh_from_db()
    assert team.time_zone == "UTC"
