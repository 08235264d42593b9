"""What a page offers beyond a mouse: keyboard, touch, copying, sharing an address,
forced colors, and paper.
"""

import pytest
from playwright.sync_api import expect

from apps.integrations.connections.tracking import track_repositories
from apps.metrics.cache import outdate_measures
from apps.metrics.models import PullRequest
from apps.onboarding.services.runs import start_onboarding

pytestmark = pytest.mark.django_db(transaction=True)
# Right-to-left override: what follows in the same line would be turned around.
OVERRIDE = "\N{RIGHT-TO-LEFT OVERRIDE}"


@pytest.fixture
def ready(begin, work):
    """A team that is set up."""
    run = work(begin())
    assert run.state == "done", run.error
    return run


def test_pull_requests_are_a_few_tab_stops_away(visit, ready, mara):
    page = visit(mara, "/t/acme/pull-requests/")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.locator(".pull summary").first).to_be_focused()


def test_chart_is_read_by_keyboard_and_by_touch(visit, ready, mara):
    page = visit(mara, "/t/acme/", has_touch=True)
    chart = page.locator("#panel-merge svg.chart")
    readout = page.locator("#panel-merge .readout")
    chart.focus()
    page.keyboard.press("End")
    last = readout.inner_text()
    page.keyboard.press("ArrowLeft")
    expect(readout).not_to_have_text(last)
    expect(readout).to_have_role("status")
    page.keyboard.press("Escape")
    expect(readout).to_be_empty()
    page.keyboard.press("t")
    expect(page.locator("#panel-merge details.chart-data").first).to_have_attribute("open", "")
    chart.tap()
    expect(readout).not_to_be_empty()


def test_filters_give_an_address_without_empty_values(visit, ready, mara):
    page = visit(mara, "/t/acme/")
    page.locator("input[name=weeks][value='26']").check(force=True)
    page.wait_for_url("**/t/acme/?weeks=26")
    page.goto("/t/acme/pull-requests/")
    page.fill("#search", "Change")
    page.wait_for_url("**/t/acme/pull-requests/?q=Change")


def test_override_in_a_title_turns_nothing_else_around(visit, ready, team, mara):
    pull = PullRequest.objects.for_team(team).order_by("-created_at").first()
    pull.title = f"{OVERRIDE}Change"
    pull.save()
    page = visit(mara, "/t/acme/pull-requests/")
    row = page.locator(f"#pull-{pull.pk} .title")
    name, place = (
        row.locator(".name").bounding_box(),
        row.locator(".place").first.bounding_box(),
    )
    assert name["x"] + name["width"] <= place["x"] + 1 or name["y"] < place["y"]
    assert (
        row.locator(".name").evaluate("element => getComputedStyle(element).unicodeBidi")
        == "isolate"
    )


def test_forced_colors_keep_switches_and_dots(visit, ready, mara):
    page = visit(mara, f"/t/acme/onboarding/runs/{ready.pk}/", forced_colors="active")
    assert page.locator("#follow").evaluate("e => getComputedStyle(e).appearance") == "auto"
    colors = page.locator(".log-dot").first.evaluate(
        "e => [getComputedStyle(e).backgroundColor, getComputedStyle(e.closest('.card')).backgroundColor]"
    )
    assert colors[0] != colors[1]


def test_paper_shows_figures_and_no_controls(visit, ready, mara):
    page = visit(mara, "/t/acme/")
    page.emulate_media(media="print")
    for selector in (".site-header", ".filters", ".pagination", ".more-pages", "main .button"):
        for element in page.locator(selector).all():
            expect(element).to_be_hidden()
    expect(page.locator("#panel-merge svg.chart")).to_be_visible()
    # The columns keep their places.
    assert page.locator(".pull .title").first.bounding_box()["width"] > 200


def test_phone_shows_a_time_to_merge_only_of_what_has_one(visit, ready, team, mara):
    merged, opened = (
        PullRequest.objects.for_team(team).filter(state="merged").order_by("-created_at")[:2]
    )
    PullRequest.objects.for_team(team).filter(pk=opened.pk).update(state="open", merged_at=None)
    outdate_measures(team.pk, [opened.pk])
    page = visit(mara, "/t/acme/pull-requests/", width=390)
    expect(page.locator(f"#pull-{merged.pk} .took")).to_be_visible()
    # Neither the label nor a dash, and no empty line for them.
    expect(page.locator(f"#pull-{opened.pk} .took")).to_be_hidden()
    assert page.locator(f"#pull-{opened.pk} .took").bounding_box() is None


@pytest.mark.parametrize(("width", "least"), [(3840, 0.6), (2560, 0.6)])
def test_wide_screens_are_used(visit, ready, mara, width, least):
    page = visit(mara, "/t/acme/", width=width, height=1600)
    assert page.locator("#content").bounding_box()["width"] > least * width


def test_a_year_names_its_months(visit, ready, mara):
    page = visit(mara, "/t/acme/?weeks=52")
    shown = [month for month in page.locator("#panel-merge .month").all() if month.is_visible()]
    assert len(shown) >= 4


def test_many_repositories_leave_no_void_and_take_the_focus(visit, github, mara, team):
    tracked = track_repositories(
        team, "github", [f"acme/service-{number:03d}" for number in range(100)]
    )
    run, _ = start_onboarding(team, mara, tracked, 12)
    page = visit(mara, f"/t/acme/onboarding/runs/{run.pk}/")
    below = page.evaluate(
        "document.documentElement.scrollHeight - document.querySelector('footer').getBoundingClientRect().bottom"
        " - scrollY"
    )
    assert below <= 1
    page.locator("#run-repositories").focus()
    expect(page.locator("#run-repositories")).to_be_focused()
