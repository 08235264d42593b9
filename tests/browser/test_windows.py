"""Many windows of one browser, over HTTP/1.1, which lets it open six connections to the
site.
"""

import re

import pytest
from playwright.sync_api import expect

from apps.pipelines import engine
from apps.teams.services import create_team
from tests.browser.test_journey import PATIENCE
from tests.browser.test_live import HIDE
from tests.fixtures.workers import eventually

pytestmark = pytest.mark.django_db(transaction=True)
LONG = pytest.mark.long

SLOTS = 3
# How many locks of streams this browser's windows hold.
HELD = "async () => (await navigator.locks.query()).held.filter(lock => lock.name.includes('stream')).length"
WITHOUT_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', {get: () => undefined})"
# A browser that blocks a site's data raises this error.
WITHOUT_STORAGE = """Object.defineProperty(window, 'localStorage', {
    get: () => { throw new DOMException('blocked', 'SecurityError') },
})"""
# How many slots without Web Locks are taken.
STORED = "Object.keys(localStorage).filter(key => key.includes('stream')).length"
GIVE_ALL_TO_ANOTHER = """for (const key of Object.keys(localStorage).filter(key => key.includes('stream')))
    localStorage.setItem(key, JSON.stringify({owner: 'another', at: Date.now()}))"""


def is_stream(request):
    return "/events/" in request.url and "once" not in request.url


def has_poll(page):
    """Return whether the page's newest request for the stream was one for what it
    lacks; waits for one.
    """
    with page.expect_request(lambda request: "/events/" in request.url) as newest:
        pass
    return not is_stream(newest.value)


class Windows:
    """Windows of one browser, each on the live page of a run."""

    def __init__(self, context):
        self.context = context
        self.pages = []
        self._newest = {}  # each page's newest request for the stream
        context.on("request", self._note)

    def _note(self, request):
        if "/events/" in request.url:
            self._newest[request.frame.page] = request

    def open(self, run, count, team=None):
        slug = team.slug if team else "acme"
        for _ in range(count):
            page = self.context.new_page()
            page.goto(f"/t/{slug}/onboarding/runs/{run.pk}/", wait_until="domcontentloaded")
            self.pages.append(page)
        for page in self.pages:
            expect(page.locator("#connection[data-connection=live]")).to_be_visible()

    def close(self, page):
        self.pages.remove(page)
        page.close()

    def all_show(self, state):
        for page in self.pages:
            expect(page.locator(f"#run-seq[data-state={state}]")).to_be_attached(
                timeout=PATIENCE
            )

    def streaming(self):
        """Return the pages whose newest request for the stream was one for a stream."""
        self.pages[-1].evaluate("0")  # brings the events of the requests
        return [
            page
            for page in self.pages
            if page in self._newest and is_stream(self._newest[page])
        ]

    def have_streams(self):
        """Return whether exactly as many windows as there are slots have a stream,
        which may take a while.
        """
        return eventually(lambda: len(self.streaming()) == SLOTS)

    def held(self):
        return self.pages[-1].evaluate(HELD)


@pytest.fixture
def windows(visit, mara):
    return lambda **options: Windows(visit.context(mara, **options))


@pytest.mark.parametrize("count", [8, pytest.param(30, marks=LONG)])
def test_all_windows_follow_the_run_to_its_end(windows, begin, worker, github, count):
    run = begin()
    of_one_browser = windows()
    of_one_browser.open(run, count)
    assert of_one_browser.held() == SLOTS
    dashboard = of_one_browser.context.new_page()
    dashboard.goto("/t/acme/")
    expect(dashboard.locator("#run-indicator[data-state]")).to_be_attached()
    github.slow(0.3)
    worker()
    of_one_browser.all_show("running")
    # The first windows have the streams. Others take over, and miss nothing.
    for _ in range(2):
        of_one_browser.close(of_one_browser.pages[0])
    eventually(lambda: of_one_browser.held() == SLOTS)
    of_one_browser.all_show("done")
    lines = {page.locator("#run-log li").count() for page in of_one_browser.pages}
    assert len(lines) == 1
    for page in of_one_browser.pages:
        expect(page).to_have_title(re.compile("^Done"))
    assert eventually(lambda: of_one_browser.held() == 0)


