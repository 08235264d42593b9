"""Second factors by keyboard alone: set up, sign in with, rename, and remove.

Each page is checked with axe.
"""

import re

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from playwright.sync_api import expect

from apps.teams.services import create_team
from apps.users.models import User
from tests.browser import axe
from tests.browser.browsing import Visits
from tests.browser.keyboard import Keyboard
from tests.users.test_second_factors import code_of

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "Correct-Horse-9-Battery"
INDEX = "/accounts/2fa/"
MAIN = "#main form:not(#logout-from-stage)"


@pytest.fixture
def ada(queue):
    user = User.objects.create_user("ada@acme.example")
    # The web process has the product's hashers, not those of the tests.
    user.password = PBKDF2PasswordHasher().encode(
        PASSWORD, "0123456789abcdefghijkl", iterations=1000
    )
    user.save()
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    create_team("Acme", user)
    return user


@pytest.fixture
def visits(browser, web):
    """Visits of the site as localhost: browsers have no security keys for an IP
    address.
    """
    found = Visits(browser, web.url.replace("127.0.0.1", "localhost"))
    yield found
    found.close()
    assert not found.unforgiven


def plug_in(page):
    """Give the browser a security key that is touched at once; return what removes it."""
    session = page.context.new_cdp_session(page)
    session.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "usb",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
    }
    session.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return session


def check(page, path):
    """Check that the page is at this address, and that axe finds nothing in it, light
    and dark.
    """
    expect(page).to_have_url(re.compile(rf"^[^?]*{path}(\?.*)?$"))
    found = axe.grave_findings(page)
    page.emulate_media(color_scheme="dark")
    found += axe.grave_findings(page, axe.COLORS)
    page.emulate_media(color_scheme="light")
    assert not found, "\n".join(found)


def check_error(page, field):
    """Check that the field has the focus and is described by its error, so that a
    screen reader reads both.
    """
    expect(page.locator(field)).to_be_focused()
    described = page.locator(field).get_attribute("aria-describedby").split()
    errors = [name for name in described if name.endswith("_error")]
    assert page.locator(f"#{errors[0]}").inner_text().strip()


def sign_in(page, ada):
    """Enter address and password; the page is then that of the second step."""
    page.goto(f"/accounts/login/?next={INDEX}")
    keys = Keyboard(page)
    keys.type("[name=login]", ada.email)
    keys.type("[name=password]", PASSWORD)
    keys.press("Enter")
    return keys


@pytest.mark.long
def test_second_factors_by_keyboard(visits, ada):
    page = visits()
    plug_in(page)
    keys = sign_in(page, ada)
    check(page, INDEX)
    secret = set_up_app(page, keys)
    codes = read_codes(page, keys)
    add_key(page, keys)
    rename_key(page, keys)
    sign_in_with_code(visits(), ada, secret)
    sign_in_with_key(page, ada)
    remove_key(page, keys)
    sign_in_with_code(visits(), ada, codes[0])
    turn_off_app(page, keys)


def set_up_app(page, keys):
    keys.follow("#totp-on")
    check(page, "/accounts/reauthenticate/")
    keys.type("[name=password]", "wrong")
    keys.press("Enter")
    check_error(page, "[name=password]")
    check(page, "/accounts/reauthenticate/")
    keys.type("[name=password]", PASSWORD)
    keys.press("Enter")
    check(page, "/2fa/totp/activate/")
    keys.type("[name=code]", "000000")
    keys.press("Enter")
    check_error(page, "[name=code]")
    check(page, "/2fa/totp/activate/")
    secret = page.input_value("#secret")
    keys.type("[name=code]", code_of(secret))
    keys.press("Enter")
    return secret


