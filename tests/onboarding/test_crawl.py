"""Every page of a team is reached by links, for each role and state, and no link leads
to an error.
"""

import json
from collections import Counter
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
import pytest
from django.test import Client
from django.urls import resolve

from apps.integrations.connections.tracking import track_repositories
from apps.metrics.models import PullRequest, TeamMember
from apps.onboarding.services.runs import start_onboarding
from apps.pipelines.models import RunState
from tests.acceptance.conftest import pull_request
from tests.project.addresses import walk
from tests.sandbox.server import start_sandbox

pytestmark = pytest.mark.django_db(transaction=True)

ROLES = {"mara": "owner", "teo": "admin", "ida": "member"}
# Signing out ends the crawl; the admin has pages of its own; the API is for programs.
NOT_CRAWLED = ("/accounts/logout/", "/admin/", "/static/", "/api/v1/")
# Pages that are no page of their own: fragments, streams, files, and what a signed link
# opens.
PARTS = {
    "metrics:ai_progress",
    "onboarding:indicator",
    "onboarding:run_events",
    "onboarding:run_workers",
    "onboarding:sync_status",
}
# The steps of the first setup, which are over, or have not begun, in some states.
STEPS = {"onboarding:connect", "onboarding:choose", "onboarding:setup", "onboarding:team_home"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A sandbox with a repository of 12 pull requests, and one of none."""
    folder = tmp_path_factory.mktemp("crawl")
    lines = [json.dumps(pull_request("acme/api", number)) for number in range(1, 13)]
    (folder / "acme__api.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "acme__empty.jsonl").write_text("")
    with start_sandbox(data=folder) as url:
        yield url


@pytest.fixture
def source(server, settings):
    httpx.post(f"{server}/_sandbox/reset").raise_for_status()
    settings.GITHUB_API_URL = server
    return server


class Links(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.found = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        if tag == "a" and "href" in given and "download" not in given:
            self.found.append(given["href"])


def links_of(path, html):
    for link in Links(html).found:
        parts = urlsplit(urljoin(f"http://testserver{path}", link))
        if parts.netloc == "testserver" and not parts.path.startswith(NOT_CRAWLED):
            yield f"{parts.path}?{parts.query}" if parts.query else parts.path


def crawl(client, start):
    """Follow all links from a page.

    Return the names of the views that were reached, and links that failed.
    """
    reached, failed = set(), []
    seen, queries, waiting = {start}, Counter(), [(start, start)]
    while waiting:
        path, origin = waiting.pop()
        response = client.get(path, follow=True)
        if response.status_code != 200:
            failed.append(f"{origin} -> {path}: {response.status_code}")
            continue
        if response.redirect_chain:
            path = response.redirect_chain[-1][0]
        name = resolve(urlsplit(path).path).view_name
        many = name in reached and "?" in path
        reached.add(name)
        if many or not response["Content-Type"].startswith("text/html"):
            continue  # a page with another query has the same links
        for link in links_of(path, response.content.decode()):
            # Links of one page with the same names in their queries differ in a value
            # only: two of them are enough.
            kind = (
                urlsplit(link).path,
                frozenset(parse_qs(urlsplit(link).query, keep_blank_values=True)),
            )
            if link not in seen and (queries[kind] < 2 or "?" not in link):
                seen.add(link)
                queries[kind] += 1
                waiting.append((link, path))
    return reached, failed


def pages_of(client, team, run):
    """Return the names of the team's pages that this person may open, whether or not a
    link leads to them.
    """
    member, pull = (
        TeamMember.objects.for_team(team).first(),
        PullRequest.objects.for_team(team).first(),
    )
    given = {
        "slug": team.slug,
        "run_id": run.pk if run else None,
        "member_id": member.pk if member else None,
        "pull_id": pull.pk if pull else None,
    }
    names = set()
    for address in walk():
        if not address.of_team or any(given.get(name) is None for name in address.arguments):
            continue
        response = client.get(address.path % {name: given[name] for name in address.arguments})
        if response.status_code == 200 and response["Content-Type"].startswith("text/html"):
            names.add(address.name)
    return names - PARTS - STEPS


def connect(client, team):
    client.post(
        f"/t/{team.slug}/onboarding/connect/", {"source": "github", "token": "github_pat_1"}
    )


def run_over(team, owner, work, *names):
    tracked = track_repositories(team, "github", names)
    run, _ = start_onboarding(team, owner, tracked, 12)
    return work(run) if work else run


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("not connected", marks=pytest.mark.long),
        pytest.param("connected", marks=pytest.mark.long),
        "zero",
        pytest.param("partial", marks=pytest.mark.long),
        "failed",
        pytest.param("running", marks=pytest.mark.long),
        "done",
    ],
)
def test_every_page_of_a_team_is_reached_and_no_link_fails(
    state, team, person, source, work, client
):
    owner, run = person("mara"), None
    client.force_login(owner)
    if state != "not connected":
        connect(client, team)
    if state == "zero":
        run = run_over(team, owner, work, "acme/empty")
    elif state == "partial":
        run = run_over(team, owner, work, "acme/api", "acme/gone")
        assert run.state == RunState.PARTIAL
    elif state == "failed":
        httpx.post(f"{source}/_sandbox/faults", json=[{"status": 401}]).raise_for_status()
        run = run_over(team, owner, work, "acme/api")
        assert run.state == RunState.FAILED
        httpx.post(f"{source}/_sandbox/reset").raise_for_status()
    elif state == "running":
        run = run_over(team, owner, None, "acme/api")
    elif state == "done":
        run = run_over(team, owner, work, "acme/api")
        assert run.state == RunState.DONE
    for name in ROLES:
        visitor = Client()
        visitor.force_login(person(name))
        reached, failed = crawl(visitor, f"/t/{team.slug}/")
        assert not failed, (ROLES[name], failed)
        assert pages_of(visitor, team, run) <= reached, ROLES[name]


@pytest.mark.parametrize("name", ROLES)
def test_home_leads_to_a_page_that_opens(name, team, person, source, client):
    connect(client, team)
    client.force_login(person(name))
    assert client.get("/home/", follow=True).status_code == 200
