"""Nobody has rights before the address is proven, and the first proof drops what is
from before (account pre-hijacking).
"""

import re
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.socialaccount.models import SocialAccount
from django.contrib.auth import SESSION_KEY
from django.test import Client
from django.utils import timezone

from apps.mail.models import OutboxMessage
from apps.metrics.models import ApiToken
from apps.teams.invitations import invite
from apps.teams.models import Invitation, InvitationState, Membership, Role
from apps.teams.services import create_team
from apps.users.models import User
from apps.users.proof import is_unproven

OWN, OTHER, NEW = "Correct-Horse-9-Battery", "Another-Horse-8-Battery", "Third-Horse-7-Battery"
CONFIRM, RESET, INVITATION = (
    "accounts/confirm-email",
    "accounts/password/reset/key",
    "invitations",
)
ADDRESS = "new@corp.example"


@pytest.fixture
def acme(db):
    return create_team("Acme", User.objects.create_user("owner@acme.example", OWN))


@pytest.fixture
def owner(acme):
    client = Client()
    client.force_login(User.objects.get(email="owner@acme.example"))
    return client


def link_to(address, kind):
    """Return the path of the newest link of a kind that was mailed to an address, None
    if there is none.
    """
    for message in OutboxMessage.objects.filter(recipient=address).order_by("-pk"):
        if found := re.search(rf"http\S+/{kind}/\S+", message.text):
            return urlsplit(found[0]).path
    return None


def sign_up(client, email=ADDRESS, password=OTHER):
    return client.post(
        "/accounts/signup/", {"email": email, "password1": password, "password2": password}
    )


def sign_in(client, email=ADDRESS, password=OTHER):
    return client.post("/accounts/login/", {"login": email, "password": password})


def reset(client, email=ADDRESS, password=NEW):
    client.post("/accounts/password/reset/", {"email": email})
    form = client.get(link_to(email, RESET))["Location"]
    return client.post(form, {"password1": password, "password2": password})


def is_in(client):
    return client.get("/teams/new/").status_code == 200


def signed_up_before(email=ADDRESS, evil="evil@evil.example"):
    """An account as a release without the proof left it: unconfirmed, with a second
    address that is confirmed.
    """
    user = User.objects.create_user(email, OTHER)
    EmailAddress.objects.create(user=user, email=email, primary=True, verified=False)
    EmailAddress.objects.create(user=user, email=evil, verified=True)
    return user


def test_sign_up_gives_no_session_before_the_address_is_confirmed(client, db):
    assert sign_up(client).status_code == 302
    assert not is_in(client)
    assert sign_in(client).status_code == 302
    assert not is_in(client)
    assert User.objects.get().emailaddress_set.get().verified is False


def test_link_in_the_same_browser_confirms_and_signs_in(client, db):
    sign_up(client)
    link = link_to(ADDRESS, CONFIRM)
    page = client.get(link)
    assert 'data-state="confirm"' in page.text
    assert 'name="password1"' not in page.text
    client.head(link)
    assert EmailAddress.objects.get().verified is False  # a scanner opens it, too
    assert client.post(link).status_code == 302
    assert EmailAddress.objects.get().verified is True
    assert is_in(client)
    fresh = Client()
    sign_in(fresh)
    assert is_in(fresh)
    for later in (fresh, Client()):
        for ask in (later.get, later.post):
            answer = ask(link)
            assert (answer.status_code, 'data-state="confirmed"' in answer.text) == (200, True)


def test_link_in_another_browser_asks_for_a_new_password(client, db):
    """Whoever signed up knows the password and may be another person than the owner of
    the mailbox.
    """
    sign_up(client)
    victim, link = Client(), link_to(ADDRESS, CONFIRM)
    assert victim.post(link).status_code == 422
    assert EmailAddress.objects.get().verified is False
    assert 'name="password1"' in victim.get(link).text
    assert victim.post(link, {"password1": "1", "password2": "1"}).status_code == 422
    assert victim.post(link, {"password1": NEW, "password2": NEW}).status_code == 302
    assert is_in(victim)
    assert not is_in(client)
    stranger = Client()
    sign_in(stranger)
    assert not is_in(stranger)
    sign_in(stranger, password=NEW)
    assert is_in(stranger)


def test_link_in_the_browser_of_another_account_asks_for_a_new_password(client, owner):
    sign_up(client)
    assert 'name="password1"' in owner.get(link_to(ADDRESS, CONFIRM)).text


