"""No email makes a link of a team's name, which its owner chose and other people read."""

import pytest
from allauth.account.models import EmailAddress

from apps.mail.models import OutboxMessage
from apps.onboarding.services import digest, notifications
from apps.onboarding.services.runs import totals_of
from apps.pipelines import engine
from apps.teams import invitations, joining
from apps.teams.models import Team
from apps.teams.services import create_team
from apps.users.models import User
from tests.metrics.pages import MONDAY
from tests.onboarding.test_digest import NOW

JOINER = "\u2060"
NAME = "Win at https://evil.example/x or www.evil.example or evil.example"


def person(email):
    user = User.objects.create_user(email)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
    return user


@pytest.fixture
def team(db):
    """A team whose name is from before names with web addresses were refused."""
    team = create_team("Acme", person("owner@acme.example"))
    Team.objects.filter(pk=team.pk).update(name=NAME, onboarding_pipeline_completed_at=MONDAY)
    team.refresh_from_db()
    return team


@pytest.fixture
def owner(team):
    return team.members.get()


@pytest.fixture
def run(team):
    started, _ = engine.start(
        "onboarding", subject=f"team:{team.pk}", params={"team_id": team.pk}, send=False
    )
    return started


def assert_no_link():
    """Check every email of the test: the name is in it, and nothing of it is an
    address.
    """
    assert OutboxMessage.objects.exists()
    for message in OutboxMessage.objects.all():
        assert f"evil{JOINER}" not in message.recipient
        for part in (message.subject, message.text, message.html):
            if not part:
                continue
            assert "evil.example" not in part
            assert "https://evil" not in part
            assert "www.evil" not in part
            assert NAME in part.replace(JOINER, "")


def test_invitation_has_no_link_of_the_name(team, owner):
    invitations.invite(team, owner, "new@example.com", "member")
    assert_no_link()


def test_welcome_email_has_no_link_of_the_name(team, owner):
    notifications.send_welcome_email(owner, team)
    assert_no_link()


def test_completion_email_has_no_link_of_the_name(team, owner, run):
    notifications.send_sync_complete_email(run, owner, totals_of(team.pk, None), [])
    assert_no_link()


def test_failure_email_has_no_link_of_the_name(team, run):
    assert notifications.send_onboarding_failed_email(run, "GitHub answered 500.")
    assert_no_link()


def test_digest_has_no_link_of_the_name(team, merged_work):
    assert digest.queue(team, NOW)
    assert_no_link()


def test_request_to_join_has_no_link_of_the_name(team, owner):
    joining.add_domain(team, owner, "acme.example")
    joining.ask(team, person("ada@acme.example"))
    assert_no_link()


def test_answer_to_a_request_has_no_link_of_the_name(team, owner):
    joining.add_domain(team, owner, "acme.example")
    request = joining.ask(team, person("ada@acme.example"))
    OutboxMessage.objects.all().delete()
    joining.approve(team, owner, request.pk)
    assert_no_link()
