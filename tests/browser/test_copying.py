"""Every copy button of the product puts its text into the clipboard and announces it."""

import re

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.template.loader import render_to_string
from playwright.sync_api import expect

from tests.fixtures.workers import ROOT
from tests.users.test_second_factors import code_of

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "Correct-Horse-9-Battery"
CLIPBOARD = ["clipboard-read", "clipboard-write"]
# The ids of the elements that a button copies, by the test below that presses it.
COVERED = {
    "made": "test_token_is_copied",
    "hook-address": "test_payload_url_and_secret_of_a_webhook_are_copied",
    "hook-secret": "test_payload_url_and_secret_of_a_webhook_are_copied",
    "run-error": "test_error_and_reference_of_a_failed_run_are_copied",
    "run-reference": "test_error_and_reference_of_a_failed_run_are_copied",
    "reference": "test_reference_of_an_error_page_is_copied",
    "secret": "test_secret_and_recovery_codes_are_copied",
    "recovery-codes": "test_secret_and_recovery_codes_are_copied",
}


def copied_ids():
    """Return the ids that templates give to `components/copy.html`."""
    found = set()
    for template in (ROOT / "templates").rglob("*.html"):
        for tag in re.findall(
            r"{% include \"components/copy.html\"[^%]*%}", template.read_text()
        ):
            found.add(re.search(r" of=\"([\w-]+)\"", tag)[1])
    return found


def test_every_copy_button_has_a_test():
    assert copied_ids() == set(COVERED)
    assert all(name in globals() for name in COVERED.values())


@pytest.fixture
def copies(visit):
    """Return a function that opens a page whose clipboard a test can read."""
    return lambda *args: visit(*args, permissions=CLIPBOARD)


def check_copy(page, of, expected):
    """Press the button that copies the element with the id `of`, by keyboard."""
    page.wait_for_load_state()  # The page's script hears the button only then.
    page.evaluate("navigator.clipboard.writeText('')")
    button = page.locator(f"[data-copy-of={of}]")
    expect(button).to_have_role("button")
    expect(button).to_have_accessible_name(re.compile("^Copy .+"))
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator("body > [role=status]")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == expected
    expect(button).to_be_focused()


def test_token_is_copied(copies, team, mara):
    page = copies(mara, "/t/acme/api/")
    page.fill("#token-name", "Report")
    page.keyboard.press("Enter")
    token = page.locator("#made").input_value()
    assert token
    check_copy(page, "made", token)


def test_payload_url_and_secret_of_a_webhook_are_copied(copies, begin, mara):
    begin()
    page = copies(mara, "/t/acme/onboarding/connect/")
    page.locator("form[action$='/webhook/'] button").click()
    secret = page.locator("#hook-secret").input_value()
    assert secret
    check_copy(page, "hook-address", page.locator("#hook-address").input_value())
    check_copy(page, "hook-secret", secret)


def test_error_and_reference_of_a_failed_run_are_copied(copies, begin, work, mara):
    run = work(begin(token="bad-token"))
    page = copies(mara, f"/t/acme/onboarding/runs/{run.pk}/")
    check_copy(page, "run-error", page.locator("#run-error").inner_text())
    check_copy(page, "run-reference", str(run.pk))


def test_secret_and_recovery_codes_are_copied(copies, mara):
    # The web process has the product's hashers, not those of the tests. A weaker hash
    # would end the session when it is replaced.
    mara.password = PBKDF2PasswordHasher().encode(PASSWORD, "0123456789abcdefghijkl")
    mara.save()
    page = copies(mara, "/accounts/2fa/totp/activate/")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    secret = page.locator("#secret").input_value()
    check_copy(page, "secret", secret)
    page.fill("[name=code]", code_of(secret))
    page.keyboard.press("Enter")
    codes = page.locator("#recovery-codes").inner_text().strip()
    assert len(codes.split()) == 10
    check_copy(page, "recovery-codes", codes)


def test_reference_of_an_error_page_is_copied(copies):
    page = copies()
    # The web process of these tests runs with DEBUG, in which Django shows a page of
    # its own.
    html = render_to_string("500.html", {"reference": "FL7K2M"})
    page.route(
        "**/broken/",
        lambda route: route.fulfill(status=200, content_type="text/html", body=html),
    )
    page.goto("/broken/")
    check_copy(page, "reference", "FL7K2M")
