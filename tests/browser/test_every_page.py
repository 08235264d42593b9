"""What holds for every page, found by walking the site's addresses: accessible in light
and dark, and never too wide.
"""

import pytest
from playwright.sync_api import Error

from apps.mail.models import OutboxMessage
from apps.pipelines import engine
from tests.browser import axe
from tests.project.addresses import values, walk

pytestmark = pytest.mark.django_db(transaction=True)

# 320 px is a window of 1280 px at 400 %, 640 px the same at 200 %.
WIDTHS = (320, 640, 768, 1280)
# The admin is Django's own; the others lead to GitHub, or are called by it.
NOT_OURS = ("/admin/", "/accounts/github/", "/hooks/", "/api/")
# A stream, which never ends; and a mail's own HTML, in which no script runs.
NO_PAGES = ("/events/", "/html/")
BELOW_THE_FOOTER = """document.querySelector(".site-footer") ? Math.max(0, document.documentElement.scrollHeight
    - Math.max(innerHeight, document.querySelector(".site-footer").getBoundingClientRect().bottom + scrollY)) : 0"""
WIDER_THAN_THE_WINDOW = (
    "document.documentElement.scrollWidth - document.documentElement.clientWidth"
)


def faults_of(page):
    """What is wrong with the page as it is shown: in light, in dark, on a phone, at
    each width.
    """
    found = [f"light: {finding}" for finding in axe.grave_findings(page)]
    page.emulate_media(color_scheme="dark")
    found += [f"dark: {finding}" for finding in axe.grave_findings(page, axe.COLORS)]
    page.emulate_media(color_scheme="light", forced_colors="active")
    found += [f"forced colors: {finding}" for finding in axe.grave_findings(page, axe.COLORS)]
    page.emulate_media(color_scheme="light", forced_colors="none")
    if (more := page.evaluate(BELOW_THE_FOOTER)) > 1:
        found.append(f"{more} px of nothing below the footer")
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if (more := page.evaluate(WIDER_THAN_THE_WINDOW)) > 0:
            found.append(f"at {width} px the page is {more} px too wide")
    return found


def opened(page, path):
    """Whether the address is a page of its own: no fragment, no file, no redirect to
    another.
    """
    if path.endswith(NO_PAGES):
        return False
    try:
        answer = page.goto(path)
    except Error as error:
        if "Download is starting" in error.message:
            return False
        raise
    return (
        answer.status == 200 and not answer.request.redirected_from and "<html" in answer.text()
    )


def check(visits, user, paths):
    page = visits(user)
    visits.forgive(
        "the server responded with a status of 4"
    )  # some are for people in another state
    seen, found = [], []
    for path in paths:
        if opened(page, path):
            seen.append(path)
            found += [f"{path}: {fault}" for fault in faults_of(page)]
    assert not found, "\n".join(found)
    return seen


def paths(acme):
    mail = OutboxMessage.objects.first().pk
    given = values(acme) | {"mail:detail:pk": mail, "mail:html:pk": mail}
    return sorted(
        {address.filled(given) for address in walk() if not address.path.startswith(NOT_OURS)}
    )


def test_the_pages_of_a_team(visit, acme, mara):
    assert check(visit, mara, [path for path in paths(acme) if path.startswith("/t/")])


@pytest.mark.long
def test_the_pages_of_an_account(visit, acme, mara):
    assert check(visit, mara, [path for path in paths(acme) if not path.startswith("/t/")])


@pytest.mark.long
def test_the_pages_of_a_visitor(visit, acme):
    check(visit, None, [path for path in paths(acme) if not path.startswith("/t/")])


def test_a_run_in_each_state(visit, begin, work, github, mara, worker):
    runs = [work(begin(token="bad-token"))]
    runs.append(begin())
    engine.cancel(runs[-1])
    runs.append(work(begin()))
    runs.append(begin())
    assert [run.state for run in runs] == ["failed", "running", "done", "running"]
    check(visit, mara, [f"/t/acme/onboarding/runs/{run.pk}/" for run in runs])
