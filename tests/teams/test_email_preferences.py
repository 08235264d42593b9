"""What a person gets by email is chosen per team and kind, on one page, or by the link
in an email.
"""

from urllib.parse import urlsplit

import pytest
from django.test import Client

from apps.mail.models import OutboxMessage
from apps.teams import joining
from apps.teams.emails import EmailKind, field_of, stop_link
from apps.teams.services import create_team, recipients_of
from tests.mail.every_kind import person

pytestmark = pytest.mark.django_db

PAGE = "/account/emails/"


@pytest.fixture
def owner():
    return person("lead@acme.example")


@pytest.fixture
def team(owner):
    return create_team("Acme", owner)


@pytest.fixture
def page(client, owner, team):
    client.force_login(owner)
    return client


def saved(user):
    membership = user.memberships.get()
    return {kind for kind in EmailKind if getattr(membership, field_of(kind))}


@pytest.mark.parametrize("kind", list(EmailKind))
def test_each_kind_is_turned_off_and_on_again(page, owner, team, kind):
    others = set(EmailKind) - {kind}
    assert page.post(PAGE, {f"{team.pk}-{other}": "on" for other in others}).status_code == 303
    assert saved(owner) == others
    page.post(PAGE, {f"{team.pk}-{each}": "on" for each in EmailKind})
    assert saved(owner) == set(EmailKind)


def test_teams_are_chosen_apart(page, owner, team):
    other = create_team("Globex", owner)
    page.post(PAGE, {f"{other.pk}-digest": "on"})
    assert not owner.memberships.get(team=team).digest
    assert owner.memberships.get(team=other).digest


def test_member_sees_only_what_members_get(team, client):
    dev = person("dev@acme.example")
    team.memberships.create(user=dev, role="member")
    client.force_login(dev)
    content = client.get(PAGE).content.decode()
    shown = [kind for kind in EmailKind if f'name="{team.pk}-{kind}"' in content]
    assert shown == [EmailKind.DIGEST]
    client.post(PAGE, {f"{team.pk}-failures": "on"})
    membership = dev.memberships.get()
    assert (membership.digest, membership.email_failures) == (False, True)


def test_preferences_of_another_person_are_out_of_reach(page, owner, team):
    other = person("other@globex.example")
    theirs = create_team("Globex", other)
    page.post(
        PAGE, {f"{team.pk}-{kind}": "on" for kind in EmailKind} | {f"{theirs.pk}-digest": ""}
    )
    assert saved(other) == set(EmailKind)
    assert f'name="{theirs.pk}-digest"' not in page.get(PAGE).content.decode()


def test_kinds_that_are_always_sent_are_listed(page):
    content = page.get(PAGE).content.decode()
    assert 'data-always="security"' in content


def test_account_menu_leads_to_the_page(page):
    assert f'href="{PAGE}"' in page.get(PAGE).content.decode()


def test_visitor_is_led_to_sign_in(client):
    answer = client.get(PAGE)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/")


def test_turned_off_join_requests_are_not_emailed(owner, team):
    joining.add_domain(team, owner, "acme.example")
    owner.memberships.update(email_join_requests=False)
    joining.ask(team, person("ada@acme.example"))
    assert not OutboxMessage.objects.exists()
    assert owner in recipients_of(team)


@pytest.mark.parametrize("kind", list(EmailKind))
def test_one_click_turns_one_kind_off_without_session_or_token(owner, team, kind):
    path = urlsplit(stop_link(owner.memberships.get(), kind)).path
    program = Client(enforce_csrf_checks=True)
    assert program.get(path).status_code == 200
    assert saved(owner) == set(EmailKind)
    assert program.post(path, {"List-Unsubscribe": "One-Click"}).status_code == 200
    assert saved(owner) == set(EmailKind) - {kind}
    program.post(path, {"digest": "on"})
    assert saved(owner) == set(EmailKind)


def test_join_request_has_one_click_headers(owner, team):
    joining.add_domain(team, owner, "acme.example")
    joining.ask(team, person("ada@acme.example"))
    headers = OutboxMessage.objects.get().headers
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert "/account/emails/stop/" in headers["List-Unsubscribe"]
