"""Sessions are checked at the provider again.

The time passes by moving a row's last check back.
"""

from datetime import timedelta
from http.cookies import SimpleCookie

import pytest
from cryptography.fernet import Fernet
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone

from apps.pipelines import engine
from apps.pipelines.stream import gate
from apps.teams.models import Membership, Role, Team
from apps.teams.services import create_team
from apps.users.models import OidcSession, User
from apps.users.oidc.encryption import unseal

RECHECK = timedelta(hours=4)
LIMIT = timedelta(hours=12)


def pass_time(age):
    """Let the last check of every session be so long ago."""
    OidcSession.objects.update(checked_at=timezone.now() - age, claimed_until=None)


@pytest.fixture
def home(only, browser):
    """A page for signed-in people; Ada is signed in, and created her team by hand."""
    only.person("ada")
    browser.sign_in()
    team = create_team("Acme", User.objects.get())
    return reverse("teams:members", args=[team.slug])


def stream_of(browser, home):
    """What the hub holds for an open stream of this browser: of a run of the team."""
    team = Team.objects.get()
    run, _ = engine.start(
        "onboarding", subject=f"team:{team.pk}", params={"team_id": team.pk}, send=False
    )
    return gate.Ticket(
        browser.session.session_key, gate.channel_of(run.pk), (("slug", team.slug),)
    )


def is_fresh():
    return timezone.now() - OidcSession.objects.get().checked_at < timedelta(minutes=1)


def test_young_session_does_not_ask_the_provider(only, browser, home):
    pass_time(RECHECK - timedelta(minutes=1))
    before = only.calls()
    assert browser.get(home).status_code == 200
    assert only.calls() == before


def test_rotated_key_decrypts_the_refresh_token(only, browser, home, settings):
    new = Fernet.generate_key().decode()
    settings.CREDENTIAL_KEYS = [new, *settings.CREDENTIAL_KEYS]
    call_command("rotate_credentials", verbosity=0)
    settings.CREDENTIAL_KEYS = [new]
    assert unseal(OidcSession.objects.get().refresh_token)
    pass_time(RECHECK)
    assert browser.get(home).status_code == 200
    assert is_fresh()


def test_token_of_a_lost_key_is_deleted_and_the_provider_visited(only, browser, home, settings):
    settings.CREDENTIAL_KEYS = [Fernet.generate_key().decode()]
    call_command("rotate_credentials", verbosity=0)
    assert bytes(OidcSession.objects.get().refresh_token) == b""
    pass_time(RECHECK)
    assert visit(browser, only, browser.get(home))["Location"] == home


@pytest.mark.parametrize("age", [RECHECK, LIMIT, timedelta(hours=40)])
def test_old_session_is_confirmed_by_its_refresh_token(only, browser, home, age):
    for _ in range(2):  # the provider gives a new refresh token each time
        pass_time(age)
        assert browser.get(home).status_code == 200
        assert is_fresh()


def test_refused_refresh_ends_the_session(only, browser, home):
    pass_time(RECHECK)
    only.fault("token", oidc="refuse")
    answer = browser.get(home)
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("account_login"))
    assert browser.user_id is None
    assert not OidcSession.objects.exists()


@pytest.mark.parametrize("fault", ["issuer", "audience", "expired", "signature", "alg_none"])
def test_faulty_token_at_a_check_ends_the_session(only, browser, home, fault):
    pass_time(RECHECK)
    only.fault("token", oidc=fault)
    assert browser.get(home).status_code == 302
    assert browser.user_id is None


@pytest.mark.parametrize("fault", ["subject", "unverified", "refuse"])
def test_faulty_userinfo_at_a_check_ends_the_session(only, browser, home, fault):
    pass_time(RECHECK)
    only.fault("userinfo", oidc=fault)
    assert browser.get(home).status_code == 302
    assert browser.user_id is None


def test_address_that_left_the_domain_ends_the_session(only, browser, home):
    only.person("ada", email="ada@elsewhere.example")
    pass_time(RECHECK)
    assert browser.get(home).status_code == 302
    assert browser.user_id is None


def test_session_goes_on_for_a_while_when_the_provider_is_down(only, browser, home):
    only.fault("discovery", status=503)
    pass_time(LIMIT - timedelta(minutes=1))
    assert browser.get(home).status_code == 200
    assert not is_fresh()
    before = only.calls()
    assert browser.get(home).status_code == 200
    assert only.calls() == before, "asked again only after a pause"


