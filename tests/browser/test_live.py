"""A run's page while it runs: kept by the stream, whatever happens to worker, web
process, network, tab or session.
"""

import contextlib
import re
import time

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import expect

from apps.pipelines.models import Run
from tests.browser.browsing import Visits
from tests.browser.test_journey import PATIENCE, Keyboard
from tests.fixtures.workers import ended, eventually

pytestmark = pytest.mark.django_db(transaction=True)
LONG = pytest.mark.long

STEPS = ["sync", "analyse", "metrics", "insights", "notify"]
# The live region of this page and of one that a reload would give, each as its lines
# and its event number: without clocks, without times in the viewer's zone, without what
# a viewer has set.
REGIONS = """async () => {
    function lines(document) {
        const region = document.getElementById("live-region").cloneNode(true);
        for (const clock of region.querySelectorAll("[data-clock], [data-local]")) clock.textContent = "";
        for (const own of region.querySelectorAll("[data-log-total], [data-log-new], #run-workers, .readout")) own.remove();
        for (const chart of region.querySelectorAll("svg.chart")) chart.removeAttribute("tabindex");
        for (const element of region.querySelectorAll("*")) {
            element.classList.remove("htmx-added", "htmx-settling", "htmx-swapping");
            const kept = [...element.attributes].map(({name, value}) => [name, value]).sort()
                .filter(([name, value]) => !name.startsWith("data-htmx") && !(name === "class" && !value));
            for (const name of element.getAttributeNames()) element.removeAttribute(name);
            for (const [name, value] of kept) element.setAttribute(name, value);
        }
        return region.innerHTML.replace(/\\s+/g, " ").replace(/> ?</g, ">\\n<").split("\\n");
    }
    const seq = document => Number(document.getElementById("run-seq").getAttribute("value"));
    const html = await (await fetch(location.href)).text();
    const fresh = new DOMParser().parseFromString(html, "text/html");
    return {seq: seq(document), lines: lines(document), freshSeq: seq(fresh), freshLines: lines(fresh)};
}"""
# Fails the test if the page is loaded anew.
MARK = "window.loadedOnce = true"
IS_MARKED = "window.loadedOnce === true"


class Watched:
    """A run's page in somebody's browser."""

    def __init__(self, page, run):
        self.page = page
        self.run = run
        page.goto(f"/t/acme/onboarding/runs/{run.pk}/")
        page.evaluate(MARK)

    def step(self, key, state):
        expect(self.page.locator(f"#step-{key} .word")).to_have_text(state, timeout=PATIENCE)

    def state(self, state):
        expect(self.page.locator(f"#run-seq[data-state={state}]")).to_be_attached(
            timeout=PATIENCE
        )

    @property
    def percent(self):
        return int(
            self.page.get_by_role("progressbar", name="Setup").get_attribute("aria-valuenow")
            or 0
        )

    @property
    def seq(self):
        return int(self.page.locator("#run-seq").get_attribute("value"))

    def agrees(self):
        """The event number at which this page was found to be what a reload gives; None
        where they are not at one.
        """
        found = self.page.evaluate(REGIONS)
        if found["seq"] != found["freshSeq"]:
            return None
        assert found["lines"] == found["freshLines"]
        return found["seq"]

    def connection(self, state, **options):
        expect(self.page.locator(f"#connection[data-connection={state}]")).to_be_visible(
            **options
        )

    @property
    def was_not_reloaded(self):
        return self.page.evaluate(IS_MARKED)


@pytest.fixture
def watch(visit, mara):
    return lambda run, user=None, **options: Watched(visit(user or mara, **options), run)


@pytest.fixture
def under_way(worker, github):
    """Starts a worker on the run that a page shows, and waits until that says so;
    answers take `pace` seconds then.
    """

    def start(tab, pace):
        # Without these seconds, a busy browser might look only when the step has ended.
        github.slow(2)
        process = worker()
        tab.step("sync", "Running")
        github.slow(pace)
        return process

    return start


def failing(github, passed=1):
    """Let GitHub refuse the token in the midst of the details."""
    github.faults({"match": {"operation": "Detail"}, "after": passed, "status": 401})


