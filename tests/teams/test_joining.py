"""Joining a team by the domain of one's confirmed address, with the approval of an
admin.
"""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from apps.mail.models import OutboxMessage
from apps.teams import joining
from apps.teams.models import JoinDomain, JoinRequest, Membership, Role
from apps.teams.services import create_team
from apps.users.models import User


def person(email, *, verified=True):
    user = User.objects.create_user(email)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=verified)
    return user


@pytest.fixture
def owner(db):
    return person("owner@example.com")


@pytest.fixture
def acme(owner):
    return create_team("Acme", owner)


@pytest.fixture
def open_acme(acme, owner):
    """Acme, open to people at example.com."""
    joining.add_domain(acme, owner, "example.com")
    return acme


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def ask(client, team):
    return client.post(reverse("teams:ask_to_join", args=[team.pk]))


def offers(user):
    """The pages of a person without a team."""
    client = client_of(user)
    pages = client.get(reverse("teams:create")).text, client.get("/").text
    shown = ["data-joinable" in page for page in pages]
    assert shown[0] == shown[1]
    return shown[0]


def test_person_at_the_domain_asks_and_is_approved(open_acme, owner):
    ada = person("ada@example.com")
    client = client_of(ada)
    assert offers(ada)
    ask(client, open_acme)
    ask(client, open_acme)
    assert "data-asked" in client.get("/").text
    row = JoinRequest.objects.for_team(open_acme).get()
    assert client.get(reverse("teams:members", args=["acme"])).status_code == 404
    assert [mail.recipient for mail in OutboxMessage.objects.all()] == ["owner@example.com"]
    page = client_of(owner).get(reverse("teams:members", args=["acme"])).text
    assert f'data-join-request="{row.pk}"' in page
    client_of(owner).post(reverse("teams:join_approve", args=["acme", row.pk]))
    assert Membership.objects.get(team=open_acme, user=ada).role == Role.MEMBER
    assert client.get(reverse("teams:members", args=["acme"])).status_code == 200
    assert OutboxMessage.objects.filter(recipient="ada@example.com").count() == 1
    assert not offers(ada)


def test_declined_person_can_ask_again_after_a_pause(open_acme, owner):
    ada = person("ada@example.com")
    client = client_of(ada)
    ask(client, open_acme)
    row = JoinRequest.objects.for_team(open_acme).get()
    client_of(owner).post(reverse("teams:join_decline", args=["acme", row.pk]))
    assert not Membership.objects.filter(team=open_acme, user=ada).exists()
    ask(client, open_acme)
    assert JoinRequest.objects.for_team(open_acme).count() == 1
    JoinRequest.objects.for_team(open_acme).update(
        created_at=timezone.now() - joining.PAUSE - timedelta(minutes=1)
    )
    ask(client, open_acme)
    assert JoinRequest.objects.for_team(open_acme).count() == 2


@pytest.mark.parametrize(
    "email",
    [
        "eve@example.org",
        "eve@sub.example.com",
        "eve@example.com.evil.example",
        "eve@notexample.com",
    ],
)
def test_person_elsewhere_does_not_learn_of_the_team(open_acme, email):
    eve = person(email)
    client = client_of(eve)
    assert not offers(eve)
    assert ask(client, open_acme).status_code == 404
    assert client.get(reverse("teams:ask_to_join", args=[open_acme.pk])).status_code == 404
    assert not JoinRequest.objects.for_team(open_acme).exists()


def test_person_without_a_confirmed_address_does_not_learn_of_the_team(open_acme):
    for eve in (
        person("eve@example.com", verified=False),
        User.objects.create_user("mallory@example.com"),
    ):
        assert joining.joinable_teams(eve) == []
        assert joining.find_team(eve, open_acme.pk) is None


def test_unknown_team_and_foreign_team_are_answered_alike(open_acme):
    client = client_of(person("eve@example.org"))
    foreign = ask(client, open_acme)
    unknown = client.post(reverse("teams:ask_to_join", args=[open_acme.pk + 1000]))
    assert (foreign.status_code, unknown.status_code) == (404, 404)
    assert b"Acme" not in foreign.content