def test_first_opener_of_an_account_has_no_way_back(acme, owner):
    stranger, victim = Client(), Client()
    sign_up(stranger)
    stranger.post("/accounts/email/", {"email": "evil@evil.example", "action_add": ""})
    assert link_to("evil@evil.example", CONFIRM) is None
    owner.post("/t/acme/invitations/", {"email": ADDRESS, "role": "admin"})
    reset(victim)
    victim.post(link_to(ADDRESS, INVITATION))
    assert victim.get("/t/acme/").status_code == 200
    again = Client()
    again.post("/accounts/password/reset/", {"email": "evil@evil.example"})
    assert link_to("evil@evil.example", RESET) is None
    for client in (stranger, again):
        sign_in(client, "evil@evil.example")
        sign_in(client)
        assert client.get("/t/acme/").status_code != 200


def test_reset_drops_everything_of_an_unproven_account(acme):
    user = signed_up_before()
    Membership.objects.create(team=acme, user=user, role=Role.ADMIN)
    SocialAccount.objects.create(user=user, provider="github", uid="666")
    TOTP.activate(user, generate_totp_secret())
    Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data={})
    ApiToken.objects.create(team=acme, name="x", digest="0" * 64, hint="x", created_by=user)
    primary = EmailAddress.objects.filter(user=user, primary=True)
    primary.update(verified=True)
    invite(acme, user, "evil2@evil.example", "admin")
    primary.update(verified=False)
    victim = Client()
    reset(victim)
    assert is_in(victim), "no second factor of somebody else is asked for"
    assert list(EmailAddress.objects.filter(user=user).values_list("email", "verified")) == [
        (ADDRESS, True)
    ]
    assert not SocialAccount.objects.exists()
    assert not Authenticator.objects.exists()
    assert not ApiToken.objects.across_teams().exists()
    assert Invitation.objects.for_team(acme).get().state == InvitationState.REVOKED
    assert Membership.objects.filter(user=user).exists()


@pytest.mark.parametrize(
    "path", ["/teams/new/", "/t/acme/", "/accounts/email/", "/accounts/2fa/"]
)
def test_live_session_of_an_unproven_account_ends(acme, path):
    user = signed_up_before()
    Membership.objects.create(team=acme, user=user, role=Role.ADMIN)
    client = Client()
    client.force_login(user)
    response = client.get(path)
    assert response.status_code == 302
    assert response["Location"].startswith("/accounts/login/")
    assert "_auth_user_id" not in client.session


def test_unproven_account_mails_nobody(acme):
    user = signed_up_before()
    Membership.objects.create(team=acme, user=user, role=Role.ADMIN)
    client = Client()
    client.force_login(user)
    client.post("/t/acme/invitations/", {"email": "stranger@target.example", "role": "member"})
    client.post("/teams/new/", {"name": "Claim it at http://evil.example"})
    assert not OutboxMessage.objects.exists()


def test_second_address_gives_no_way_into_an_unproven_account(db):
    signed_up_before()
    client = Client()
    sign_in(client, "evil@evil.example")
    assert not is_in(client)
    client.post("/accounts/password/reset/", {"email": "evil@evil.example"})
    assert link_to("evil@evil.example", RESET) is None


def test_second_address_of_an_operators_account_resets_nothing_before_the_proof(db):
    user = User.objects.create_user(ADDRESS, OWN)
    EmailAddress.objects.create(user=user, email="evil@evil.example", verified=True)
    client = Client()
    client.post("/accounts/password/reset/", {"email": "evil@evil.example"})
    assert link_to("evil@evil.example", RESET) is None
    reset(client)
    assert [row.email for row in EmailAddress.objects.all()] == [ADDRESS]


def test_sessions_from_before_the_proof_end(db):
    user = User.objects.create_user(ADDRESS, OTHER)
    old, person = Client(), Client()
    old.force_login(user)
    assert is_in(old)
    sign_in(person)
    assert not is_in(person)
    person.post(link_to(ADDRESS, CONFIRM))
    assert is_in(person)
    assert not is_in(old)


def test_own_session_survives_the_confirmation(db):
    user = User.objects.create_user(ADDRESS, OTHER)
    client, other = Client(), Client()
    client.force_login(user)
    sign_in(other)
    client.post(link_to(ADDRESS, CONFIRM))
    assert is_in(client)


def test_operators_account_confirms_at_its_first_sign_in_and_keeps_its_second_factor(db):
    user = User.objects.create_user(ADDRESS, OTHER)
    TOTP.activate(user, generate_totp_secret())
    client = Client()
    client.force_login(user)
    assert is_in(client)  # until then the account acts normally
    reset(person := Client())
    assert not is_in(person)
    assert Authenticator.objects.exists()


