"""A run's page while it runs: kept by the stream, whatever happens to worker, web process, network, tab or session."""

import time

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import expect

from apps.pipelines.models import Run
from tests.browser.test_journey import PATIENCE, Keyboard
from tests.pipelines.conftest import ended, eventually

pytestmark = pytest.mark.django_db(transaction=True)

STEPS = ["sync", "analyse", "metrics", "insights", "notify"]
# The live region of this page and of one that a reload would give, each as its lines and its event number: without
# clocks, without times in the viewer's zone, without what a viewer has set.
REGIONS = """async () => {
    function lines(document) {
        const region = document.getElementById("live-region").cloneNode(true);
        for (const clock of region.querySelectorAll("[data-clock], [data-local]")) clock.textContent = "";
        for (const own of region.querySelectorAll("[data-log-total], [data-log-new], #run-workers")) own.remove();
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
        expect(self.page.locator(f"#run-seq[data-state={state}]")).to_be_attached(timeout=PATIENCE)

    @property
    def percent(self):
        return int(self.page.get_by_role("progressbar", name="Setup").get_attribute("aria-valuenow") or 0)

    @property
    def seq(self):
        return int(self.page.locator("#run-seq").get_attribute("value"))

    def agrees(self):
        """The event number at which this page was found to be what a reload gives; None where they are not at one."""
        found = self.page.evaluate(REGIONS)
        if found["seq"] != found["freshSeq"]:
            return None
        assert found["lines"] == found["freshLines"]
        return found["seq"]

    def stay(self):
        """Do not go on to the dashboard when the run is done."""
        self.page.locator("[data-stay]").click()

    @property
    def was_not_reloaded(self):
        return self.page.evaluate(IS_MARKED)


@pytest.fixture
def watch(visit, mara):
    return lambda run, user=None, **options: Watched(visit(user or mara, **options), run)


@pytest.fixture
def under_way(worker, github):
    """Starts a worker on the run that a page shows, and waits until that says so; answers take `pace` seconds then."""

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


def test_steps_move_without_a_reload_and_the_end_leads_to_the_dashboard(watch, begin, under_way):
    tab = watch(begin())
    tab.step("sync", "Next")
    under_way(tab, 0.15)
    percents = [tab.percent]
    for key in STEPS:
        tab.step(key, "Skipped" if key == "analyse" else "Done")
        percents.append(tab.percent)
    tab.state("done")
    assert percents == sorted(percents)
    assert tab.percent == 100
    assert tab.was_not_reloaded
    tab.page.wait_for_url(f"**{tab.page.locator('#live').get_attribute('data-dashboard')}")


def test_a_killed_worker_is_said_and_another_one_goes_on(watch, begin, under_way, worker, workers, github):
    tab = watch(begin())
    victim = under_way(tab, 2)
    silent = tab.page.get_by_text("No worker seen")
    expect(silent).to_have_count(0)
    workers.kill(victim)
    expect(silent).to_be_visible()
    github.reset()
    worker()
    expect(silent).to_have_count(0)
    tab.state("done")
    assert tab.was_not_reloaded


@pytest.mark.parametrize("way", ["by mouse", "by keyboard", "twice", "without JavaScript"])
def test_a_failed_run_goes_on_from_there(watch, begin, worker, github, way):
    failing(github)
    run = begin()
    worker()
    tab = watch(run, java_script_enabled=False) if way == "without JavaScript" else watch(run)
    tab.state("failed")
    expect(tab.page.get_by_role("alert")).to_contain_text("GitHub does not accept the token")
    tab.step("sync", "Failed")
    github.reset()
    retry = tab.page.get_by_role("button", name="Retry from here")
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


def test_a_web_process_that_starts_again_is_found_by_the_page(watch, begin, under_way, web, visit):
    visit.forgive("net::ERR_|Failed to fetch|network")
    tab = watch(begin())
    under_way(tab, 0.3)
    before = tab.seq
    web.stop()
    eventually(lambda: Run.objects.get().seq > before)
    expect(tab.page.get_by_text("Reconnecting")).to_be_visible()
    web.start()
    tab.state("done")
    assert tab.was_not_reloaded
    tab.stay()
    assert eventually(tab.agrees)


def test_a_page_built_by_the_stream_is_the_one_that_a_reload_gives(watch, begin, under_way):
    """At the same event number: in the midst of the run and at its end, in two tabs that came at different times."""
    early = watch(begin())
    under_way(early, 0.4)
    late = watch(early.run)
    agreed = set()
    while Run.objects.get().is_live:
        agreed |= {early.agrees(), late.agrees()} - {None}
    for tab in (early, late):
        tab.state("done")
        tab.stay()
        assert eventually(tab.agrees) == Run.objects.get().seq
        assert tab.was_not_reloaded
    assert len(agreed) >= 4


def test_a_page_whose_network_was_gone_catches_up(watch, begin, under_way, visit):
    visit.forgive("net::ERR_|Failed to fetch|network")
    tab = watch(begin())
    under_way(tab, 0.15)
    tab.page.context.set_offline(True)
    eventually(ended(tab.run), seconds=60)
    tab.page.context.set_offline(False)
    tab.state("done")
    tab.stay()
    assert eventually(tab.agrees)


def test_without_javascript_the_page_reloads_itself_to_the_end(watch, begin, worker, github):
    github.slow(0.1)
    tab = watch(begin(), java_script_enabled=False)
    worker()
    tab.state("done")
    expect(tab.page.get_by_role("heading", name="Acme is set up").first).to_be_visible()


def test_cancelling_asks_first_and_a_second_time_says_that_it_is_done(watch, begin):
    run = begin()
    tab, stale = watch(run), watch(run, java_script_enabled=False)
    tab.page.get_by_text("Cancel setup").click()
    tab.page.get_by_role("button", name="Cancel the setup").click()
    tab.state("cancelled")
    assert tab.was_not_reloaded
    stale.page.get_by_text("Cancel setup").click()
    stale.page.get_by_role("button", name="Cancel the setup").click()
    stale.state("cancelled")
    expect(stale.page.locator("main .messages")).to_be_visible()
    run.refresh_from_db()
    assert run.state == "cancelled"


def test_a_stale_tab_s_retry_of_a_finished_run_does_no_harm(watch, begin, worker, github):
    failing(github)
    run = begin()
    worker()
    tab, stale = watch(run), watch(run, java_script_enabled=False)
    tab.state("failed")
    stale.page.reload()
    stale.state("failed")
    github.reset()
    tab.page.get_by_role("button", name="Retry from here").click()
    tab.state("done")
    seq = Run.objects.get().seq
    stale.page.get_by_role("button", name="Retry from here").click()
    stale.state("done")
    expect(stale.page.locator("main .messages")).to_be_visible()
    assert (Run.objects.get().seq, Run.objects.get().generation) == (seq, 2)


def test_one_repository_is_retried_alone(watch, begin, worker, github):
    github.hide("acme/docs")
    run = begin()
    worker()
    tab = watch(run)
    tab.state("partial")
    tab.stay()
    github.reset()
    tab.page.get_by_role("button", name="Retry acme/docs").click()
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
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    assert "workers" not in asked


def test_what_a_viewer_has_set_stays_when_the_page_changes(watch, begin, worker, github):
    github.slow(0.3)
    tab = watch(begin())
    worker()
    table, problems = tab.page.locator("#charts-table"), tab.page.get_by_label("Problems only")
    table.locator("summary").click()
    problems.check()
    drawn = tab.page.locator("#run-charts .charts-from")
    expect(drawn).to_contain_text("All that was read is counted")
    expect(table).to_have_attribute("open", "")
    expect(problems).to_be_checked()
    expect(problems).to_be_focused()


def test_a_retry_within_the_pause_keeps_the_viewer_here(watch, begin, worker, github):
    github.hide("acme/docs")
    tab = watch(begin())
    worker()
    tab.state("partial")
    expect(tab.page.locator("#moving")).to_be_visible()
    github.reset()
    github.slow(0.5)
    tab.page.get_by_role("button", name="Retry what is missing").click()
    tab.state("running")
    expect(tab.page.locator("#moving")).to_be_hidden()
    expect(tab.page.locator("#run-title")).to_be_focused()
    tab.state("done")
    assert tab.was_not_reloaded


def test_an_ended_session_leads_to_the_log_in_page(watch, begin, visit):
    visit.forgive("status of 401")  # the stream's, where it is first to learn of it
    tab = watch(begin())
    Session.objects.all().delete()
    tab.page.get_by_text("Cancel setup").click()
    tab.page.get_by_role("button", name="Cancel the setup").click()
    tab.page.wait_for_url("**/accounts/login/**")
    assert Run.objects.get().is_live


def test_a_member_watches_and_may_change_nothing(watch, begin, team):
    tab = watch(begin(), team.memberships.get(role="member").user)
    expect(tab.page.get_by_role("progressbar", name="Setup")).to_be_visible()
    expect(tab.page.get_by_text("Cancel setup")).to_have_count(0)
