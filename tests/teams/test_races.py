"""Two requests at the same moment: the second one comes when the first has decided and
not yet written.

On SQLite a writing transaction waits for the other from its start. What these tests
would catch shows on PostgreSQL (SERVERS=1), where only the locks and conditions of
`apps.teams` keep the two apart.
"""

import threading

import pytest
from allauth.account.models import EmailAddress
from django.db import connection

from apps.mail.models import OutboxMessage
from apps.teams import invitations, joining
from apps.teams.join_models import JoinDomain, JoinRequest, JoinState
from apps.teams.members import NotPossible, change_role, remove
from apps.teams.models import Invitation, InvitationState, Membership, Role, Team
from apps.teams.services import TooManyTeams, create_team, create_team_for
from tests.teams.conftest import person

pytestmark = pytest.mark.django_db(transaction=True)
# Seconds that the first call waits for the second one, which may be kept waiting by the
# first.
PATIENCE = 1.0


def overtaken(first, second, *, before):
    """Call `first`, and `second` at the moment when the first is about to run a
    statement that starts with `before`.

    Returns what each returned or raised.
    """
    results = [None, None]

    def run(index, call):
        try:
            results[index] = call()
        except Exception as error:
            results[index] = error

    def run_second():
        try:
            run(1, second)
        finally:
            connection.close()

    other = threading.Thread(target=run_second)

    def stop_before(execute, sql, params, many, context):
        if sql.startswith(before) and other.ident is None:
            other.start()
            other.join(PATIENCE)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(stop_before):
        run(0, first)
    assert other.ident is not None, f"the first call ran no {before}"
    other.join(30)
    return results


def refused(results):
    return [result for result in results if isinstance(result, NotPossible)]


@pytest.fixture
def one():
    return confirmed("one")


@pytest.fixture
def two():
    return confirmed("two")


@pytest.fixture
def team(one):
    return create_team("Acme", one)


def confirmed(name):
    user = person(name)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@pytest.mark.parametrize("leaves", [False, True])
def test_last_two_owners_cannot_both_go(team, one, two, leaves):
    Membership.objects.create(team=team, user=two, role=Role.OWNER)
    first = second = None
    if leaves:
        first, second = (lambda: remove(team, one, one.pk)), (lambda: remove(team, two, two.pk))
    else:
        first, second = (
            (lambda: change_role(team, one, two.pk, "member")),
            (lambda: change_role(team, two, one.pk, "admin")),
        )
    results = overtaken(
        first, second, before='DELETE FROM "teams_m' if leaves else 'UPDATE "teams_m'
    )
    assert len(refused(results)) == 1
    assert Membership.objects.filter(team=team, role=Role.OWNER).count() == 1


def test_address_invited_twice_has_one_open_invitation(team, one):
    def invite():
        return invitations.invite(team, one, "new@example.com", "member")

    results = overtaken(invite, invite, before='INSERT INTO "teams_invitation"')
    assert all(isinstance(result, Invitation) for result in results)
    assert Invitation.objects.for_team(team).filter(state=InvitationState.OPEN).count() == 1


def test_invitation_accepted_twice_is_accepted_once(team, one, two):
    invitation = invitations.invite(team, one, two.email, "member")

    def accept():
        return invitations.accept(invitation, two)

    results = overtaken(accept, accept, before='UPDATE "teams_invitation"')
    assert len(refused(results)) == 1
    assert Membership.objects.filter(team=team, user=two).count() == 1


def test_invitation_withdrawn_while_it_is_accepted_has_one_end(team, one, two):
    invitation = invitations.invite(team, one, two.email, "member")
    accepted, withdrawn = overtaken(
        lambda: invitations.accept(invitation, two),
        lambda: invitations.revoke(team, invitation.pk),
        before='UPDATE "teams_invitation"',
    )
    joined = Membership.objects.filter(team=team, user=two).exists()
    assert joined == isinstance(accepted, Membership) == (not withdrawn)
    state = InvitationState.ACCEPTED if joined else InvitationState.REVOKED
    assert Invitation.objects.for_team(team).get().state == state


@pytest.fixture
def open_team(team):
    JoinDomain.objects.create(team=team, domain="example.com")
    return team


def test_person_who_asks_twice_has_one_request(open_team, two):
    def ask():
        return joining.ask(open_team, two)

    first, second = overtaken(ask, ask, before='INSERT INTO "teams_joinrequest"')
    assert first == second == JoinRequest.objects.for_team(open_team).get()
    assert OutboxMessage.objects.filter(dedupe_key__startswith="join-request").count() == 1


def test_request_approved_and_declined_has_one_answer(open_team, one, two):
    request = joining.ask(open_team, two)
    results = overtaken(
        lambda: joining.approve(open_team, one, request.pk),
        lambda: joining.decline(open_team, one, request.pk),
        before='UPDATE "teams_joinrequest"',
    )
    assert len(refused(results)) == 1
    request.refresh_from_db()
    joined = Membership.objects.filter(team=open_team, user=two).exists()
    assert joined == (request.state == JoinState.APPROVED)


def test_account_does_not_own_more_teams_than_allowed(one, settings):
    settings.TEAMS_PER_ACCOUNT = 1
    results = overtaken(
        lambda: create_team_for("Acme", one),
        lambda: create_team_for("Globex", one),
        before='INSERT INTO "teams_team"',
    )
    assert sum(isinstance(result, TooManyTeams) for result in results) == 1
    assert Team.objects.count() == 1