@pytest.mark.parametrize("method", ["get", "post"])
def test_session_ends_after_twelve_hours_when_the_provider_is_down(only, browser, home, method):
    only.fault("discovery", status=503)
    pass_time(LIMIT)
    answer = getattr(browser, method)(home)
    assert answer.status_code == 503
    assert 'data-action="sign-in"' in answer.text
    assert browser.user_id is None


def test_open_stream_ends_after_twelve_hours(only, browser, home):
    """The hub asks the gate again while a stream is open; see
    tests/browser/test_streams.py.
    """
    ticket = stream_of(browser, home)
    pass_time(LIMIT - timedelta(minutes=1))
    assert gate.is_valid(ticket)
    pass_time(LIMIT)
    assert not gate.is_valid(ticket)


def test_ended_session_stops_streams_at_once(only, browser, home):
    ticket = stream_of(browser, home)
    assert gate.is_valid(ticket)
    OidcSession.objects.all().delete()
    assert not gate.is_valid(ticket)


@pytest.fixture
def without_refresh(only):
    """The provider gives no refresh tokens."""
    only.order(gives_refresh_tokens=False)


def visit(browser, only, answer):
    """Follow the way by the provider that an old session takes, and return the last
    answer.
    """
    assert answer.status_code == 302
    assert answer["Location"].startswith(reverse("openid_connect_check"))
    to_provider = browser.get(answer["Location"])
    assert "prompt=none" in to_provider["Location"]
    return browser.get(browser.visit_provider(to_provider["Location"]))


def test_old_session_without_a_refresh_token_visits_the_provider(
    without_refresh, only, browser, home
):
    key = browser.session.session_key
    pass_time(LIMIT)
    answer = visit(browser, only, browser.get(home))
    assert (answer.status_code, answer["Location"]) == (302, home)
    assert browser.get(home).status_code == 200
    assert is_fresh()
    assert browser.session.session_key == key


def test_visit_without_a_session_at_the_provider_ends_ours(
    without_refresh, only, browser, home
):
    pass_time(RECHECK)
    only.order(signed_in=None)
    answer = visit(browser, only, browser.get(home))
    assert answer["Location"].startswith(reverse("account_login"))
    assert browser.user_id is None


def test_visit_as_another_person_ends_the_session(without_refresh, only, browser, home):
    pass_time(RECHECK)
    only.person("grace")
    answer = visit(browser, only, browser.get(home))
    assert answer.status_code == 401
    assert browser.user_id is None


def test_visit_with_a_faulty_token_ends_the_session(without_refresh, only, browser, home):
    pass_time(RECHECK)
    only.fault("token", oidc="nonce")
    assert visit(browser, only, browser.get(home)).status_code == 403
    assert browser.user_id is None


def test_script_can_not_visit_the_provider(without_refresh, only, browser, home):
    """Within the limit a fragment or a form is served; after it there is a page with
    the way on.
    """
    htmx = {"HX-Request": "true"}
    pass_time(LIMIT - timedelta(minutes=1))
    assert browser.get(home, headers=htmx).status_code == 200
    pass_time(LIMIT)
    assert browser.get(home, headers=htmx).status_code == 401
    assert browser.post(reverse("teams:create"), {"name": "Globex"}).status_code == 401
    assert not Membership.objects.filter(team__name="Globex").exists()
    assert visit(browser, only, browser.get(home))["Location"] == home


def test_dead_provider_is_not_visited_at_each_page(without_refresh, only, browser, home):
    pass_time(LIMIT - timedelta(minutes=1))
    assert browser.get(home).status_code == 302
    assert browser.get(home).status_code == 200


def test_session_of_another_way_ends_with_only(only, browser):
    """A password's session from before OIDC_ONLY=1, and any that was made around the
    provider.
    """
    user = User.objects.create_user("ada@example.com")
    browser.force_login(user)
    answer = browser.get(reverse("teams:create"))
    assert answer["Location"].startswith(reverse("account_login"))
    assert browser.user_id is None


def test_session_of_another_way_stays_without_only(provider, browser):
    browser.force_login(User.objects.create_user("ada@example.com"))
    assert browser.get(reverse("teams:create")).status_code == 200


def test_session_of_the_provider_ends_when_it_is_turned_off(only, browser, home, settings):
    settings.OIDC_ISSUER, settings.OIDC_ONLY = "", False
    assert browser.get(home).status_code == 302
    assert browser.user_id is None