@pytest.mark.long
def test_window_that_closes_leaves_its_stream_to_the_one_that_waits(windows, begin):
    run = begin()
    of_one_browser = windows()
    of_one_browser.open(run, SLOTS + 1)
    waiting = of_one_browser.pages[-1]
    assert has_poll(waiting)
    with waiting.expect_request(is_stream):
        of_one_browser.close(of_one_browser.pages[0])
    # A hidden window has none, and asks for one when it is shown again.
    hidden = of_one_browser.pages[0]
    hidden.evaluate(HIDE, True)
    assert eventually(lambda: of_one_browser.held() == SLOTS - 1)
    with hidden.expect_request(is_stream):
        hidden.evaluate(HIDE, False)
    assert of_one_browser.held() == SLOTS
    engine.cancel(run)
    of_one_browser.all_show("cancelled")


@pytest.mark.long
def test_windows_of_different_teams_share_the_streams(windows, mara, queue):
    of_one_browser = windows()
    runs = []
    for number in range(8):
        team = create_team(f"Team {number}", mara)
        run, _ = engine.start(
            "onboarding", subject=f"team:{team.pk}", params={"team_id": team.pk}, send=False
        )
        of_one_browser.open(run, 1, team)
        runs.append(run)
    assert of_one_browser.held() == SLOTS
    for run in runs:
        engine.cancel(run)
    of_one_browser.all_show("cancelled")


@pytest.mark.long
def test_windows_without_web_locks_share_the_streams(windows, begin, worker, github):
    run = begin()
    of_one_browser = windows()
    of_one_browser.context.add_init_script(WITHOUT_LOCKS)
    of_one_browser.open(run, 8)
    assert of_one_browser.have_streams()
    # A window that closes, one that shows another page, and one that is hidden leave
    # their streams to others.
    of_one_browser.close(of_one_browser.streaming()[0])
    assert of_one_browser.have_streams()
    elsewhere = of_one_browser.streaming()[0]
    of_one_browser.pages.remove(elsewhere)
    elsewhere.goto("/t/acme/")
    assert of_one_browser.have_streams()
    hidden = of_one_browser.streaming()[0]
    hidden.evaluate(HIDE, True)
    of_one_browser.pages.remove(hidden)
    assert of_one_browser.have_streams()
    hidden.evaluate(HIDE, False)
    of_one_browser.pages.append(hidden)
    worker()
    of_one_browser.all_show("done")
    assert eventually(lambda: of_one_browser.pages[0].evaluate(STORED) == 0)


@pytest.mark.long
def test_window_whose_stored_slot_another_took_gives_up_its_stream(windows, begin):
    run = begin()
    of_one_browser = windows()
    of_one_browser.context.add_init_script(WITHOUT_LOCKS)
    of_one_browser.open(run, SLOTS + 1)
    assert of_one_browser.have_streams()
    of_one_browser.pages[0].evaluate(GIVE_ALL_TO_ANOTHER)
    assert eventually(lambda: not of_one_browser.streaming())
    # The other one doesn't renew them.
    assert of_one_browser.have_streams()
    engine.cancel(run)
    of_one_browser.all_show("cancelled")


@pytest.mark.long
def test_site_without_web_locks_and_storage_is_followed_as_well(windows, begin, worker, github):
    run = begin()
    of_one_browser = windows()
    of_one_browser.context.add_init_script(WITHOUT_LOCKS)
    of_one_browser.context.add_init_script(WITHOUT_STORAGE)
    of_one_browser.open(run, 8)
    assert has_poll(of_one_browser.pages[0])
    assert not of_one_browser.streaming()
    worker()
    of_one_browser.all_show("done")
