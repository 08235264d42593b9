"""Who may see what, over every address that there is. A new address is looked at
without anybody adding it here.

- Of a team: 404 for everybody outside it, by every method, also with a foreign team's
  rows below one's own team.
- Everything else asks who is there, but for the short list of PUBLIC.
"""

import uuid

import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import Client
from django.urls import reverse
from django_eventstream.utils import get_channelmanager

from apps.integrations.models import Connection
from apps.pipelines.models import Run, StepRun
from apps.pipelines.stream.gate import channel_of
from apps.teams.models import Invitation, JoinDomain, JoinRequest
from apps.users.models import User
from tests.project.addresses import rows, values, walk

# What anybody may open. Each of these says nothing of anybody.
PUBLIC = {
    "onboarding:landing",
    # Signing up and in. Allauth's pages for people who are signed in redirect others to
    # the log-in page.
    "account_login",
    "account_logout",
    "account_signup",
    "account_inactive",
    "account_email_verification_sent",
    "account_confirm_email",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "account_confirm_login_code",
    "mfa_authenticate",
    "github_login",
    "github_callback",
    "socialaccount_login_cancelled",
    "socialaccount_login_error",
    "socialaccount_signup",
    "/accounts/social/login/cancelled/",
    "/accounts/social/login/error/",
    "/accounts/social/signup/",
    "/accounts/social/connections/",
    # Nothing is there unless the operator set a provider up; the provider decides who
    # comes in.
    "openid_connect_login",
    "openid_connect_callback",
    "openid_connect_check",
    "admin:login",
    "admin:logout",
    # The link is the proof.
    "users:sign_in_link",
    "users:recover",
    "teams:accept",
    "teams:digest_stop",
    "teams:email_stop",
    # So is a token's.
    "metrics:api_openapi",
    "metrics:api_weekly",
    "metrics:api_pull_requests",
    "metrics:api_insights",
    "metrics:api_state",
    "metrics:api_root",
    "metrics:api_nothing",
    # The signature is.
    "integrations:webhook",
    "integrations:app_webhook",
}

# What is there only while DEBUG is on, and tests run with it off.
DEVELOPMENT = {"mail:list", "mail:detail", "mail:html"}

# Where those are sent who are not signed in, or may not administer.
LOG_IN = ("/accounts/login/", "/admin/login/")

ADDRESSES = list(walk())
OF_TEAMS = [address for address in ADDRESSES if address.of_team]
METHODS = ["get", "post", "put", "delete", "head", "options"]


def state_of(of):
    """What an address could change of a team, by its rows."""
    return [
        [*queryset.order_by("pk").values()]
        for queryset in (
            of.team.memberships.all(),
            Invitation.objects.for_team(of.team),
            JoinDomain.objects.for_team(of.team),
            JoinRequest.objects.for_team(of.team),
            Connection.objects.for_team(of.team),
            Run.objects.filter(pk=of.run.pk),
            StepRun.objects.filter(run=of.run),
        )
    ]


def client_of(user):
    client = Client()
    client.force_login(user)
    return client


def answers(client, addresses, of, methods, **changed):
    """What the client is answered, by address and method."""
    return {
        (address, method): getattr(client, method)(address.filled(values(of) | changed))
        for address in addresses
        for method in methods
    }


def test_the_list_of_public_addresses_names_only_what_exists():
    assert {address.name for address in ADDRESSES} >= PUBLIC | DEVELOPMENT
    assert OF_TEAMS
    assert not any(address.of_team for address in ADDRESSES if address.name in PUBLIC)


def test_a_team_s_owner_finds_its_pages(acme):
    """Otherwise the tests below would prove nothing: a path of nothing is 404 for
    everybody.
    """
    found = answers(client_of(acme.owner), OF_TEAMS, acme, ["get"])
    assert not {
        address.name: answer.status_code
        for (address, _), answer in found.items()
        if answer.status_code == 404
    }


