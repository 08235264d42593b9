"""A browser that signs in at the sandbox's provider over HTTP, and returns to the site."""

import html
import re
from urllib.parse import urlsplit

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from apps.users.oidc import config
from tests.sandbox.server import start_sandbox


class SandboxProvider:
    """The sandbox's provider, as tests give it orders."""

    def __init__(self, url):
        self.http = httpx.Client(base_url=url, timeout=20)
        self.issuer = f"{url}/oidc"

    def order(self, **changes):
        assert self.http.post("/_sandbox/oidc", json=changes).status_code == 200

    def person(self, subject, **claims):
        """Add or replace a person, and sign them in at the provider."""
        known = {
            "email": f"{subject}@example.com",
            "email_verified": True,
            "name": subject.title(),
            "groups": [],
        }
        self.order(people={subject: known | claims}, signed_in=subject)

    def fault(self, operation, **effect):
        """Make the answers to an operation wrong: `fault("token", oidc="nonce")`."""
        order = {"match": {"operation": f"oidc {operation}"}, **effect}
        answer = self.http.post("/_sandbox/faults", json=[order])
        assert answer.status_code == 200, answer.text

    def works_again(self):
        self.http.post("/_sandbox/faults", json=[])

    def calls(self):
        return self.http.get("/_sandbox/oidc").json()["calls"]


def address_in(answer):
    """The provider's address on the page that leads there."""
    (address,) = re.findall('id="leaving" href="([^"]+)"', answer.text)
    return html.unescape(address)


class Browser(Client):
    """Django's test client, with a provider that is a real server."""

    def visit_provider(self, address):
        """Open an address of the provider.

        Return the path on this site that it leads back to.
        """
        answer = httpx.get(address, timeout=20)
        assert answer.status_code == 302, answer.text
        back = urlsplit(answer.headers["location"])
        return f"{back.path}?{back.query}"

    def start(self, target=""):
        """Press the button on the sign-in page, and return the answer."""
        return self.post(
            reverse("openid_connect_login", query={"next": target} if target else None)
        )

    def sign_in(self, target=""):
        """Sign in through the provider, and return the answer to its redirect back."""
        answer = self.start(target)
        if answer.status_code != 200:
            return answer
        return self.get(self.visit_provider(address_in(answer)))

    @property
    def user_id(self):
        """The key of the user that is signed in, or None."""
        found = self.session.get("_auth_user_id")
        return int(found) if found else None


@pytest.fixture(scope="session")
def sandbox_url():
    with start_sandbox() as url:
        yield url


@pytest.fixture
def provider(sandbox_url, settings, db):
    """The provider, set up on the site with the domain example.com."""
    found = SandboxProvider(sandbox_url)
    found.http.post("/_sandbox/reset")
    settings.OIDC_ISSUER = found.issuer
    settings.OIDC_CLIENT_ID = "firstlight"
    settings.OIDC_CLIENT_SECRET = "sandbox-secret-of-the-client-0001"
    settings.OIDC_NAME = "Example Login"
    settings.OIDC_DOMAINS = ["example.com"]
    assert config.is_on()
    yield found
    found.http.close()


@pytest.fixture
def only(provider, settings):
    """The provider as the only way to sign in."""
    settings.OIDC_ONLY = True
    return provider


@pytest.fixture
def browser():
    return Browser()
