"""Invitations are no relay for spam: limits of a recipient over all teams, confirmed
senders, names without addresses.
"""

from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.db.models import F

from apps.mail.models import OutboxMessage
from apps.teams import invitations
from apps.teams.forms import TeamForm, TeamSettingsForm
from apps.teams.members import NotPossible
from apps.teams.models import Invitation, Membership, Role, Team
from apps.teams.services import create_team
from apps.users.models import User
from tests.teams.conftest import at

TARGET = "target@example.org"
SPELLINGS = [TARGET, "TARGET@example.org", "Target@Example.ORG"]


def sender(number):
    """A team of its own and its owner."""
    owner = User.objects.create_user(f"owner{number}@example.com")
    return create_team(f"Team {number}", owner), owner


def send(number):
    team, owner = sender(number)
    return invitations.invite(team, owner, SPELLINGS[number % len(SPELLINGS)], "member")


def pass_time(**time):
    Invitation.objects.across_teams().update(created_at=F("created_at") - timedelta(**time))


def received():
    return OutboxMessage.objects.filter(recipient=TARGET).count()


def test_recipient_gets_three_invitations_an_hour_from_all_teams(db):
    for number in range(3):
        send(number)
    with pytest.raises(NotPossible):
        send(3)
    pass_time(minutes=59)
    with pytest.raises(NotPossible):
        send(4)
    assert received() == 3
    pass_time(minutes=2)
    send(5)
    assert received() == 4


def test_recipient_gets_ten_invitations_a_day_from_all_teams(db):
    for number in range(10):
        send(number)
        pass_time(minutes=61)
    with pytest.raises(NotPossible):
        send(10)
    assert received() == 10
    pass_time(hours=24)
    send(11)
    assert received() == 11


def test_resending_counts_for_the_recipient(db):
    rows = [send(number) for number in range(2)]
    team, owner = rows[0].team, rows[0].invited_by
    again = invitations.resend(team, owner, rows[0].pk)
    with pytest.raises(NotPossible):
        invitations.resend(team, owner, again.pk)
    with pytest.raises(NotPossible):
        invitations.resend(rows[1].team, rows[1].invited_by, rows[1].pk)
    assert received() == 3


def test_withdrawn_and_accepted_invitations_count(db):
    for number, state in enumerate(("revoked", "accepted", "open")):
        row = send(number)
        Invitation.objects.across_teams().filter(pk=row.pk).update(state=state)
    with pytest.raises(NotPossible):
        send(3)


def test_limit_of_one_recipient_stops_no_other(db):
    for number in range(3):
        send(number)
    team, owner = sender(3)
    invitations.invite(team, owner, "other@example.org", "member")
    assert OutboxMessage.objects.filter(recipient="other@example.org").count() == 1


def test_limits_hold_on_the_page(team, people, as_):
    for number in range(3):
        send(number)
    at(as_("owner"), "invite", team.slug, email="TARGET@example.org", role="member")
    assert received() == 3
    row = Invitation.objects.across_teams().order_by("pk").first()
    Membership.objects.create(team=row.team, user=people["admin"], role=Role.ADMIN)
    at(as_("admin"), "resend", row.team.slug, row.pk)
    assert received() == 3


def test_unconfirmed_sender_is_refused(db):
    team, owner = sender(1)
    row = invitations.invite(team, owner, TARGET, "member")
    EmailAddress.objects.create(user=owner, email=owner.email, primary=True, verified=False)
    with pytest.raises(NotPossible):
        invitations.invite(team, owner, "other@example.org", "member")
    with pytest.raises(NotPossible):
        invitations.resend(team, owner, row.pk)
    assert OutboxMessage.objects.count() == 1


ADDRESSES = [
    "https://evil.example",
    "Win at http://evil.example/x now",
    "HTTPS://EVIL.EXAMPLE",
    "ftp://evil.example",
    "www.evil.example",
    "WWW.evil.example",
    "evil.example/claim",
    "evil.example?x=1",
    "mailto:eve@evil.example",
]


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize("form", [TeamForm, TeamSettingsForm])
def test_name_with_a_web_address_is_refused(form, name):
    assert "name" in form({"name": name, "time_zone": "UTC"}).errors


@pytest.mark.parametrize(
    "name", ["Acme", "Node.js", "R&D: tools", "Platform/Web", "Müller & Söhne"]
)
@pytest.mark.parametrize("form", [TeamForm, TeamSettingsForm])
def test_plain_name_is_accepted(form, name):
    assert form({"name": name, "time_zone": "UTC"}).is_valid()


def test_page_makes_no_team_with_a_web_address_as_its_name(people, as_):
    as_("owner").post("/teams/new/", {"name": "Claim it at http://evil.example/claim"})
    assert not Team.objects.exists()
