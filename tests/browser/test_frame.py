"""What stands around every page: menus, buttons that are at work, times in the viewer's
zone.
"""

import re

import pytest
from playwright.sync_api import expect

from tests.fixtures.workers import eventually

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "/accounts/password/change/"


@pytest.fixture
def page(visit, mara):
    mara.set_password("correct horse battery")
    mara.save()
    return visit(mara, PASSWORD, width=390, timezone_id="Asia/Tokyo")


def test_a_menu_closes_on_escape_which_goes_back_to_its_button(page):
    button = page.locator("details.menu.right > summary")
    button.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator(".menu-panel a[href='/accounts/email/']")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("details.menu[open]")).to_have_count(0)
    expect(button).to_be_focused()


def test_a_menu_closes_on_a_click_elsewhere_and_when_another_opens(page):
    first, second = (page.locator("details.menu > summary").nth(index) for index in (0, 1))
    first.click()
    second.click()
    expect(page.locator("details.menu[open]")).to_have_count(1)
    page.locator("footer").click()
    expect(page.locator("details.menu[open]")).to_have_count(0)


def test_a_form_under_way_is_sent_once(page):
    posts = []
    page.on(
        "request", lambda request: posts.append(request) if request.method == "POST" else None
    )
    # An answer without content leaves the page as it is, as a slow one would.
    page.route(f"**{PASSWORD}", lambda route: route.fulfill(status=204))
    button = page.locator("main form .button.primary")
    for name in ("oldpassword", "password1", "password2"):
        page.fill(f"input[name={name}]", "something")
    width = button.bounding_box()["width"]
    button.click()
    expect(button).to_have_attribute("aria-busy", "true")
    assert button.bounding_box()["width"] >= width
    button.dispatch_event("click")
    page.fill("input[name=password2]", "something else")
    assert len(posts) == 1


def test_times_become_the_viewers_own_also_where_the_page_changes(page):
    page.evaluate(
        """() => { document.querySelector("main").insertAdjacentHTML("beforeend",
          '<time id="t" datetime="2025-11-26T15:45:46Z" data-local="second">15:45:46 UTC</time>'); }"""
    )
    expect(page.locator("#t")).to_have_text("00:45:46")
    page.evaluate(
        """() => { const time = document.querySelector("#t");
          time.setAttribute("datetime", "2025-11-26T15:45:47Z"); time.firstChild.data = "15:45:47 UTC"; }"""
    )
    expect(page.locator("#t")).to_have_text("00:45:47")


@pytest.mark.parametrize("kind", ["minute", "moment"])
def test_time_of_a_day_has_its_zone(page, kind):
    page.evaluate(
        """kind => { document.querySelector("main").insertAdjacentHTML("beforeend",
          `<time id="t" datetime="2025-11-26T15:45:46Z" data-local="${kind}">15:45 UTC</time>`); }""",
        kind,
    )
    expect(page.locator("#t")).to_have_text(re.compile(r"\b00:45 \S+$"))


def test_without_scripts_menus_open_and_one_can_sign_out(visit, mara):
    page = visit(mara, PASSWORD, java_script_enabled=False)
    page.locator("details.menu.right > summary").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("pull requests"))


GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"


@pytest.mark.parametrize(
    "answer",
    ["error", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("login", "nothing"))],
)
def test_an_answer_from_elsewhere_takes_no_part_s_place(visit, begin, mara, answer):
    """A proxy's error, a whole page, or no answer at all: the part stays, its poll goes
    on, and a press is answered.
    """
    visit.forgive("502|net::ERR_FAILED|Failed to fetch")
    page = visit(mara, f"/t/acme/onboarding/runs/{begin().pk}/")
    title, polls = page.title(), []

    def disturbed(route):
        polls.append(route.request.url)
        if answer == "nothing":
            route.abort()
        elif answer == "error":
            route.fulfill(status=502, content_type="text/html", body=GATEWAY)
        else:
            route.fulfill(
                status=200, content_type="text/html", body=f"<!doctype html>{GATEWAY}"
            )

    for path in ("**/workers/", "**/pause/"):
        page.route(path, disturbed)
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("alert")).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).not_to_have_attribute("aria-busy", "true")
    eventually(
        lambda: page.wait_for_timeout(100) or sum("workers" in url for url in polls) >= 2
    )
    assert page.title() == title
    page.unroute_all()
    page.get_by_role("button", name="Pause").click()
    expect(page.locator("#run-note[data-state=paused]")).to_be_visible()
    expect(page.locator(".toast")).to_have_count(0)


def test_a_second_press_is_not_even_queued(visit, begin, mara):
    page = visit(mara, f"/t/acme/onboarding/runs/{begin().pk}/")
    posts = []
    page.on(
        "request",
        lambda request: posts.append(request.url) if request.method == "POST" else None,
    )
    page.get_by_role("button", name="Pause").dblclick()
    expect(page.locator("#run-note[data-state=paused]")).to_be_visible()
    assert len(posts) == 1
    expect(page.locator("#said")).to_have_count(0)
