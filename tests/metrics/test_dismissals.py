"""A team may be told no more of a finding, for a reason, until somebody takes that
back.
"""

import re

import pytest
from django.urls import reverse
from django.utils import timezone

from apps.metrics.factories import PullRequestFactory
from apps.metrics.models import Insight, InsightDismissal
from apps.teams.models import Role
from apps.teams.services import create_team
from apps.users.models import User

REASON = "We know <b>it</b>; the release was planned."


@pytest.fixture
def insight(team, repository):
    PullRequestFactory(repository=repository)
    kept = {
        "team": team,
        "date": timezone.now().date(),
        "title": "Reviews wait longer",
        "effect": 1.0,
    }
    Insight.objects.for_team(team).create(rule="review-wait", subject="team", **kept)
    return Insight.objects.for_team(team).get()


@pytest.fixture
def member(team):
    user = User.objects.create_user("mara@acme.example")
    team.memberships.create(user=user, role=Role.MEMBER)
    return user


@pytest.fixture
def page(client, team, member):
    client.force_login(member)
    return reverse("metrics:dashboard", args=[team.slug])


def act(client, team, verb, **fields):
    return client.post(reverse(f"metrics:{verb}", args=[team.slug]), fields, follow=True)


def shown(page):
    """Return how many insights a page offers to dismiss, and how many it lists as
    dismissed.
    """
    html = page.content.decode()
    dismissed = re.search(r'data-dismissed="(\d+)"', html)
    return len(re.findall(r'name="insight"', html)), int(dismissed[1]) if dismissed else 0


def test_a_finding_is_dismissed_for_a_reason_and_brought_back(
    client, team, insight, page, member
):
    assert shown(client.get(page)) == (1, 0)
    after = act(client, team, "dismiss", insight=insight.pk, reason=REASON)
    assert after.redirect_chain == [(page, 303)]
    assert shown(after) == (0, 1)
    assert "We know &lt;b&gt;it&lt;/b&gt;; the release was planned." in after.content.decode()
    assert InsightDismissal.objects.for_team(team).get().dismissed_by == member
    assert shown(act(client, team, "restore", rule="review-wait", subject="team")) == (1, 0)


@pytest.mark.parametrize("reason", ["", "   "])
def test_without_a_reason_it_stays(client, team, insight, page, reason):
    page = act(client, team, "dismiss", insight=insight.pk, reason=reason)
    assert [message.level_tag for message in page.context["messages"]] == ["error"]
    assert not InsightDismissal.objects.for_team(team).exists()


@pytest.mark.parametrize("number", ["", "x", "0", "9" * 30])
def test_a_finding_that_is_not_there_cannot_be_dismissed(client, team, insight, page, number):
    assert act(client, team, "dismiss", insight=number, reason="Why not").status_code == 404


def test_another_teams_finding_is_none_of_ours(client, insight):
    stranger = User.objects.create_user("eve@elsewhere.example")
    theirs = create_team("Elsewhere", stranger)
    client.force_login(stranger)
    assert (
        act(client, theirs, "dismiss", insight=insight.pk, reason="Mine now").status_code == 404
    )
    assert not InsightDismissal.objects.across_teams().exists()
