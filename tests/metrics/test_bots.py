"""Bots: one rule for accounts of both sources, and the decisions of admins, which win
over it.
"""

from datetime import date, timedelta

import pytest
from django.urls import reverse

from apps.integrations.sources.git.people import person as signer
from apps.metrics.accounts import bot_decisions
from apps.metrics.factories import PullRequestFactory, TeamMemberFactory
from apps.metrics.figures.weekly import recompute
from apps.metrics.ingest.bots import is_bot_account, suspicion
from apps.metrics.ingest.identities import apply_bot_rule, remove_unseen
from apps.metrics.ingest.writer import ingest_pull_requests
from apps.metrics.models import Insight, TeamMember, WeeklyMetrics
from apps.metrics.records import PersonData
from apps.teams.models import Role
from apps.users.models import User
from tests.metrics.conftest import START, make_pull, make_review

BOTS = [
    "renovate-bot",
    "semantic-release-bot",
    "acme-release-bot",
    "k8s-ci-robot",
    "openshift-merge-robot",
    "bot-acme",
    "acme.bot",
    "Snyk-Bot",
    "dependabot[bot]",
    "rustbot",
    "BrewTestBot",
]
PEOPLE = [
    "talbot",
    "abbot",
    "lyle-talbot",
    "j.abbot",
    "botond",
    "robotics-fan",
    "robot",
    "ann",
    "bottomley",
    "cibotaru",
]


@pytest.fixture
def admin(team):
    user = User.objects.create_user("ada@acme.example")
    team.memberships.create(user=user, role=Role.ADMIN)
    return user


def post(client, team, member, decision, back="people"):
    path = reverse("metrics:decide_bot", args=[team.slug, member.pk])
    return client.post(path, {"decision": decision, "back": back})


def pickup(team):
    return WeeklyMetrics.objects.for_team(team).get(subject="team").pickup_hours_median


@pytest.mark.parametrize("login", BOTS)
def test_bots_by_name_are_bots_in_both_sources(repository, login):
    ingest_pull_requests(repository, [make_pull(author=PersonData(login, "", 7))])
    assert TeamMember.objects.for_team(repository.team_id).get().is_bot
    assert signer("Someone Else", f"{login}@example.com").is_bot


@pytest.mark.parametrize("login", PEOPLE)
def test_names_that_contain_bot_are_people_in_both_sources(repository, login):
    ingest_pull_requests(repository, [make_pull(author=PersonData(login, "Lyle Talbot", 7))])
    assert not TeamMember.objects.for_team(repository.team_id).get().is_bot
    assert not signer("Lyle Talbot", f"{login}@example.com").is_bot


def test_family_name_bot_is_a_person():
    assert not is_bot_account("jan", "Jan Bot")
    assert not signer("Jan Bot", "").is_bot
    assert not suspicion("talbot", "Lyle Talbot")


@pytest.mark.parametrize("login", ["acme-deploy", "acmebot", "jenkins~1a2b3c4d", "ci"])
def test_weaker_signs_are_suggestions(login):
    assert not is_bot_account(login)
    assert suspicion(login)


def test_review_by_a_bot_of_type_user_ends_no_wait(team, repository):
    soon, later = START + timedelta(minutes=1), START + timedelta(hours=1)
    robot = PersonData("k8s-ci-robot", "Kubernetes Prow Robot", 8)
    reviews = (
        make_review("r1", reviewer=robot, submitted_at=soon),
        make_review("r2", submitted_at=later),
    )
    ingest_pull_requests(repository, [make_pull(commits=(), reviews=reviews)])
    recompute(team.pk)
    assert pickup(team) == 1


def test_rule_reaches_members_stored_before_it(team):
    old = TeamMemberFactory(team=team, login="renovate-bot")
    person = TeamMemberFactory(team=team, login="talbot")
    decided = TeamMemberFactory(team=team, login="acme-bot", bot_decision=False)
    assert apply_bot_rule(team.pk) == 1
    assert TeamMember.objects.for_team(team).get(pk=old.pk).is_bot
    assert not TeamMember.objects.for_team(team).filter(
        pk__in=[person.pk, decided.pk], is_bot=True
    )


def test_account_with_a_new_login_is_judged_by_it(repository):
    for login in ("acme-bot", "ann"):
        ingest_pull_requests(repository, [make_pull(author=PersonData(login, "", 7))])
    assert not TeamMember.objects.for_team(repository.team_id).get().is_bot


