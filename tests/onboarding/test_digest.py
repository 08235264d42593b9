"""The weekly mail: on Monday morning where the team is, once a week and person, stopped by one click."""

from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest

from apps.mail.models import OutboxMessage
from apps.metrics.factories import RepositoryFactory
from apps.metrics.models import WeeklyMetrics
from apps.metrics.weekly import recompute
from apps.onboarding.services import digest
from apps.teams.models import Team
from apps.teams.services import create_team
from apps.users.models import User
from tests.metrics.pages import MONDAY, merged

pytestmark = pytest.mark.django_db

# The Monday after the week of `MONDAY`, at eight in the morning.
NOW = MONDAY + timedelta(days=7, hours=8)


@pytest.fixture
def team():
    team = create_team("Acme", User.objects.create_user("lead@acme.example"))
    team.memberships.create(user=User.objects.create_user("dev@acme.example"), role="member")
    Team.objects.filter(pk=team.pk).update(onboarding_pipeline_completed_at=MONDAY)
    team.refresh_from_db()
    return team


@pytest.fixture
def work(team):
    repository = RepositoryFactory(team=team)
    for weeks_ago, hours in ((0, 4), (0, 6), (1, 10)):
        merged(repository, weeks_ago, hours, ai_assisted=hours == 4, ai_tools=["claude"] if hours == 4 else [])
    recompute(team.pk)


def test_the_figures_are_those_of_the_weekly_table(team, work):
    messages = digest.queue(team, NOW)
    assert {message.recipient for message in messages} == {"lead@acme.example", "dev@acme.example"}
    row = WeeklyMetrics.objects.for_team(team).get(scope="team", week=MONDAY.date())
    assert (row.merged, row.time_to_merge_hours_median) == (2, 5.0)
    text = messages[0].text
    assert "2  merged (the week before: 1)" in text
    assert "5 h  to merge, median (the week before: 10 h)" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert "50 %  AI-assisted, at least (the week before: 0 %)" in text.replace("\N{NO-BREAK SPACE}", " ")
    assert "the week of 9 February" in messages[0].subject


def test_a_week_is_mailed_once_however_often_it_is_due(team, work):
    for _ in range(3):
        digest.queue(team, NOW)
    assert OutboxMessage.objects.count() == 2
    digest.queue(team, NOW + timedelta(days=7))
    # Nothing was done in the week after.
    assert OutboxMessage.objects.count() == 2


@pytest.mark.parametrize(
    ("zone", "hour", "is_due"),
    [
        ("UTC", 6, False),
        ("UTC", 7, True),
        ("Asia/Tokyo", 0, True),
        ("America/New_York", 10, False),
        ("America/New_York", 13, True),
    ],
)
def test_it_leaves_on_the_teams_own_monday_morning(team, zone, hour, is_due):
    Team.objects.filter(pk=team.pk).update(time_zone=zone)
    monday = datetime(2026, 2, 16, hour, tzinfo=UTC)
    assert (team in digest.due(monday)) is is_due
    assert team not in digest.due(monday + timedelta(days=2))


def test_one_click_stops_it_without_signing_in(team, work, client):
    message = next(each for each in digest.queue(team, NOW) if each.recipient == "dev@acme.example")
    stop = message.headers["List-Unsubscribe"].strip("<>")
    assert message.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert stop in message.text
    assert stop in message.html
    path = urlsplit(stop).path
    # Looking at it changes nothing: mail scanners open links.
    assert "Stop the weekly mail?" in client.get(path).content.decode()
    assert team.memberships.get(user__email="dev@acme.example").digest
    client.post(path, {"List-Unsubscribe": "One-Click"})
    OutboxMessage.objects.all().delete()
    assert [each.recipient for each in digest.queue(team, NOW)] == ["lead@acme.example"]
    client.post(path, {"digest": "on"})
    assert len(digest.queue(team, NOW)) == 2


def test_an_address_that_was_made_up_stops_nothing(team, client):
    assert client.get("/weekly-mail/made-up/").status_code == 404
