"""Inviting by e-mail: once, for a week, for one address, by a POST."""

import re
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.test import Client
from django.utils import timezone

from apps.mail.models import OutboxMessage
from apps.teams import invitations
from apps.teams.members import NotPossible
from apps.teams.models import Invitation, Membership, Role
from apps.teams.services import create_team, role_of
from apps.users.models import User
from tests.teams.conftest import at, in_threads, person, words


def invite(team, people, email="new@example.com", role="member", by="owner"):
    return invitations.invite(team, people[by], email, role)


def link():
    """The path in the newest mail, with its token."""
    return re.search(r"http\S+(/invitations/\S+/)", OutboxMessage.objects.latest("pk").text)[1]


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def test_an_invitation_is_mailed_and_no_token_is_kept(team, as_):
    page = at(as_("admin"), "invite", team.slug, email=" New@Example.com ", role="member")
    assert "new@example.com" in words(page)
    mail = OutboxMessage.objects.get()
    assert (mail.recipient, mail.subject) == (
        "new@example.com",
        "admin invites you to Acme on Firstlight",
    )
    token = link().split("/")[2]
    assert token in mail.html
    row = Invitation.objects.for_team(team).get()
    assert token not in str(Invitation.objects.for_team(team).values().get())
    assert abs(row.expires_at - timezone.now() - timedelta(days=7)) < timedelta(minutes=1)


def test_a_name_with_markup_is_text_in_the_mail(people):
    team = create_team("<script>x</script>", people["owner"])
    invite(team, people)
    mail = OutboxMessage.objects.get()
    assert "<script>" not in mail.html
    assert "<script>x</script>" in mail.text


def test_somebody_without_an_account_signs_up_and_comes_back(team, people, settings):
    invite(team, people, role="admin")
    client, path = Client(), link()
    page = words(client.get(path))
    form = re.search(r'href="(/accounts/signup/[^"]+)"', page)[1].replace("&amp;", "&")
    assert 'value="new@example.com"' in words(client.get(form))
    data = {
        "email": "new@example.com",
        "password1": "a-long-enough-1",
        "password2": "a-long-enough-1",
    }
    response = client.post(form, data)
    assert (response.status_code, response["Location"]) == (302, path)
    # The invitation proved the address: nothing asks to confirm it.
    kinds = [
        message.headers.get("X-Firstlight-Email") for message in OutboxMessage.objects.all()
    ]
    assert [kind for kind in kinds if kind != "user_signed_up"] == ["invitation"]
    assert Membership.objects.filter(team=team).count() == 3  # signing up alone joins nothing
    response = client.post(path)
    assert (response.status_code, response["Location"]) == (303, f"/t/{team.slug}/home/")
    assert role_of(User.objects.get(email="new@example.com"), team) == Role.ADMIN


def test_opening_the_link_joins_nobody(team, people):
    invite(team, people, email="outsider@example.com")
    client = signed_in(people["outsider"])
    assert f"Join {team.name}" in words(client.get(link()))
    client.head(link())
    assert role_of(people["outsider"], team) is None


def test_another_address_is_told_so(team, people):
    invite(team, people)
    client = signed_in(people["outsider"])
    page = client.get(link())
    assert "You are signed in as outsider@example.com." in words(page)
    assert client.post(link()).status_code == 403
    assert role_of(people["outsider"], team) is None
    assert Invitation.objects.for_team(team).get().state == "open"


@pytest.mark.parametrize(("verified", "joins"), [(True, True), (False, False)])
def test_only_a_confirmed_second_address_counts(team, people, verified, joins):
    EmailAddress.objects.create(
        user=people["outsider"], email="New@example.com", verified=verified
    )
    invite(team, people)
    signed_in(people["outsider"]).post(link())
    assert (role_of(people["outsider"], team) is not None) is joins


def test_a_link_is_good_once(team, people):
    invite(team, people, email="outsider@example.com")
    client = signed_in(people["outsider"])
    client.post(link())
    assert "You have joined Acme" in words(client.get(link()))
    team.memberships.filter(user=people["outsider"]).delete()
    client.post(link())
    assert role_of(people["outsider"], team) is None
    assert signed_in(people["member"]).get(link()).status_code == 410


@pytest.mark.django_db(transaction=True)
def test_two_clicks_join_once():
    owner, new = person("owner"), person("new")
    team = create_team("Acme", owner)
    invitation = invitations.invite(team, owner, new.email, "member")
    results = in_threads(*[lambda: invitations.accept(invitation, new)] * 3)
    assert sum(isinstance(result, Membership) for result in results) == 1
    assert Membership.objects.filter(team=team, user=new).count() == 1