# What shifts of the page while nothing is pressed, as Chromium counts it.
SHIFTS = """
window.shifted = 0;
new PerformanceObserver(list => {
    for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({type: "layout-shift", buffered: true});
// All announcements to screen readers.
window.announced = [];
new MutationObserver(() => window.announced.push(document.getElementById("polite").textContent))
    .observe(document.getElementById("polite"), {childList: true, characterData: true, subtree: true});
"""
LIVE_REGIONS = (
    "main :is([aria-live=polite], [aria-live=assertive], [role=status], [role=alert])"
)


def test_run_goes_to_its_end_without_a_reload_and_the_page_stays(watch, begin, under_way):
    tab = watch(begin())
    tab.page.evaluate(SHIFTS)
    tab.step("sync", "Queued")
    under_way(tab, 0.15)
    percents = [tab.percent]
    for key in STEPS:
        tab.step(key, "Skipped" if key == "analyse" else "Done")
        percents.append(tab.percent)
    tab.state("done")
    assert percents == sorted(percents)
    assert tab.percent == 100
    assert tab.page.title().startswith("Done")
    expect(tab.page.locator("link[rel=icon][href*=icon-done]")).to_be_attached()
    # Nothing leads away by itself; a link does.
    tab.page.wait_for_timeout(7000)
    assert tab.was_not_reloaded
    announced = tab.page.evaluate("announced")
    assert len(announced) <= 5
    assert announced[-1] == tab.page.locator("#run-title").inner_text()
    assert tab.page.evaluate("shifted") < 0.05
    shown = [
        region
        for region in tab.page.locator(LIVE_REGIONS).all()
        if region.get_attribute("id") != "polite"
    ]
    assert not shown
    dashboard = tab.page.locator("#live").get_attribute("data-dashboard")
    tab.page.locator(f"#run-note a[href='{dashboard}']").click()
    tab.page.wait_for_url(f"**{dashboard}")


@pytest.mark.long
def test_a_killed_worker_is_said_and_another_one_goes_on(
    watch, begin, under_way, worker, workers, github
):
    tab = watch(begin())
    victim = under_way(tab, 2)
    silent = tab.page.locator("#run-workers[data-state]")
    expect(silent).to_have_count(0)
    workers.kill(victim)
    expect(silent).to_be_visible()
    github.reset()
    worker()
    expect(silent).to_have_count(0)
    tab.state("done")
    assert tab.was_not_reloaded


@pytest.mark.parametrize(
    "way",
    [
        "by mouse",
        "without JavaScript",
        *(pytest.param(way, marks=pytest.mark.long) for way in ("by keyboard", "twice")),
    ],
)
def test_a_failed_run_goes_on_from_there(watch, begin, worker, github, way):
    failing(github)
    run = begin()
    worker()
    tab = watch(run, java_script_enabled=False) if way == "without JavaScript" else watch(run)
    tab.state("failed")
    expect(tab.page.locator("#run-note")).to_contain_text("GitHub does not accept the token")
    expect(tab.page).to_have_title(re.compile("^Failed"))
    tab.step("sync", "Failed")
    github.reset()
    retry = tab.page.locator("#retry-all")
    if way == "by keyboard":
        Keyboard(tab.page).to(retry).press()
    elif way == "twice":
        retry.dblclick()
    else:
        retry.click()
    tab.state("done")
    run.refresh_from_db()
    assert run.generation == 2
    # The outline of every repository was read before; none is read again.
    assert "Skeleton" not in github.requests()
    assert github.requests()["Detail"] > 0


def test_a_web_process_that_starts_again_is_found_by_the_page(
    watch, begin, under_way, web, visit
):
    visit.forgive("net::ERR_|Failed to fetch|network")
    tab = watch(begin())
    under_way(tab, 0.3)
    before = tab.seq
    web.stop()
    eventually(lambda: Run.objects.get().seq > before)
    tab.connection("lost")
    web.start()
    tab.state("done")
    assert tab.was_not_reloaded
    assert eventually(tab.agrees)


def test_a_page_built_by_the_stream_is_the_one_that_a_reload_gives(watch, begin, under_way):
    """At the same event number: in the midst of the run and at its end, in two tabs
    that came at different times.
    """
    early = watch(begin())
    under_way(early, 0.4)
    late = watch(early.run)
    agreed = set()
    while Run.objects.get().is_live:
        agreed |= {early.agrees(), late.agrees()} - {None}
    for tab in (early, late):
        tab.state("done")
        assert eventually(tab.agrees) == Run.objects.get().seq
        assert tab.was_not_reloaded
    assert len(agreed) >= 2


