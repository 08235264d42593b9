"""The completion email lets in a person whose account `manage.py onboard` made, and
proves the address.
"""

import re
from urllib.parse import urlsplit

import pytest
from allauth.account.models import EmailAddress
from django.test import Client

from apps.mail.models import OutboxMessage
from apps.onboarding.services.notifications import recipients, send_sync_complete_email
from apps.onboarding.services.runs import totals_of
from apps.pipelines import engine
from apps.teams.services import create_team
from apps.users.models import User
from apps.users.proof import has_proven_address

PASSWORD = "Correct-Horse-9-Battery"


@pytest.fixture
def acme(db):
    return create_team("Acme", User.objects.create_user("lead@corp.example"))


def send(team):
    """Send the completion email to the team's owner, and return the account and the
    dashboard's link.
    """
    run, _ = engine.start(
        "onboarding", subject=f"team:{team.pk}", params={"team_id": team.pk}, send=False
    )
    user = team.members.get()
    send_sync_complete_email(run, user, totals_of(team.pk, None) | {"pull_requests": 1}, [])
    text = OutboxMessage.objects.latest("pk").text
    return user, re.search(r"^[A-Z][a-z ]+: (http\S+)", text, re.MULTILINE)[1]


@pytest.mark.parametrize("mode", ["open", "invite", "closed"])
def test_link_sets_a_password_and_leads_to_the_dashboard(acme, settings, mode):
    settings.SIGN_UP = mode
    user, link = send(acme)
    assert link.startswith(settings.SITE_URL)
    client, parts = Client(), urlsplit(link)
    form = client.get(f"{parts.path}?{parts.query}")["Location"]
    data = {"password1": PASSWORD, "password2": PASSWORD, "next": "/t/acme/"}
    assert client.post(form, data)["Location"] == "/t/acme/"
    assert client.get("/t/acme/onboarding/").status_code in (200, 302)
    assert client.session["_auth_user_id"] == str(user.pk)
    assert has_proven_address(User.objects.get())
    again = Client().get(f"{parts.path}?{parts.query}")
    assert 'data-state="invalid"' in again.text


def test_person_with_a_password_gets_the_plain_link(acme, settings):
    user = acme.members.get()
    user.set_password(PASSWORD)
    user.save()
    assert send(acme)[1] == f"{settings.SITE_URL}/t/acme/"


@pytest.mark.parametrize("role", ["owner", "admin", "member"])
def test_unconfirmed_account_gets_no_email_of_the_onboarding(acme, role):
    user = User.objects.create_user("new@corp.example", PASSWORD)
    acme.memberships.create(user=user, role=role)
    lead = acme.members.get(email="lead@corp.example")
    run, _ = engine.start(
        "onboarding",
        subject=f"team:{acme.pk}",
        params={"team_id": acme.pk},
        started_by=user,
        send=False,
    )
    assert set(recipients(run)) == {lead, user}  # an account that the operator made has no row
    row = EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=False)
    assert recipients(run) == [lead]
    row.verified = True
    row.save()
    assert set(recipients(run)) == {lead, user}