def test_a_link_ends_after_seven_days(team, people):
    invite(team, people, email="outsider@example.com")
    Invitation.objects.for_team(team).update(expires_at=timezone.now() - timedelta(seconds=1))
    client = signed_in(people["outsider"])
    assert client.get(link()).status_code == 410
    assert client.post(link()).status_code == 410
    with pytest.raises(NotPossible):
        invitations.accept(Invitation.objects.for_team(team).get(), people["outsider"])
    assert role_of(people["outsider"], team) is None


def test_a_withdrawn_link_and_a_made_up_one_are_told_so(team, people, as_):
    row = invite(team, people, email="outsider@example.com")
    at(as_("owner"), "revoke", team.slug, row.pk)
    client = signed_in(people["outsider"])
    assert client.post(link()).status_code == 410
    assert client.post("/invitations/made-up/").status_code == 404
    assert role_of(people["outsider"], team) is None


def test_sending_again_ends_the_earlier_link(team, people, as_):
    row = invite(team, people, email="outsider@example.com", role="admin")
    earlier = link()
    at(as_("admin"), "resend", team.slug, row.pk)
    assert link() != earlier
    client = signed_in(people["outsider"])
    assert client.post(earlier).status_code == 410
    client.post(link())
    assert role_of(people["outsider"], team) == Role.ADMIN


def test_who_is_in_the_team_keeps_the_role(team, people):
    invite(team, people, email="outsider@example.com")
    Membership.objects.create(team=team, user=people["outsider"], role=Role.ADMIN)
    signed_in(people["outsider"]).post(link())
    assert role_of(people["outsider"], team) == Role.ADMIN
    with pytest.raises(NotPossible, match="already in the team"):
        invite(team, people, email="OUTSIDER@example.com")


@pytest.mark.parametrize(
    ("by", "role", "email"),
    [
        ("admin", "owner", "new@example.com"),
        ("member", "member", "new@example.com"),
        ("outsider", "member", "new@example.com"),
        ("owner", "emperor", "new@example.com"),
        ("owner", "member", "no address"),
        ("owner", "member", "a@example.com\nBcc: b@example.com"),
    ],
)
def test_what_may_not_be_sent(team, people, by, role, email):
    with pytest.raises(NotPossible):
        invite(team, people, email, role, by)
    assert not OutboxMessage.objects.exists()


def test_refusal_is_shown_at_the_field_with_what_was_entered(team, as_):
    page = at(as_("owner"), "invite", team.slug, email="no <address>", role="admin")
    assert page.status_code == 422
    (field,) = re.findall(r'<input\s+id="invite-email"[^>]*>', words(page))
    assert 'value="no &lt;address&gt;"' in field
    assert 'aria-invalid="true"' in field
    (described_by,) = re.findall('aria-describedby="([^"]+)"', field)
    assert f'id="{described_by}"' in words(page)
    assert '<option value="admin" selected>' in words(page).partition('id="invite-role"')[2]


def test_no_more_than_so_many_a_day(team, people, monkeypatch):
    monkeypatch.setattr(invitations, "TEAM_LIMIT", 4)
    for _ in range(invitations.ADDRESS_LIMIT):
        invite(team, people, "same@example.com")
    with pytest.raises(NotPossible, match="tomorrow"):
        invite(team, people, "same@example.com")
    invite(team, people, "fourth@example.com")
    with pytest.raises(NotPossible, match="per day"):
        invite(team, people, "fifth@example.com", by="admin")
    Invitation.objects.for_team(team).update(
        created_at=timezone.now() - timedelta(days=1, minutes=1)
    )
    invite(team, people, "fifth@example.com")


def test_a_persons_limit_holds_over_all_their_teams(people, monkeypatch):
    monkeypatch.setattr(invitations, "PERSON_LIMIT", 2)
    teams = [create_team(f"Team {number}", people["owner"]) for number in range(3)]
    invite(teams[0], people)
    invite(teams[1], people)
    with pytest.raises(NotPossible):
        invite(teams[2], people)


def test_another_teams_invitations_are_out_of_reach(team, people, as_):
    row = invite(team, people)
    other = create_team("Other", people["outsider"])
    client = as_("outsider")
    assert "new@example.com" not in words(client.get(f"/t/{other.slug}/members/"))
    for act in ("revoke", "resend"):
        at(client, act, other.slug, row.pk)
        assert client.post(f"/t/{team.slug}/invitations/{row.pk}/{act}/").status_code == 404
    row.refresh_from_db()
    assert row.state == "open"
    assert OutboxMessage.objects.count() == 1