@pytest.mark.long
def test_a_page_whose_network_was_gone_catches_up(watch, begin, under_way, visit):
    visit.forgive("net::ERR_|Failed to fetch|network")
    tab = watch(begin())
    under_way(tab, 0.15)
    tab.page.context.set_offline(True)
    eventually(ended(tab.run), seconds=60)
    tab.page.context.set_offline(False)
    tab.state("done")
    assert eventually(tab.agrees)


def test_without_javascript_the_page_reloads_itself_to_the_end(watch, begin, worker, github):
    github.slow(0.1)
    tab = watch(begin(), java_script_enabled=False)
    worker()
    tab.state("done")
    expect(tab.page.get_by_role("heading", name="Acme is set up").first).to_be_visible()


@pytest.mark.long
def test_canceling_asks_first_and_a_second_time_says_that_it_is_done(watch, begin):
    run = begin()
    tab, stale = watch(run), watch(run, java_script_enabled=False)
    tab.page.locator("details:has(#cancel) summary").click()
    tab.page.locator("#cancel").click()
    tab.state("cancelled")
    assert tab.was_not_reloaded
    stale.page.locator("details:has(#cancel) summary").click()
    stale.page.locator("#cancel").click()
    stale.state("cancelled")
    expect(stale.page.locator("main .messages")).to_be_visible()
    run.refresh_from_db()
    assert run.state == "cancelled"


@pytest.mark.long
def test_a_stale_tab_s_retry_of_a_finished_run_does_no_harm(watch, begin, worker, github):
    failing(github)
    run = begin()
    worker()
    tab, stale = watch(run), watch(run, java_script_enabled=False)
    tab.state("failed")
    stale.page.reload()
    stale.state("failed")
    github.reset()
    tab.page.locator("#retry-all").click()
    tab.state("done")
    seq = Run.objects.get().seq
    stale.page.locator("#retry-all").click()
    stale.state("done")
    expect(stale.page.locator("main .messages")).to_be_visible()
    assert (Run.objects.get().seq, Run.objects.get().generation) == (seq, 2)


@pytest.mark.long
def test_one_repository_is_retried_alone(watch, begin, worker, github):
    github.hide("acme/docs")
    run = begin()
    worker()
    tab = watch(run)
    tab.state("partial")
    github.reset()
    tab.page.locator("#retry-all").click()
    tab.state("done")
    # Its list, its details, and a look at what changed meanwhile.
    assert github.requests() == {"Skeleton": 1, "Detail": 1, "Updated": 1}


def test_a_page_whose_scripts_come_late_is_live_before_it_polls(visit, begin, mara):
    page, asked = visit(mara), []
    page.on("request", lambda request: asked.append(request.url.rstrip("/").rpartition("/")[2]))

    def late(route):
        time.sleep(0.7)
        route.continue_()

    page.route("**/hx-sse.min.js", late)
    page.goto(f"/t/acme/onboarding/runs/{begin().pk}/")
    expect(page.locator("#connection[data-connection=live]")).to_be_visible()
    assert "workers" not in asked


@pytest.mark.long
def test_what_a_viewer_has_set_stays_when_the_page_changes(watch, begin, worker, github):
    github.slow(0.3)
    tab = watch(begin())
    worker()
    table, problems = tab.page.locator("#charts-table"), tab.page.get_by_label("Problems only")
    table.locator("summary").click()
    problems.check()
    drawn = tab.page.locator("#run-charts .charts-from")
    # The end of the run draws the charts once more.
    expect(drawn).to_have_attribute("data-counted", "all")
    expect(table).to_have_attribute("open", "")
    expect(problems).to_be_checked()
    expect(problems).to_be_focused()


def test_retry_moves_the_focus_to_the_title(watch, begin, worker, github):
    github.hide("acme/docs")
    tab = watch(begin())
    worker()
    tab.state("partial")
    expect(tab.page).to_have_title(re.compile("^Incomplete"))
    github.reset()
    github.slow(0.5)
    tab.page.locator("#retry-all").click()
    tab.state("running")
    expect(tab.page.locator("#run-title")).to_be_focused()
    tab.state("done")
    assert tab.was_not_reloaded


