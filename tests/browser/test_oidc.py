"""Sign-in through an OpenID Connect provider, as a browser does it with the
Content-Security-Policy in force.

The sandbox's provider has another host name than the site (localhost, 127.0.0.1), so
the way leads across sites.
"""

import re
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import expect

from apps.teams.services import create_team
from apps.users.models import OidcSession, User
from tests.browser.browsing import Visits
from tests.browser.site import serving
from tests.users.oidc.conftest import SandboxProvider

pytestmark = pytest.mark.django_db(transaction=True)

TARGET = "/t/acme/members/"


def _settings(github_server):
    port = urlsplit(github_server.url).port
    return {
        "OIDC_ISSUER": f"http://localhost:{port}/oidc",
        "OIDC_CLIENT_ID": "firstlight",
        "OIDC_CLIENT_SECRET": "sandbox-secret-of-the-client-0001",
        "OIDC_NAME": "Example Login",
        "OIDC_DOMAINS": "acme.example",
    }


@pytest.fixture(scope="module")
def server(django_db_setup, github_server, tmp_path_factory):
    with serving(
        github_server, tmp_path_factory.mktemp("oidc"), _settings(github_server)
    ) as web:
        yield web


@pytest.fixture(scope="module")
def only_server(django_db_setup, github_server, tmp_path_factory):
    env = _settings(github_server) | {"OIDC_ONLY": "1"}
    with serving(github_server, tmp_path_factory.mktemp("only"), env) as web:
        yield web


@pytest.fixture(params=["beside passwords", "only"])
def site(request, queue, github):
    """The site with the provider beside passwords, and with the provider alone."""
    found = request.getfixturevalue("only_server" if request.param == "only" else "server")
    found.complaints()
    yield found
    assert not found.complaints()


@pytest.fixture
def provider(site, github):
    found = SandboxProvider(github.url)
    yield found
    found.order(signed_in=None)
    found.works_again()
    found.http.close()


@pytest.fixture
def page(browser, site):
    visits = Visits(browser, site.url)
    visits.forgive("status of 403|favicon.ico")  # refusals; the sandbox has no icon
    yield visits(path=f"/accounts/login/?next={TARGET}")
    visits.close()
    assert not visits.unforgiven


@pytest.fixture
def ada(queue):
    user = User.objects.create_user("ada@acme.example")
    create_team("Acme", user)
    return user


def press(page):
    """Press the provider's button, on the page with other ways to sign in or alone."""
    name = re.compile(re.escape("Example Login"))
    page.get_by_role("button", name=name).or_(page.get_by_role("link", name=name)).click()


def test_policy_does_not_allow_the_provider(site):
    """So a redirect in answer to the form would be stopped, and the tests below would
    fail.
    """
    policy = httpx.get(f"{site.url}/accounts/login/").headers["content-security-policy"]
    (rule,) = re.findall("form-action ([^;]*)", policy)
    assert "localhost" not in rule


def test_sign_in_leads_to_the_page_that_was_asked_for(page, site, provider, ada):
    provider.person("ada", email=ada.email)
    press(page)
    page.wait_for_url(f"{site.url}{TARGET}")
    expect(page.locator("#in-team")).to_be_visible()
    assert OidcSession.objects.get().user == ada
    page.reload()
    expect(page.locator("#in-team")).to_be_visible()


def test_sign_in_works_if_the_provider_asks_who_it_is(page, site, provider, ada):
    provider.person("ada", email=ada.email)
    provider.order(signed_in=None)
    press(page)
    page.wait_for_url("http://localhost:*/oidc/authorize*")
    page.locator("button[value=ada]").click()
    page.wait_for_url(f"{site.url}{TARGET}")
    assert OidcSession.objects.get().user == ada


def test_unverified_address_is_refused_with_a_way_back(page, site, provider, ada):
    provider.person("ada", email=ada.email, email_verified=False)
    press(page)
    page.wait_for_url("**/accounts/oidc/login/callback/**")
    page.locator("[data-action=sign-in]").click()
    page.wait_for_url("**/accounts/login/**")
    assert not OidcSession.objects.filter(user=ada).exists()