def test_old_password_link_ends_with_the_proof(db):
    """A reset that a stranger asked for earlier went to the same mailbox; it works for
    nobody later.
    """
    signed_up_before()
    client = Client()
    client.post("/accounts/password/reset/", {"email": ADDRESS})
    old = link_to(ADDRESS, RESET)
    reset(Client())
    assert 'data-state="invalid"' in client.get(old).text


def test_invitation_takes_over_an_unproven_account(acme, owner, settings):
    stranger, victim = Client(), Client()
    sign_up(stranger)
    owner.post("/t/acme/invitations/", {"email": ADDRESS, "role": "admin"})
    path = link_to(ADDRESS, INVITATION)
    victim.get(path)
    sign_up(victim, password=NEW)
    victim.post(path)
    assert victim.get("/t/acme/").status_code == 200
    sign_in(stranger)
    assert not is_in(stranger)
    assert not is_unproven(User.objects.get(email=ADDRESS))


@pytest.mark.parametrize("opened", ["before the proof", "after the proof"])
def test_invitation_takes_over_no_proven_account(acme, owner, opened):
    person, thief = Client(), Client()
    sign_up(person)
    confirm = link_to(ADDRESS, CONFIRM)
    owner.post("/t/acme/invitations/", {"email": ADDRESS, "role": "admin"})
    invitation = link_to(ADDRESS, INVITATION)
    if opened == "before the proof":
        thief.get(invitation)
    person.post(confirm)
    if opened == "after the proof":
        thief.get(invitation)
    sign_up(thief, password=NEW)
    assert SESSION_KEY not in thief.session
    assert not is_in(thief)
    assert User.objects.get(email=ADDRESS).check_password(OTHER)


def test_changed_address_needs_the_account_s_own_session(db):
    client, clicker = Client(), Client()
    sign_up(client)
    client.post(link_to(ADDRESS, CONFIRM))
    client.post("/accounts/email/", {"email": "next@corp.example", "action_add": ""})
    link = link_to("next@corp.example", CONFIRM)
    assert clicker.post(link)["Location"].startswith("/accounts/login/")
    assert User.objects.get().email == ADDRESS
    assert client.get(link).status_code == 200
    assert User.objects.get().email == ADDRESS
    client.post(link)
    assert User.objects.get().email == "next@corp.example"
    assert EmailAddress.objects.get().email == "next@corp.example"
    assert is_in(client)


def test_address_is_changed_only_after_the_current_one_is_proven(client, db):
    user = User.objects.create_user("ada@corp.example", OWN)
    client.force_login(user)
    client.post("/accounts/email/", {"email": ADDRESS, "action_add": ""})
    assert not EmailAddress.objects.filter(email=ADDRESS).exists()
    assert link_to(ADDRESS, CONFIRM) is None


def test_changed_address_of_another_account_is_refused(acme):
    client = Client()
    sign_up(client)
    client.post(link_to(ADDRESS, CONFIRM))
    client.post("/accounts/email/", {"email": "owner@acme.example", "action_add": ""})
    assert client.post(link_to("owner@acme.example", CONFIRM)).status_code == 409
    assert User.objects.filter(email=ADDRESS).exists()


def test_unfinished_change_keeps_nobody_from_signing_up(db):
    stranger, person = Client(), Client()
    sign_up(stranger, "stranger@evil.example")
    stranger.post(link_to("stranger@evil.example", CONFIRM))
    stranger.post("/accounts/email/", {"email": ADDRESS, "action_add": ""})
    sign_up(person)
    person.post(link_to(ADDRESS, CONFIRM))
    assert is_in(person)
    assert User.objects.get(email=ADDRESS).emailaddress_set.get().verified


def test_claims_of_others_to_the_address_end_with_its_proof(db):
    """Otherwise a stranger could confirm the claim later, and reset the password of
    their account there.
    """
    person = Client()
    sign_up(person)
    stranger = User.objects.create_user("stranger@evil.example", OWN)
    EmailAddress.objects.create(user=stranger, email=ADDRESS, verified=False)
    person.post(link_to(ADDRESS, CONFIRM))
    assert is_in(person)
    assert EmailAddress.objects.get(email=ADDRESS).user.email == ADDRESS


def test_deactivated_account_confirms_nothing(client, db):
    sign_up(client)
    User.objects.update(is_active=False, last_login=timezone.now())
    client.post(link_to(ADDRESS, CONFIRM))
    assert not is_in(client)
    assert EmailAddress.objects.get().verified is False