def test_an_ended_session_leads_to_the_log_in_page(watch, begin, visit):
    # The stream may be the first to be refused.
    visit.forgive("status of 401|htmx:sse:error")
    tab = watch(begin())
    tab.page.locator("details:has(#cancel) summary").click()
    Session.objects.all().delete()
    with contextlib.suppress(PlaywrightError):
        tab.page.locator("#cancel").click(
            timeout=5_000
        )  # the stream may have left the page already
    tab.page.wait_for_url("**/accounts/login/**")
    assert Run.objects.get().is_live


def test_a_member_watches_and_may_change_nothing(watch, begin, team):
    tab = watch(begin(), team.memberships.get(role="member").user)
    expect(tab.page.get_by_role("progressbar", name="Setup")).to_be_visible()
    expect(tab.page.locator("#cancel")).to_have_count(0)


@pytest.mark.long
def test_label_follows_a_connection_that_is_black_holed(browser, web, black_hole, begin, mara):
    run = begin()
    visits = Visits(browser, f"http://127.0.0.1:{black_hole.port}")
    page = visits(mara, f"/t/acme/onboarding/runs/{run.pk}/")
    live = page.locator("#connection[data-connection=live]")
    lost = page.locator("#connection[data-connection=lost]")
    expect(live).to_be_visible()
    # Longer than any silence that is allowed: keep-alives are heard.
    page.wait_for_timeout(12_000)
    expect(live).to_be_visible()
    black_hole.swallow()
    expect(lost).to_be_visible(timeout=10_500)
    black_hole.pass_on()
    expect(live).to_be_visible(timeout=25_000)
    page.context.set_offline(True)
    expect(lost).to_be_visible(timeout=1_500)
    page.context.set_offline(False)
    expect(live).to_be_visible()
    visits.close()


def test_back_shows_the_whole_page_after_its_part_was_fetched(watch, begin):
    tab = watch(begin())
    fetched = "htmx.ajax('GET', location.pathname, {target: '#live', swap: 'outerMorph'})"
    tab.page.evaluate(f"(async () => {{ await {fetched}; }})()")
    tab.page.locator(".logo").click()
    tab.page.wait_for_load_state()
    tab.page.go_back()
    expect(tab.page.locator(".site-header")).to_be_visible()
    expect(tab.page.locator("#live")).to_be_visible()
    expect(tab.page).to_have_title(re.compile("Acme"))


# Headless Chromium shows every tab, so the page is given what a tab behind another one
# has.
HIDE = """hidden => {
    Object.defineProperty(document, "hidden", {configurable: true, get: () => hidden});
    Object.defineProperty(document, "visibilityState", {configurable: true, get: () => hidden ? "hidden" : "visible"});
    document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_window_opened_in_the_background_keeps_no_stream(watch, begin, worker):
    tab = watch(begin())
    tab.page.add_init_script(f"({HIDE})(true)")
    with tab.page.expect_response(re.compile("/events/")):
        tab.page.reload()
    seq = tab.seq
    worker()
    expect(tab.page).to_have_title(re.compile("^Done"), timeout=PATIENCE)
    assert tab.seq == seq
    tab.page.evaluate(HIDE, False)
    tab.state("done")


@pytest.mark.parametrize(
    ("end", "icon"), [("Done", "icon-done"), pytest.param("Failed", "icon-failed", marks=LONG)]
)
def test_hidden_tab_shows_the_end_in_its_title_and_icon(
    watch, begin, worker, github, end, icon
):
    if end == "Failed":
        failing(github)
    tab = watch(begin())
    tab.step("sync", "Queued")
    expect(tab.page.locator("link[rel=icon]")).to_have_attribute("href", re.compile("favicon"))
    tab.connection("live")
    tab.page.evaluate(HIDE, True)
    seq = tab.seq
    worker()
    expect(tab.page).to_have_title(re.compile(f"^{end}"), timeout=PATIENCE)
    expect(tab.page.locator("link[rel=icon]")).to_have_attribute("href", re.compile(icon))
    assert tab.seq == seq  # Its stream is closed: nothing but the poll reached it.
    tab.page.evaluate(HIDE, False)
    tab.state(end.lower())
    assert tab.was_not_reloaded
    expect(tab.page).to_have_title(re.compile(f"^{end}"))