@pytest.mark.parametrize("who", ["of another team", "no longer of the team", "of no team"])
def test_to_an_outsider_a_team_is_as_one_that_does_not_exist(acme, globex, who):
    person = globex.owner
    if who == "of no team":
        person = User.objects.create_user("nobody@example.com")
    elif who == "no longer of the team":
        acme.team.memberships.create(user=person, role="admin").delete()
    client = client_of(person)
    given = answers(client, OF_TEAMS, acme, METHODS)
    of_none = answers(client, OF_TEAMS, acme, METHODS, slug="no-such-team")
    # 405: the view takes this method from nobody, and says so before it looks at the
    # team.
    assert {answer.status_code for answer in given.values()} <= {404, 405}
    assert {place: answer.status_code for place, answer in given.items()} == {
        place: answer.status_code for place, answer in of_none.items()
    }
    for address in OF_TEAMS:
        assert 404 in (given[address, "get"].status_code, given[address, "post"].status_code), (
            address
        )


def test_no_row_of_another_team_is_found_below_one_s_own(acme, globex):
    named = [address for address in OF_TEAMS if rows(acme).keys() & set(address.arguments)]
    before, client = state_of(acme), client_of(globex.owner)
    for (address, _), answer in answers(
        client, named, acme, METHODS, slug=globex.team.slug
    ).items():
        if answer.status_code == 303:
            # A form leads back to its page, which may say that there is no such row.
            answer = client.get(answer["Location"], follow=True)
            assert b"acme" not in answer.content.lower()
        else:
            assert answer.status_code in (404, 405), address
    assert state_of(acme) == before


def test_an_anonymous_visitor_is_sent_to_the_log_in_page(acme):
    closed = [address for address in ADDRESSES if address.name not in PUBLIC | DEVELOPMENT]
    given = answers(Client(), closed, acme, ["get", "post"])
    wrong = {
        place: answer.status_code
        for place, answer in given.items()
        if answer.status_code != 405
        and not (answer.status_code == 302 and answer["Location"].startswith(LOG_IN))
    }
    assert not wrong
    for address in closed:
        assert 302 in (given[address, "get"].status_code, given[address, "post"].status_code), (
            address
        )


def test_what_is_public_tells_of_no_team(acme):
    for (address, _), answer in answers(
        Client(), [a for a in ADDRESSES if a.name in PUBLIC], acme, ["get"]
    ).items():
        assert answer.status_code < 500, address
        assert b"Acme" not in answer.content, address


def test_what_is_for_development_is_not_there_otherwise(acme):
    acme.owner.is_superuser = acme.owner.is_staff = True
    acme.owner.save()
    pages = [a for a in ADDRESSES if a.name in DEVELOPMENT]
    assert {
        answer.status_code
        for answer in answers(client_of(acme.owner), pages, acme, ["get", "post"]).values()
    } <= {
        404,
        405,
    }


def test_the_admin_is_for_staff(acme):
    closed = [a for a in ADDRESSES if a.path.startswith("/admin/") and a.name not in PUBLIC]
    for (address, _), answer in answers(
        client_of(acme.owner), closed, acme, ["get", "post"]
    ).items():
        assert answer.status_code == 302, address
        assert answer["Location"].startswith(reverse("admin:login")), address


def test_a_channel_is_for_the_members_of_its_run_s_team(acme, globex):
    """django-eventstream's gate; the endpoint that asks it is tried in
    tests/browser/test_streams.py.
    """
    may = get_channelmanager().can_read_channel
    channel = channel_of(acme.run.pk)
    assert may(acme.owner, channel)
    assert not may(globex.owner, channel)
    assert not may(AnonymousUser(), channel)
    assert not may(None, channel)
    acme.team.memberships.all().delete()
    assert not may(acme.owner, channel)


def test_any_other_channel_is_nobody_s(acme):
    pk = acme.run.pk
    names = [
        "",
        "run-",
        str(pk),
        f"RUN-{pk}",
        f"run-{pk}x",
        f"run-run-{pk}",
        f"team-{acme.team.pk}",
        f"run-{uuid.uuid4()}",
    ]
    acme.owner.is_superuser = acme.owner.is_staff = True
    assert not [
        name for name in names if get_channelmanager().can_read_channel(acme.owner, name)
    ]


@pytest.mark.parametrize("address", OF_TEAMS, ids=str)
def test_no_cache_keeps_what_a_team_shows(acme, address):
    client = Client(raise_request_exception=False)
    client.force_login(acme.owner)
    response = client.get(address.filled(values(acme)))
    kept = {part.strip() for part in response.headers["Cache-Control"].split(",")}
    assert "no-store" in kept, response.headers["Cache-Control"]
