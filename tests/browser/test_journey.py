"""From the first page to the dashboard, as different people go it."""

import itertools
import re
from urllib.parse import urlsplit

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from apps.integrations.models import TrackedRepository
from apps.mail.models import OutboxMessage
from apps.pipelines.models import Run
from apps.teams.models import Team

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "quiet-harbour-lantern-41"
PATIENCE = 90_000  # ms for a worker's start and a whole run on a busy machine
NUMBERS = itertools.count()


def sign_up(page):
    """Sign up and confirm; return the address, which no other test uses: emails to one
    address are limited.
    """
    email = new_address()
    page.goto("/")
    page.get_by_role("link", name="Sign up").first.click()
    page.locator("[name=email]").fill(email)
    for field in page.locator("[type=password]").all():
        field.fill(PASSWORD)
    page.locator("main form").get_by_role("button", name="Sign up").click()
    open_confirmation(page, email)
    page.locator("main form button").click()
    page.wait_for_url("**/teams/new/")
    return email


def new_address():
    return f"ada{next(NUMBERS)}@globex.example"


def open_confirmation(page, email):
    """Open the link that was mailed after the sign-up, in the same browser."""
    page.wait_for_url("**/accounts/confirm-email/")
    mail = OutboxMessage.objects.get(recipient=email)
    page.goto(urlsplit(re.search(r"http\S+/confirm-email/\S+", mail.text)[0]).path)


def make_team(page):
    page.get_by_label("name").fill("Globex")
    page.get_by_role("button", name="Create team").click()
    page.wait_for_url("**/t/globex/onboarding/connect/")


def connect(page, token="a token of any shape"):
    page.get_by_label("Personal access token").fill(token)
    page.get_by_role("button", name="Check token").click()


def to_the_choice(page):
    email = sign_up(page)
    make_team(page)
    connect(page)
    page.wait_for_url("**/t/globex/onboarding/repositories/")
    return email


def chosen(page):
    return page.locator("[name=pick]:checked").evaluate_all(
        "boxes => boxes.map(box => box.value)"
    )


@pytest.mark.parametrize("scripts", [True, False], ids=["with JavaScript", "without"])
def test_from_signing_up_to_the_dashboard(visit, worker, scripts):
    page = visit(java_script_enabled=scripts)
    sign_up(page)
    make_team(page)
    visit.forgive("status of 422")
    connect(page, "bad-token")
    expect(
        page.get_by_role("alert").filter(has_text="GitHub does not accept this token")
    ).to_be_visible()
    connect(page)
    page.wait_for_url("**/t/globex/onboarding/repositories/")
    assert sorted(chosen(page)) == ["github:acme/api", "github:acme/docs", "github:acme/web"]
    page.get_by_label("acme/docs").uncheck()
    page.get_by_label("Search repositories").fill("api")
    page.get_by_role("button", name="Search").click()
    expect(page.get_by_label("acme/web")).to_have_count(0)
    page.reload()
    expect(page.get_by_label("Search repositories")).to_have_value("api")
    page.locator("#start").click()
    page.wait_for_url("**/t/globex/onboarding/runs/*/")
    run = Run.objects.get()
    followed = TrackedRepository.objects.for_team(Team.objects.get()).select_related(
        "repository"
    )
    assert sorted(row.repository.full_name for row in followed) == ["acme/api", "acme/web"]
    assert len(run.params["repo_ids"]) == 2
    page.goto("/t/globex/onboarding/")
    page.wait_for_url(f"**/onboarding/runs/{run.pk}/")
    worker()
    page.locator("#run-note a.primary").click(timeout=PATIENCE)
    page.wait_for_url("**/t/globex/", timeout=PATIENCE)
    expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()
    page.goto("/mail/")
    expect(page.get_by_text("Globex: Your first insights are ready")).to_have_count(1)


def test_two_clicks_and_two_tabs_start_one_run(visit):
    page = visit()
    to_the_choice(page)
    other = page.context.new_page()
    other.goto(page.url)
    page.locator("#start").dblclick()
    page.wait_for_url("**/onboarding/runs/*/")
    other.locator("#start").click()
    other.wait_for_url("**/onboarding/runs/*/")
    assert other.url == page.url
    expect(other.locator(".messages")).to_be_visible()
    assert Run.objects.count() == 1


def test_a_session_that_ended_leads_through_the_log_in_page_back(visit):
    page = visit()
    email = to_the_choice(page)
    expect(page.locator("#sizes")).to_have_count(
        0
    )  # the sizes have come: nothing else is asked for meanwhile
    Session.objects.all().delete()
    page.locator("#start").click()
    page.wait_for_url(re.compile(r"/accounts/login/\?next="))
    assert not Run.objects.exists()
    page.locator("[name=login]").fill(email)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("main form").get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/t/globex/onboarding/repositories/")
    assert len(chosen(page)) == 3
    page.locator("#start").click()
    page.wait_for_url("**/onboarding/runs/*/")


class Keyboard:
    """Somebody who has nothing but a keyboard."""

    def __init__(self, page):
        self.page = page

    def to(self, target):
        """Tab until the target has the focus, and is seen to have it."""
        for _ in range(80):
            self.page.keyboard.press("Tab")
            if target.evaluate("element => element === document.activeElement"):
                assert target.evaluate("element => element.matches(':focus-visible')")
                return self
        pytest.fail(f"No way by Tab to {target}")

    def type(self, text):
        self.page.keyboard.type(text)

    def press(self, key="Enter"):
        self.page.keyboard.press(key)


def test_by_the_keyboard_alone(visit):
    page = visit(None, "/")
    keys = Keyboard(page)
    keys.to(page.get_by_role("link", name="Sign up").first).press()
    page.wait_for_url("**/accounts/signup/")
    email = new_address()
    keys.to(page.locator("[name=email]")).type(email)
    for field in page.locator("[type=password]").all():
        keys.to(field).type(PASSWORD)
    keys.press()
    open_confirmation(page, email)
    keys.to(page.locator("main form button")).press()
    page.wait_for_url("**/teams/new/")
    keys.to(page.get_by_label("name")).type("Globex")
    keys.press()
    page.wait_for_url("**/onboarding/connect/")
    keys.to(page.get_by_label("Personal access token")).type("a token")
    keys.press()
    page.wait_for_url("**/onboarding/repositories/")
    keys.to(page.get_by_label("acme/docs")).press("Space")
    expect(page.locator("#choice-bar")).to_contain_text("2 of 3")
    keys.to(page.locator("#start")).press()
    page.wait_for_url("**/onboarding/runs/*/")
    assert len(Run.objects.get().params["repo_ids"]) == 2