def test_team_is_open_to_no_domain_at_first(acme):
    assert not offers(person("ada@example.com"))


@pytest.mark.parametrize(
    "domain", ["example.org", "gmail.com", "com", "", "exämple.com", "example.com\x00"]
)
def test_owner_opens_the_team_only_to_own_domains(acme, owner, domain):
    client_of(owner).post(reverse("teams:join_domain_add", args=["acme"]), {"domain": domain})
    assert not JoinDomain.objects.for_team(acme).exists()


def test_public_provider_is_never_a_team_s_domain(acme, owner):
    EmailAddress.objects.create(user=owner, email="owner@gmail.com", verified=True)
    client_of(owner).post(
        reverse("teams:join_domain_add", args=["acme"]), {"domain": "gmail.com"}
    )
    assert not JoinDomain.objects.for_team(acme).exists()
    assert joining.addable_domains(acme, owner) == ["example.com"]


def test_unconfirmed_address_of_the_owner_opens_nothing(acme, owner):
    EmailAddress.objects.create(user=owner, email="owner@victim.example", verified=False)
    client_of(owner).post(
        reverse("teams:join_domain_add", args=["acme"]), {"domain": "victim.example"}
    )
    assert not JoinDomain.objects.for_team(acme).exists()


@pytest.mark.parametrize("role", [Role.ADMIN, Role.MEMBER])
def test_only_owners_change_domains(open_acme, role):
    other = person("other@example.com")
    Membership.objects.create(team=open_acme, user=other, role=role)
    client = client_of(other)
    row = JoinDomain.objects.for_team(open_acme).get()
    client.post(reverse("teams:join_domain_remove", args=["acme", row.pk]))
    EmailAddress.objects.create(user=other, email="other@second.example", verified=True)
    client.post(reverse("teams:join_domain_add", args=["acme"]), {"domain": "second.example"})
    assert [each.domain for each in JoinDomain.objects.for_team(open_acme)] == ["example.com"]
    assert "join-domains" not in client.get(reverse("teams:members", args=["acme"])).text


@pytest.mark.parametrize(("role", "state"), [(Role.ADMIN, "approved"), (Role.MEMBER, "open")])
def test_admins_answer_requests_and_members_do_not(open_acme, role, state):
    other = person("other@example.com")
    Membership.objects.create(team=open_acme, user=other, role=role)
    request = joining.ask(open_acme, person("ada@example.com"))
    client_of(other).post(reverse("teams:join_approve", args=["acme", request.pk]))
    request.refresh_from_db()
    assert request.state == state


def test_answer_of_another_team_changes_nothing(open_acme):
    request = joining.ask(open_acme, person("ada@example.com"))
    stranger = person("stranger@example.com")
    create_team("Globex", stranger)
    for name in ("teams:join_approve", "teams:join_decline"):
        client_of(stranger).post(reverse(name, args=["globex", request.pk]))
    request.refresh_from_db()
    assert request.state == "open"


def test_person_who_lost_the_address_is_not_approved(open_acme, owner):
    ada = person("ada@example.com")
    request = joining.ask(open_acme, ada)
    EmailAddress.objects.filter(user=ada).delete()
    client_of(owner).post(reverse("teams:join_approve", args=["acme", request.pk]))
    assert not Membership.objects.filter(team=open_acme, user=ada).exists()


def test_closed_domain_hides_the_team_again(open_acme, owner):
    row = JoinDomain.objects.for_team(open_acme).get()
    client_of(owner).post(reverse("teams:join_domain_remove", args=["acme", row.pk]))
    ada = person("ada@example.com")
    assert not offers(ada)
    assert ask(client_of(ada), open_acme).status_code == 404


def test_person_asks_a_few_teams_a_day(db):
    owner, ada = person("owner@example.com"), person("ada@example.com")
    for number in range(joining.PERSON_LIMIT + 1):
        team = create_team(f"Team {number}", owner)
        joining.add_domain(team, owner, "example.com")
        ask(client_of(ada), team)
    assert JoinRequest.objects.across_teams().count() == joining.PERSON_LIMIT
