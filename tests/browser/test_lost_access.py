"""A live page whose viewer may no longer see it: the reason takes its place, and
nothing more is asked of the server.
"""

import re

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import reverse
from playwright.sync_api import expect

from apps.onboarding.lost_access import address_of
from apps.pipelines.models import Run
from apps.teams.services import create_team
from apps.users.models import User
from tests.browser.axe import grave_findings
from tests.browser.browsing import session_of
from tests.browser.keyboard import Keyboard
from tests.browser.test_live import HIDE

pytestmark = pytest.mark.django_db(transaction=True)
LONG = pytest.mark.long

# Longer than a page's poll (4 s), and than what the stream waits for after some
# refusals (8 s).
QUIET = {"short": 6_000, "long": 20_000}
# The header of a team's pages asks for it every 60 s while no run is under way.
ASK_FOR_THE_STATE = """() => {
    const source = document.querySelector('#run-indicator');
    htmx.ajax('GET', source.getAttribute('hx-get'), {source, target: source});
}"""


@pytest.fixture
def ida(team):
    return team.memberships.get(role="member").user


@pytest.fixture
def open_page(visit, begin, team):
    """Opens the live page of a run that nothing works on, and waits until it is live."""
    visit.forgive("status of (401|404)|status (401|404)")
    # That of Django's own page for 404 while DEBUG is on.
    visit.forgive("inline style")

    def open_page(user, run=None):
        page = visit(user, f"/t/{team.slug}/onboarding/runs/{(run or begin()).pk}/")
        expect(page.locator("#connection[data-connection=live]")).to_be_visible()
        return page

    return open_page


def lost(page, reason):
    expect(page.locator(f"#lost-access[data-reason={reason}]")).to_be_visible()
    expect(page.locator("#live, #run-workers, .clock, #pause, #cancel")).to_have_count(0)
    expect(page.locator("#connection")).to_be_hidden()


def asked_within(page, milliseconds):
    """Return the addresses that the page asks for during this time."""
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.wait_for_timeout(milliseconds)
    return asked


@pytest.mark.parametrize("time", ["short", pytest.param("long", marks=LONG)])
def test_removed_member_is_told_and_the_page_asks_nothing_more(open_page, team, ida, time):
    page = open_page(ida)
    team.memberships.get(user=ida).delete()
    lost(page, "not_a_member")
    expect(page.locator("#lost-access-title")).to_contain_text(team.name)
    expect(page.locator("#lost-access-title")).to_be_focused()
    expect(page).to_have_title(re.compile(team.name))
    assert not asked_within(page, QUIET[time])
    assert not grave_findings(page)
    Keyboard(page).follow("#lost-access a.button")
    expect(page.locator("#lost-access")).to_have_count(0)


@pytest.mark.long
def test_each_window_is_told_also_those_without_a_stream(open_page, begin, team, ida):
    run = begin()
    pages = [open_page(ida, run)]
    for _ in range(5):
        pages.append(pages[0].context.new_page())
        pages[-1].goto(pages[0].url)
        expect(pages[-1].locator("#connection[data-connection=live]")).to_be_visible()
    team.memberships.get(user=ida).delete()
    for page in pages:
        lost(page, "not_a_member")
    assert not [asked for page in pages for asked in asked_within(page, QUIET["short"])]


@pytest.mark.long
def test_removed_admin_who_presses_a_button_is_told(open_page, team):
    admin = team.memberships.get(role="admin").user
    page = open_page(admin)
    page.route("**/events/**", lambda route: route.abort())
    team.memberships.get(user=admin).delete()
    page.locator("#pause").click()
    lost(page, "not_a_member")
    assert Run.objects.get().state == "running"


@pytest.mark.long
def test_hidden_page_of_a_removed_member_ends_as_well(open_page, team, ida):
    page = open_page(ida)
    page.evaluate(HIDE, True)
    team.memberships.get(user=ida).delete()
    lost(page, "not_a_member")
    assert not asked_within(page, QUIET["long"])


def test_deleted_run_is_told(open_page, begin, mara):
    run = begin()
    page = open_page(mara, run)
    run.delete()
    lost(page, "run_gone")
    expect(page.locator("#lost-access a.button")).to_have_attribute("href", "/t/acme/home/")


@pytest.mark.long
def test_deleted_team_is_told(open_page, team, mara):
    page = open_page(mara)
    Run.objects.all().delete()
    team.delete()
    lost(page, "team_gone")


@pytest.mark.long
def test_another_account_of_the_same_browser_is_told(open_page, mara, web):
    page = open_page(mara)
    stranger = User.objects.create_user("stranger@globex.example")
    page.context.add_cookies(
        [{"name": "sessionid", "value": session_of(stranger), "url": web.url}]
    )
    page.evaluate(HIDE, True)
    page.evaluate(HIDE, False)
    lost(page, "other_account")


@pytest.mark.parametrize("way", ["account disabled", pytest.param("session ended", marks=LONG)])
def test_page_without_a_session_leads_to_the_log_in_page(open_page, ida, way):
    page = open_page(ida)
    if way == "session ended":
        Session.objects.all().delete()
    else:
        User.objects.filter(pk=ida.pk).update(is_active=False)
    page.wait_for_url("**/accounts/login/**")
    assert not [
        url
        for url in asked_within(page, QUIET["short"])
        if "/t/" in url or "lost-access" in url
    ]


def test_reason_is_given_for_a_valid_proof_only(begin, team, mara, ida):
    address = address_of(ida, team, begin().pk)
    team.memberships.get(user=ida).delete()
    client = Client()
    client.force_login(ida)
    assert client.get(address).status_code == 200
    assert client.get(address[:-1]).status_code == 404
    assert client.get(reverse("onboarding:lost_access")).status_code == 404


def test_viewer_who_was_let_in_again_gets_the_page_again(begin, team, mara):
    client = Client()
    client.force_login(mara)
    assert client.get(address_of(mara, team, begin().pk)).headers["HX-Refresh"] == "true"
    assert client.get(address_of(mara, team)).headers["HX-Refresh"] == "true"


def test_dashboard_of_a_removed_member_states_it_in_place_of_the_figures(visit, acme):
    visit.forgive("status of 404|inline style")
    ida = acme.team.memberships.get(role="member").user
    page = visit(ida, f"/t/{acme.team.slug}/")
    expect(page.locator("#run-indicator[data-state]")).to_be_attached()
    acme.team.memberships.get(user=ida).delete()
    page.evaluate(ASK_FOR_THE_STATE)
    expect(page.locator("#lost-access[data-reason=not_a_member]")).to_be_visible()
    expect(page.locator("#lost-access-title")).to_be_focused()
    expect(page.locator(".figures-page, #run-indicator")).to_have_count(0)
    assert not grave_findings(page)


def test_other_pages_of_a_removed_member_stop_polling(visit, team, ida):
    visit.forgive("status of 404|inline style")
    create_team("Globex", ida)
    page = visit(ida, f"/t/{team.slug}/")
    expect(page.locator("#run-indicator[data-state]")).to_be_attached()
    team.memberships.get(user=ida).delete()
    page.evaluate(ASK_FOR_THE_STATE)
    expect(page.locator("#run-indicator")).to_have_count(0)