def test_signing_out_forgets_the_refresh_token(only, browser, home):
    browser.post(reverse("account_logout"))
    assert not OidcSession.objects.exists()


def test_row_of_another_person_is_no_session(only, browser, home):
    OidcSession.objects.update(user=User.objects.create_user("eve@example.com"))
    assert browser.get(home).status_code == 302
    assert browser.user_id is None


class TestGroups:
    @pytest.fixture(autouse=True)
    def mapping(self, only, settings):
        settings.OIDC_GROUPS = {
            "engineers": [("acme", "member")],
            "leads": [("acme", "admin"), ("globex", "owner")],
            "ghosts": [("no-such-team", "owner")],
        }

    @pytest.fixture
    def acme(self, db):
        return create_team("Acme", User.objects.create_user("owner@acme.example"))

    @pytest.fixture
    def globex(self, db):
        return create_team("Globex", User.objects.create_user("owner@globex.example"))

    def roles(self):
        rows = Membership.objects.filter(user__email="ada@example.com")
        return dict(rows.values_list("team__slug", "role"))

    def test_groups_give_roles_at_sign_in(self, only, browser, acme, globex):
        only.person("ada", groups=["engineers", "leads", "ghosts", "others"])
        browser.sign_in()
        assert self.roles() == {"acme": "admin", "globex": "owner"}

    def test_changed_groups_act_at_the_next_check(self, only, browser, acme, globex):
        only.person("ada", groups=["leads"])
        browser.sign_in()
        only.person("ada", groups=["engineers"])
        page = reverse("teams:members", args=["globex"])
        assert browser.get(page).status_code == 200
        pass_time(RECHECK)
        assert browser.get(page).status_code == 404
        assert self.roles() == {"acme": "member"}

    def test_removed_group_acts_at_a_visit(self, only, browser, acme):
        only.order(gives_refresh_tokens=False)
        only.person("ada", groups=["engineers"])
        browser.sign_in()
        only.person("ada", groups=[])
        pass_time(LIMIT)
        page = reverse("teams:members", args=["acme"])
        visit(browser, only, browser.get(page))
        assert browser.get(page).status_code == 404
        assert self.roles() == {}

    def test_missing_claim_is_no_group(self, only, browser, acme):
        only.person("ada", groups=["engineers"])
        browser.sign_in()
        only.order(people={"ada": {"email": "ada@example.com", "email_verified": True}})
        browser.sign_in()
        assert self.roles() == {}

    def test_groups_that_are_elsewhere_are_refused(self, only, browser, acme):
        only.person("ada", groups=["engineers"])
        only.fault("userinfo", oidc="overage")
        assert browser.sign_in().status_code == 403
        assert browser.user_id is None

    def test_membership_made_by_hand_stays(self, only, browser, acme):
        ada = User.objects.create_user("ada@example.com")
        Membership.objects.create(team=acme, user=ada, role=Role.ADMIN)
        only.person("ada", groups=[])
        browser.sign_in()
        assert self.roles() == {"acme": "admin"}

    def test_mapped_group_takes_a_membership_over(self, only, browser, acme):
        ada = User.objects.create_user("ada@example.com")
        Membership.objects.create(team=acme, user=ada, role=Role.ADMIN)
        only.person("ada", groups=["engineers"])
        browser.sign_in()
        assert self.roles() == {"acme": "member"}

    @pytest.mark.parametrize("groups", [[], ["engineers"]], ids=["removed", "demoted"])
    def test_last_owner_stays_owner(self, only, browser, settings, caplog, groups):
        create_team("Acme", User.objects.create_user("ada@example.com"))
        Membership.objects.update(managed=True)
        only.person("ada", groups=groups)
        browser.sign_in()
        assert self.roles() == {"acme": "owner"}
        assert [
            record.levelname
            for record in caplog.records
            if record.name == "apps.teams.oidc_roles"
        ] == ["ERROR"]

    def test_without_a_mapping_nothing_changes(self, only, browser, acme, settings):
        only.person("ada", groups=["engineers"])
        browser.sign_in()
        settings.OIDC_GROUPS = {}
        browser.sign_in()
        assert self.roles() == {"acme": "member"}


def test_no_cookie_means_no_query(only, client, django_assert_num_queries):
    client.cookies = SimpleCookie()
    with django_assert_num_queries(0):
        client.get(reverse("account_login"))
