"""Making teams, roles, leaving: over HTTP, and at once by several people."""

import pytest
from django.urls import reverse

from apps.mail.models import OutboxMessage
from apps.teams.members import NotPossible, change_role, remove
from apps.teams.models import Membership, Role, Team
from apps.teams.services import create_team, create_team_for, role_of
from apps.users.models import User
from tests.teams.conftest import at, in_threads, person, words


def test_somebody_without_a_team_is_led_to_make_one(people, as_):
    client = as_("outsider")
    assert client.get("/home/", follow=True).redirect_chain == [("/teams/new/", 302)]
    response = client.post("/teams/new/", {"name": "  Nordwind   <b>Labs</b>\t"})
    team = Team.objects.get()
    assert (response.status_code, response["Location"]) == (303, f"/t/{team.slug}/onboarding/")
    assert (team.name, role_of(people["outsider"], team)) == (
        "Nordwind <b>Labs</b>",
        Role.OWNER,
    )
    mail = OutboxMessage.objects.get()
    assert (mail.recipient, mail.subject) == (
        "outsider@example.com",
        "Welcome to Firstlight: Nordwind <b>Labs</b>",
    )
    assert client.get("/home/")["Location"] == f"/t/{team.slug}/home/"
    page = words(client.get(f"/t/{team.slug}/members/"))
    assert "Nordwind &lt;b&gt;Labs&lt;/b&gt;" in page
    assert "<b>Labs" not in page


@pytest.mark.parametrize("name", ["", "   ", "x" * 121, "a\u202eb"])
def test_a_name_that_cannot_be_shown_is_refused(people, as_, name):
    response = as_("outsider").post("/teams/new/", {"name": name})
    assert (response.status_code, Team.objects.count()) == (422, 0)


@pytest.mark.django_db(transaction=True)
def test_two_clicks_make_one_team():
    owner = person("owner")
    first, second = in_threads(*[lambda: create_team_for("Acme", owner)] * 2)
    assert first == second == Team.objects.get()
    assert OutboxMessage.objects.count() == 1
    assert create_team_for("Other", owner) != first


def test_members_see_each_other_but_no_invitations(team, as_):
    page = words(as_("member").get(f"/t/{team.slug}/members/"))
    assert "owner@example.com" in page
    assert 'id="invite-email"' not in page
    assert 'id="invite-email"' in words(as_("admin").get(f"/t/{team.slug}/members/"))


def test_an_owner_changes_roles(team, people, as_):
    page = at(as_("owner"), "role", team.slug, people["member"].pk, role="admin")
    assert page.redirect_chain == [(f"/t/{team.slug}/members/", 303)]
    assert role_of(people["member"], team) == Role.ADMIN


@pytest.mark.parametrize(
    ("by", "whom", "role"),
    [
        ("admin", "owner", "member"),
        ("admin", "member", "owner"),
        ("admin", "admin", "owner"),
        ("owner", "owner", "admin"),
        ("owner", "member", "emperor"),
        ("owner", "outsider", "admin"),
    ],
)
def test_roles_that_may_not_be_given(team, people, by, whom, role):
    before = {row.user_id: row.role for row in team.memberships.all()}
    with pytest.raises(NotPossible):
        change_role(team, people[by], people[whom].pk, role)
    assert {row.user_id: row.role for row in team.memberships.all()} == before


@pytest.mark.parametrize("act", ["role", "remove"])
def test_members_manage_nobody(team, people, as_, act):
    client = as_("member")
    page = at(client, act, team.slug, people["admin"].pk, role="member")
    assert page.status_code == 403 if act == "role" else 'role="alert"' in words(page)
    assert role_of(people["admin"], team) == Role.ADMIN


def test_an_admin_removes_members_but_no_owner(team, people):
    remove(team, people["admin"], people["member"].pk)
    assert role_of(people["member"], team) is None
    Membership.objects.create(
        team=team, user=people["outsider"], role=Role.OWNER
    )  # nobody here is the last owner
    with pytest.raises(NotPossible):
        remove(team, people["admin"], people["owner"].pk)
    with pytest.raises(NotPossible):
        change_role(team, people["admin"], people["owner"].pk, "member")


def test_everybody_may_leave_but_the_last_owner(team, people, as_):
    left = at(as_("member"), "remove", team.slug, people["member"].pk)
    assert left.redirect_chain[-1] == ("/teams/new/", 302)
    assert "You have left Acme." in words(left)
    stays = at(as_("owner"), "remove", team.slug, people["owner"].pk)
    assert "A team needs an owner" in words(stays)
    change_role(team, people["owner"], people["admin"].pk, "owner")
    remove(team, people["owner"], people["owner"].pk)
    assert role_of(people["owner"], team) is None


def test_deactivated_owner_does_not_count_as_the_other_owner(team, people):
    change_role(team, people["owner"], people["admin"].pk, "owner")
    User.objects.filter(pk=people["admin"].pk).update(is_active=False)
    with pytest.raises(NotPossible):
        remove(team, people["owner"], people["owner"].pk)
    with pytest.raises(NotPossible):
        change_role(team, people["owner"], people["owner"].pk, "member")


@pytest.mark.django_db(transaction=True)
def test_two_owners_cannot_leave_the_team_without_one():
    one, two = person("one"), person("two")
    team = create_team("Acme", one)
    Membership.objects.create(team=team, user=two, role=Role.OWNER)
    results = in_threads(
        lambda: change_role(team, one, two.pk, "member"),
        lambda: change_role(team, two, one.pk, "member"),
        lambda: remove(team, one, one.pk),
        lambda: remove(team, two, two.pk),
    )
    assert any(isinstance(result, NotPossible) for result in results)
    assert Membership.objects.filter(team=team, role=Role.OWNER).exists()


def test_another_teams_members_are_out_of_reach(team, people, as_):
    other = create_team("Other", people["outsider"])
    client = as_("outsider")
    for name in ("role", "remove"):
        assert (
            client.post(
                reverse(f"teams:{name}", args=[team.slug, people["member"].pk])
            ).status_code
            == 404
        )
        at(client, name, other.slug, people["member"].pk, role="admin")
    assert role_of(people["member"], team) == Role.MEMBER
    assert client.get(f"/t/{team.slug}/members/").status_code == 404


def test_a_link_of_a_page_that_posts_does_nothing(team, people, as_):
    response = as_("owner").get(reverse("teams:remove", args=[team.slug, people["member"].pk]))
    assert (response.status_code, response["Location"]) == (303, f"/t/{team.slug}/members/")
    assert role_of(people["member"], team) == Role.MEMBER