def test_decision_acts_at_once_and_undo_takes_it_back(team, repository, admin, client):
    soon, later = START + timedelta(minutes=1), START + timedelta(hours=1)
    gate = PersonData("gatekeeper", "", 8)
    reviews = (
        make_review("r1", reviewer=gate, submitted_at=soon),
        make_review("r2", submitted_at=later),
    )
    ingest_pull_requests(repository, [make_pull(commits=(), reviews=reviews)])
    recompute(team.pk)
    member = TeamMember.objects.for_team(team).get(login="gatekeeper")
    before = list(WeeklyMetrics.objects.for_team(team).order_by("subject").values())
    client.force_login(admin)
    assert post(client, team, member, "bot").status_code == 303
    assert pickup(team) == 1
    page = client.get(reverse("metrics:people", args=[team.slug]))
    assert f'data-bot-decision="{member.pk}"' in page.content.decode()
    post(client, team, member, "undo", back="member")
    after = list(WeeklyMetrics.objects.for_team(team).order_by("subject").values())
    for row in [*before, *after]:
        row.pop("id")
    assert after == before
    member.refresh_from_db()
    assert (member.is_bot, member.bot_decision, member.bot_decided_by) == (False, None, None)


@pytest.mark.parametrize("decision", ["bot", "person"])
def test_decision_survives_refreshes_and_wins_over_the_rule(
    team, repository, admin, client, decision
):
    login = "gatekeeper" if decision == "bot" else "acme-bot"
    pull = make_pull(author=PersonData(login, "", 8))
    ingest_pull_requests(repository, [pull])
    member = TeamMember.objects.for_team(team).get(login=login)
    client.force_login(admin)
    post(client, team, member, decision)
    renamed = make_pull(
        author=PersonData(login, "Another Name", 8, is_bot=decision == "person")
    )
    ingest_pull_requests(repository, [renamed])
    apply_bot_rule(team.pk)
    member.refresh_from_db()
    assert (member.name, member.is_bot) == ("Another Name", decision == "bot")
    repository.pull_requests.all().delete()
    remove_unseen(team.pk)
    assert TeamMember.objects.for_team(team).filter(pk=member.pk)


def test_members_cannot_decide(team, visit, client):
    member = TeamMemberFactory(team=team, login="acme-bot", is_bot=True)
    assert f'data-bot-suggestion="{member.pk}"' in visit("people").content.decode()
    assert post(client, team, member, "person").status_code == 403
    member.refresh_from_db()
    assert member.bot_decision is None


def test_suggestions_name_accounts_of_both_kinds_until_decided(team, admin, client):
    counted = TeamMemberFactory(team=team, login="renovate-bot", is_bot=True)
    weak = TeamMemberFactory(team=team, login="acme-deploy", name="")
    TeamMemberFactory(team=team, login="dependabot[bot]", name="", is_bot=True)
    TeamMemberFactory(team=team, login="talbot", name="Lyle Talbot")
    assert [one.pk for one in bot_decisions.suggestions(team.pk)] == [weak.pk, counted.pk]
    client.force_login(admin)
    members_page = client.get(reverse("teams:members", args=[team.slug])).content.decode()
    assert 'data-bot-suggestions="2"' in members_page
    post(client, team, weak, "person")
    assert [one.pk for one in bot_decisions.suggestions(team.pk)] == [counted.pk]


def test_deleted_accounts_cannot_be_decided_about(team, repository, admin, client):
    ingest_pull_requests(repository, [make_pull(author=None)])
    ghost = TeamMember.objects.for_team(team).get()
    client.force_login(admin)
    assert post(client, team, ghost, "bot").status_code == 404


def test_findings_show_the_day_they_are_of_after_a_decision(team, repository, admin, client):
    """The figures follow at once; the findings are those of the last refresh, and the
    page states it.
    """
    author = TeamMemberFactory(team=team, login="acme-deploy")
    PullRequestFactory(repository=repository, author=author)
    Insight.objects.create(
        team=team, date=date(2026, 2, 10), rule="time-to-merge", subject="team", title="Slower"
    )
    client.force_login(admin)
    post(client, team, author, "bot")
    page = client.get(reverse("metrics:dashboard", args=[team.slug])).content.decode()
    assert "Slower" in page
    assert 'data-as-of="2026-02-10"' in page
