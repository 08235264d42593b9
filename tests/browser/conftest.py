"""The pages in a real browser:

Debian's Chromium, against real web, worker and sandbox processes.
"""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from apps.integrations.connections.tracking import track_repositories
from apps.integrations.sources.github.credentials import store_token
from apps.metrics.models import PullRequest, TeamMember
from apps.onboarding.services.runs import start_onboarding
from apps.teams.invitations import invite
from apps.teams.services import create_team
from apps.users.models import User
from tests.acceptance.conftest import pull_request
from tests.browser.black_hole import BlackHole
from tests.browser.browsing import Visits, chromium
from tests.browser.site import GitHub, serving
from tests.sandbox.server import start_sandbox

REPOSITORIES = {"acme/api": 40, "acme/web": 30, "acme/docs": 6}
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items):
    """Run these last and in one go: browser and web process are started once."""
    items.sort(key=lambda item: HERE in item.path.parents)


@pytest.fixture(scope="session")
def github_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("github")
    for name, count in REPOSITORIES.items():
        lines = [json.dumps(pull_request(name, number)) for number in range(1, count + 1)]
        (folder / f"{name.replace('/', '__')}.jsonl").write_text("\n".join(lines) + "\n")
    with start_sandbox(data=folder) as url:
        yield GitHub(url)


@pytest.fixture
def github(github_server, settings):
    """GitHub as it was at first: three small repositories."""
    github_server.reset()
    settings.GITHUB_API_URL = github_server.url
    return github_server


@pytest.fixture(scope="session")
def web_server(django_db_setup, github_server, tmp_path_factory):
    with serving(github_server, tmp_path_factory.mktemp("web")) as web:
        yield web


@pytest.fixture(scope="package")
def browser():
    """One browser for all tests of this folder.

    Playwright keeps an event loop in this thread, in which Django refuses to query
    unless it is told that nothing runs beside it; so the browser ends with this folder.
    """
    with pytest.MonkeyPatch.context() as patch, chromium() as started:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield started


@pytest.fixture
def web(web_server, queue, github):
    """The running web process over this test's rows. It must log no error."""
    if not web_server.runs:
        web_server.start()
    web_server.complaints()
    yield web_server
    assert not web_server.complaints()


@pytest.fixture
def visit(browser, web):
    """Opens pages: `visit(user, "/path/", width=390, scheme="dark")`.

    Their consoles must stay silent.
    """
    visits = Visits(browser, web.url)
    yield visits
    visits.close()
    assert not visits.unforgiven


@pytest.fixture
def worker(workers, github):
    """Starts workers that read from this test's GitHub."""
    return lambda *args, **env: workers.start(*args, GITHUB_API_URL=github.url, **env)


@pytest.fixture
def team(queue):
    """Acme with its owner Mara, an admin Teo and a member Ida."""
    people = {
        name: User.objects.create_user(f"{name}@acme.example")
        for name in ("mara", "teo", "ida")
    }
    team = create_team("Acme", people["mara"])
    team.memberships.create(user=people["teo"], role="admin")
    team.memberships.create(user=people["ida"], role="member")
    return team


@pytest.fixture
def mara(team):
    return User.objects.get(email="mara@acme.example")


@pytest.fixture
def begin(team, mara, github):
    """Start the team's onboarding over repositories of GitHub."""

    def start(*names, token="token", months=12):
        store_token(team, token, mara)
        tracked = track_repositories(team, "github", names or list(REPOSITORIES))
        return start_onboarding(team, mara, tracked, months)[0]

    return start


@pytest.fixture
def acme(begin, team, mara, work, github):
    """Acme, set up but for one repository."""
    github.hide("acme/docs")
    run = work(begin())
    assert run.state == "partial", run.error
    github.reset()
    rows = {
        "invitation": invite(team, mara, "new@acme.example", "member"),
        "member": TeamMember.objects.for_team(team).first(),
        "pull": PullRequest.objects.for_team(team).first(),
    }
    return SimpleNamespace(team=team, run=run, owner=mara, **rows)


@pytest.fixture
def black_hole(web):
    hole = BlackHole(web.port)
    yield hole
    hole.close()
