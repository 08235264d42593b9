"""What a person made for a team ends with the person's rights in it, whichever way they
end.
"""

import pytest
from django.test import Client

from apps.integrations.models import Connection, Webhook
from apps.integrations.webhooks import handling
from apps.metrics.api import tokens
from apps.metrics.models import ApiToken
from apps.teams.invitations import accept, invite, resend
from apps.teams.members import NotPossible, change_role, remove
from apps.teams.models import Invitation, InvitationState, Membership
from apps.users.models import User
from tests.teams.conftest import person


def by_admin_form(team, people):
    Membership.objects.get(team=team, user=people["admin"]).delete()


def deactivate(team, people):
    people["admin"].is_active = False
    people["admin"].save()


WAYS = {
    "removed": lambda team, people: remove(team, people["owner"], people["admin"].pk),
    "left": lambda team, people: remove(team, people["admin"], people["admin"].pk),
    "downgraded": lambda team, people: change_role(
        team, people["owner"], people["admin"].pk, "member"
    ),
    "admin form": by_admin_form,
    "account deleted": lambda team, people: User.objects.get(pk=people["admin"].pk).delete(),
    "account deactivated": deactivate,
}


@pytest.fixture
def made(team, people):
    """What the admin made: an invitation, an API token, and the webhook; and a token of
    the owner's.
    """
    invitation = invite(team, people["admin"], "at-home@example.com", "admin")
    tokens.make(team, "Script", people["admin"])
    tokens.make(team, "Kept", people["owner"])
    webhook, _ = handling.make(team, people["admin"])
    return invitation, webhook


@pytest.mark.parametrize("way", WAYS)
def test_what_a_person_made_ends_with_the_rights(team, people, made, way):
    WAYS[way](team, people)
    assert not Invitation.objects.for_team(team).filter(state=InvitationState.OPEN).exists()
    assert [row.name for row in ApiToken.objects.for_team(team)] == ["Kept"]
    assert not Webhook.objects.for_team(team).exists()
    invitation, webhook = made
    with pytest.raises(NotPossible):
        accept(invitation, person("at-home"))
    assert Client().post(f"/hooks/github/{webhook.key}/").status_code == 404


def test_an_open_row_of_a_former_admin_admits_nobody(team, people):
    """Also if the row was written around the signals."""
    invitation = invite(team, people["admin"], "at-home@example.com", "admin")
    Membership.objects.filter(team=team, user=people["admin"]).update(role="member")
    with pytest.raises(NotPossible):
        accept(invitation, person("at-home"))


def test_an_invitation_to_a_removed_member_ends(team, people):
    Invitation.objects.create(
        team=team,
        email=people["member"].email,
        token_hash="x",
        invited_by=people["owner"],
        created_at=team.created_at,
        expires_at=team.created_at,
    )
    remove(team, people["owner"], people["member"].pk)
    assert not Invitation.objects.for_team(team).filter(state=InvitationState.OPEN).exists()


def test_what_others_made_stays(team, people, made):
    remove(team, people["owner"], people["member"].pk)
    assert ApiToken.objects.for_team(team).count() == 2
    assert Webhook.objects.for_team(team).exists()
    resend(team, people["owner"], made[0].pk)


def test_the_connect_page_asks_for_a_new_webhook(team, people, made):
    Connection.objects.create(team=team, source="github", connected_at=team.created_at)
    remove(team, people["owner"], people["admin"].pk)
    assert len(Connection.objects.for_team(team).get().notes) == 1
