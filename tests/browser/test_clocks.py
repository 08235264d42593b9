"""Clocks that differ, and windows that slept: the live page shows the server's time,
and catches up.
"""

import re
from datetime import timedelta

import pytest
from django.utils import timezone
from playwright.sync_api import expect

from apps.pipelines import engine
from apps.pipelines.models import Run
from tests.browser.browsing import Visits
from tests.browser.test_live import IS_MARKED, MARK

pytestmark = pytest.mark.django_db(transaction=True)
LONG = pytest.mark.long

HOUR = 3_600_000
# Lets the browser's clock be wrong by `window.wrongBy` ms, which can be changed later.
WRONG_CLOCK = """
window.wrongBy = %d;
const Right = Date;
window.Date = class extends Right {
    constructor(...given) { given.length ? super(...given) : super(Right.now() + window.wrongBy); }
    static now() { return Right.now() + window.wrongBy; }
};
"""
# The seconds that the run's clock shows; null before it shows any.
ELAPSED = """() => {
    const parts = document.querySelector("#run-progress .clock").textContent.split(":").map(Number);
    return parts.some(Number.isNaN) ? null : parts.reduce((sum, part) => 60 * sum + part, 0);
}"""
MOST_SECONDS = 300  # that a test takes


@pytest.fixture
def page_with_clock(visit, begin, mara):
    """Opens a run's live page in a browser whose clock is wrong by some milliseconds."""

    def open_page(wrong_by):
        page = visit(mara)
        page.add_init_script(WRONG_CLOCK % wrong_by)
        page.goto(f"/t/acme/onboarding/runs/{begin().pk}/")
        expect(page.locator("#connection[data-connection=live]")).to_be_visible()
        return page

    return open_page


def shows_right_clock(page):
    """Wait until the clock counts: it shows more than nothing, and less than the test
    takes.
    """
    page.wait_for_function(
        f"() => {{ const shown = ({ELAPSED})(); return shown > 2 && shown < {MOST_SECONDS}; }}"
    )


@pytest.mark.parametrize("wrong_by", [HOUR, -HOUR])
def test_clock_shows_the_server_s_time(page_with_clock, wrong_by):
    page = page_with_clock(wrong_by)
    shows_right_clock(page)
    page.wait_for_timeout(5_000)
    shows_right_clock(page)
    expect(page.locator("#connection[data-connection=live]")).to_be_visible()


@pytest.mark.long
@pytest.mark.parametrize(("wrong_by", "then"), [(0, HOUR), (0, -HOUR), (HOUR, 0)])
def test_clock_that_is_set_while_the_page_is_open_comes_right(page_with_clock, wrong_by, then):
    page = page_with_clock(wrong_by)
    shows_right_clock(page)
    page.evaluate(f"window.wrongBy = {then}")
    page.wait_for_timeout(2_000)
    shows_right_clock(page)
    expect(page.locator("#connection[data-connection=live]")).to_be_visible()
    engine.cancel(Run.objects.get())
    expect(page.locator("#run-seq[data-state=cancelled]")).to_be_attached()


@pytest.mark.parametrize("wrong_by", [HOUR, pytest.param(-HOUR, marks=LONG)])
def test_time_until_a_parked_step_goes_on_is_right(page_with_clock, wrong_by):
    page = page_with_clock(wrong_by)
    # As it is rendered for a step that waits for ten minutes.
    page.evaluate(
        """until => {
            document.querySelector("#step-sync .why").innerHTML = `<span data-clock data-until="${until}"></span>`;
        }""",
        (timezone.now() + timedelta(minutes=10)).isoformat(),
    )
    expect(page.locator("#step-sync [data-until]")).to_have_text(re.compile(r"(9|10) min"))


def freeze(page, state):
    page.context.new_cdp_session(page).send("Page.setWebLifecycleState", {"state": state})


def test_window_that_slept_catches_up(visit, begin, mara):
    run = begin()
    page = visit(mara, f"/t/acme/onboarding/runs/{run.pk}/")
    expect(page.locator("#connection[data-connection=live]")).to_be_visible()
    page.evaluate(MARK)
    freeze(page, "frozen")
    engine.cancel(run)
    freeze(page, "active")
    expect(page.locator("#run-seq[data-state=cancelled]")).to_be_attached()
    assert page.evaluate(IS_MARKED)


@pytest.mark.long
def test_window_that_slept_longer_than_its_connection_lived_catches_up(visit, begin, mara, web):
    visit.forgive("net::ERR_|Failed to fetch|network")
    run = begin()
    page = visit(mara, f"/t/acme/onboarding/runs/{run.pk}/")
    expect(page.locator("#connection[data-connection=live]")).to_be_visible()
    page.evaluate(MARK)
    freeze(page, "frozen")
    web.stop()
    engine.cancel(run)
    web.start()
    page.wait_for_timeout(15_000)
    freeze(page, "active")
    expect(page.locator("#run-seq[data-state=cancelled]")).to_be_attached()
    assert page.evaluate(IS_MARKED)


@pytest.mark.long
def test_window_that_slept_while_its_viewer_lost_access_states_it(visit, begin, team):
    visit.forgive("status of 404|status 404|inline style")
    ida = team.memberships.get(role="member").user
    page = visit(ida, f"/t/acme/onboarding/runs/{begin().pk}/")
    expect(page.locator("#connection[data-connection=live]")).to_be_visible()
    freeze(page, "frozen")
    team.memberships.get(user=ida).delete()
    page.wait_for_timeout(6_000)
    freeze(page, "active")
    expect(page.locator("#lost-access[data-reason=not_a_member]")).to_be_visible()


@pytest.mark.long
def test_computer_that_slept_finds_a_dead_connection_at_once(
    browser, web, black_hole, begin, mara
):
    run = begin()
    visits = Visits(browser, f"http://127.0.0.1:{black_hole.port}")
    page = visits(mara)
    page.add_init_script(WRONG_CLOCK % 0)
    page.goto(f"/t/acme/onboarding/runs/{run.pk}/")
    expect(page.locator("#connection[data-connection=live]")).to_be_visible()
    black_hole.swallow()
    # The clock goes on while the computer sleeps, and spans do not.
    page.evaluate(f"window.wrongBy = {HOUR}")
    expect(page.locator("#connection[data-connection=lost]")).to_be_visible(timeout=5_000)
    black_hole.pass_on()
    engine.cancel(run)
    expect(page.locator("#run-seq[data-state=cancelled]")).to_be_attached(timeout=60_000)
    visits.close()