def read_codes(page, keys):
    check(page, "/2fa/recovery-codes/")
    codes = page.locator("#recovery-codes").inner_text().split()
    assert len(codes) == 10
    keys.go_to("[data-copy-of=recovery-codes]")
    page.keyboard.press("Space")
    expect(page.locator("[data-copy-of=recovery-codes] [data-copy-words]")).to_have_text(
        "Copied"
    )
    keys.follow("#codes-new")
    check(page, "/2fa/recovery-codes/generate/")
    keys.follow(f"{MAIN} .button.primary")
    check(page, "/2fa/recovery-codes/")
    newer = page.locator("#recovery-codes").inner_text().split()
    assert not set(newer) & set(codes)
    return newer


def add_key(page, keys):
    page.goto(INDEX)
    keys.follow("#key-add")
    check(page, "/2fa/webauthn/add/")
    keys.go_to("[name=name]")
    keys.press("Enter")
    check(page, INDEX)
    expect(page.locator("#key-count")).to_have_text("1")
    # The same key once more: the browser refuses, and the page announces it.
    keys.follow("#key-add")
    error = page.locator("#key-error")
    expect(error).to_have_attribute("role", "alert")
    expect(error).to_be_empty()
    keys.go_to("#key-button")
    page.keyboard.press("Space")
    expect(error).not_to_be_empty()
    expect(page.locator("#key-button")).to_be_focused()
    check(page, "/2fa/webauthn/add/")


def rename_key(page, keys):
    page.goto(INDEX)
    keys.follow("#key-list")
    check(page, "/2fa/webauthn/")
    keys.follow("li a[href*=edit]")
    check(page, "/edit/")
    keys.type("[name=name]", "Blue key")
    keys.press("Enter")
    check(page, "/2fa/webauthn/")
    expect(page.locator("li .name")).to_have_text("Blue key")


def sign_in_with_code(page, ada, secret_or_code):
    keys = sign_in(page, ada)
    check(page, "/2fa/authenticate/")
    expect(page.locator("[name=code]")).to_be_focused()
    page.keyboard.type("000000")
    keys.press("Enter")
    check_error(page, "[name=code]")
    check(page, "/2fa/authenticate/")
    code = secret_or_code if secret_or_code.isdigit() else code_of(secret_or_code)
    keys.type("[name=code]", code)
    keys.press("Enter")
    check(page, INDEX)


def sign_in_with_key(page, ada):
    page.context.clear_cookies()
    keys = sign_in(page, ada)
    check(page, "/2fa/authenticate/")
    page.locator("#main").focus()
    keys.follow("#key-button")
    check(page, INDEX)


def remove_key(page, keys):
    keys.follow("#key-list")
    keys.follow("li a.danger")
    check(page, "/accounts/reauthenticate/")  # a session of its own since the sign-in
    keys.follow("a[href*='/webauthn/reauth']")
    check(page, "/webauthn/reauthenticate/")
    keys.follow("#key-button")
    check(page, "/remove/")
    keys.follow("#main .buttons a")
    check(page, "/2fa/webauthn/")
    keys.follow("li a.danger")
    keys.follow(f"{MAIN} .button.danger")
    check(page, "/2fa/webauthn/")
    assert not Authenticator.objects.filter(type="webauthn").exists()


def turn_off_app(page, keys):
    page.goto(INDEX)
    keys.follow("#totp-off")
    check(page, "/2fa/totp/deactivate/")
    keys.follow("#main .buttons a")
    check(page, INDEX)
    keys.follow("#totp-off")
    keys.follow(f"{MAIN} .button.danger")
    check(page, INDEX)
    assert not Authenticator.objects.exists()
    expect(page.locator("#totp-on")).to_be_visible()


def test_key_button_is_only_for_people_with_a_key(visits, ada):
    page = visits()
    keys = sign_in(page, ada)
    set_up_app(page, keys)
    check(page, "/2fa/recovery-codes/")
    page = visits()
    sign_in(page, ada)
    expect(page.locator("[name=code]")).to_be_focused()
    expect(page.locator("#key-button")).to_have_count(0)
    keys = Keyboard(page)
    keys.follow("#cancel")
    check(page, "/accounts/login/")
