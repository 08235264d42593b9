"""The weekly mail: on Monday morning where the team is, once a week and person, stopped
by one click.
"""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.core import signing

from apps.mail.models import OutboxMessage
from apps.metrics.factories import RepositoryFactory
from apps.metrics.figures.weekly import recompute
from apps.metrics.models import Insight, PullRequest, WeeklyMetrics
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


def test_the_figures_are_those_of_the_weekly_table(team, merged_work):
    messages = digest.queue(team, NOW)
    assert {message.recipient for message in messages} == {
        "lead@acme.example",
        "dev@acme.example",
    }
    row = WeeklyMetrics.objects.for_team(team).get(scope="team", week=MONDAY.date())
    assert (row.merged, row.time_to_merge_hours_median) == (2, 5.0)
    lines = figures_in(messages[0].html)
    assert lines["merged"][:2] == ("2", "1")
    assert lines["time_to_merge"][:2] == ("5 h", "10 h")
    assert lines["ai_assisted"][:2] == ("50 %", "0 %")
    for value, before, _ in lines.values():
        assert value in messages[0].text.replace("\N{NO-BREAK SPACE}", " ")
        assert before in messages[0].text.replace("\N{NO-BREAK SPACE}", " ")


def figures_in(html):
    """Return value, value before, and whether they differ by more than chance, by the
    figure's key.
    """
    html = html.replace("\N{NO-BREAK SPACE}", " ")
    found = re.findall(
        r'data-figure="(\w+)"\s+data-value="([^"]*)"\s+data-before="([^"]*)"\s+data-differs="(\w+)"',
        html,
    )
    return {key: tuple(rest) for key, *rest in found}


def insights_in(message):
    """Return the subjects of the insights shown as new, and how many others are still
    open.
    """
    shown = re.findall(r'data-insight="\S+ (\S+)"', message.html)
    return shown, int(re.search(r'data-still-open="(\d+)"', message.html)[1])


def insight(team, subject, day, effect, pull=None):
    evidence = {"pull_requests": [pull.pk]} if pull else {}
    return Insight.objects.create(
        team=team,
        date=day,
        rule="review-wait",
        subject=subject,
        title=f"About {subject}",
        evidence=evidence,
        effect=effect,
    )


def of(messages, recipient):
    return next(message for message in messages if message.recipient == recipient)


def test_insights_of_the_last_email_are_counted_and_not_repeated(team, merged_work):
    for number in range(3):
        insight(team, f"repository:{number}", MONDAY.date(), 0.9)
    first = of(digest.queue(team, NOW), "dev@acme.example")
    assert insights_in(first) == (["repository:0", "repository:1", "repository:2"], 0)
    week_later = NOW + timedelta(days=7)
    for number in range(3):
        insight(team, f"repository:{number}", MONDAY.date() + timedelta(days=7), 0.9)
    insight(team, "repository:9", MONDAY.date() + timedelta(days=7), 0.1)
    merged(RepositoryFactory(team=team), -1, 5)
    recompute(team.pk)
    second = of(digest.queue(team, week_later), "dev@acme.example")
    assert insights_in(second) == (["repository:9"], 3)
    assert first.subject != second.subject


def test_insights_and_figures_lead_to_their_pull_requests(team, merged_work, client):
    pull = PullRequest.objects.for_team(team).first()
    found = insight(team, "repository:1", MONDAY.date(), 0.9, pull)
    message = of(digest.queue(team, NOW), "dev@acme.example")
    links = [urlsplit(unescape(link)) for link in re.findall(r'href="([^"]+)"', message.html)]
    lists = {link.query: link.path for link in links if link.path.endswith("/pull-requests/")}
    assert set(lists) == {f"finding={found.pk}", "state=merged&week=2026-02-09"}
    client.force_login(User.objects.get(email="dev@acme.example"))
    for query, path in lists.items():
        page = client.get(f"{path}?{query}").content.decode()
        assert page.count('class="pull') or pull.title in page


def test_difference_within_chance_is_not_judged(team):
    repository = RepositoryFactory(team=team)
    for number in range(30):
        merged(repository, 0, 10 + number % 7)
        merged(repository, 1, 10 + number % 7)
    recompute(team.pk)
    assert {
        differs for *_, differs in figures_in(digest.queue(team, NOW)[0].html).values()
    } == {"no"}


def test_difference_beyond_chance_is_marked(team):
    repository = RepositoryFactory(team=team)
    for number in range(30):
        merged(repository, 0, 40 + number % 7)
        merged(repository, 1, 10 + number % 7)
    recompute(team.pk)
    lines = figures_in(digest.queue(team, NOW)[0].html)
    assert (lines["time_to_merge"][2], lines["merged"][2]) == ("yes", "no")


def test_a_week_is_mailed_once_however_often_it_is_due(team, merged_work):
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


def test_one_click_stops_it_without_signing_in(team, merged_work, client):
    message = next(
        each for each in digest.queue(team, NOW) if each.recipient == "dev@acme.example"
    )
    stop = message.headers["List-Unsubscribe"].strip("<>")
    assert message.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert stop in message.text
    assert stop in message.html
    path = urlsplit(stop).path
    # Looking at it changes nothing: mail scanners open links.
    assert 'data-wanted="yes"' in client.get(path).content.decode()
    assert team.memberships.get(user__email="dev@acme.example").digest
    answer = client.post(path, {"List-Unsubscribe": "One-Click"})
    assert (answer.status_code, b'data-wanted="no"' in answer.content) == (200, True)
    OutboxMessage.objects.all().delete()
    assert [each.recipient for each in digest.queue(team, NOW)] == ["lead@acme.example"]
    client.post(path, {"digest": "on"})
    assert len(digest.queue(team, NOW)) == 2


def test_an_address_that_was_made_up_stops_nothing(team, client):
    assert client.get("/weekly-mail/made-up/").status_code == 404


def test_link_of_an_earlier_release_still_stops_it(team, client):
    dev = team.memberships.get(user__email="dev@acme.example")
    path = f"/weekly-mail/{signing.dumps(dev.pk, salt='weekly-digest')}/"
    client.post(path, {"List-Unsubscribe": "One-Click"})
    dev.refresh_from_db()
    assert not dev.digest


def test_unconfirmed_member_gets_no_digest(team, merged_work):
    dev = User.objects.get(email="dev@acme.example")
    row = EmailAddress.objects.create(user=dev, email=dev.email, primary=True, verified=False)
    assert [each.recipient for each in digest.queue(team, NOW)] == ["lead@acme.example"]
    row.verified = True
    row.save()
    assert {each.recipient for each in digest.queue(team, NOW)} == {
        "lead@acme.example",
        "dev@acme.example",
    }
