"""The commands as people run them: processes of their own over the test's database,
against a sandbox of GitHub.
"""

import json
import os
import subprocess
import sys

import httpx
import pytest
from django.db import connection

from apps.integrations.connections.tracking import track_repositories
from apps.integrations.sources.github.credentials import store_token
from apps.metrics.factories import RepositoryFactory
from apps.metrics.figures.weekly import recompute
from apps.onboarding.services.runs import start_onboarding
from apps.pipelines.models import Run
from apps.teams.services import create_team
from apps.users.models import User
from tests.acceptance.conftest import pull_request
from tests.fixtures.workers import ROOT, eventually
from tests.metrics.pages import merged
from tests.sandbox.server import start_sandbox
from tests.servers import database_url

REPOSITORIES = {"acme/api": 12, "acme/web": 8}
# What GitHub answers where there is no such repository, or none that the token may
# read.
GONE = [
    {
        "type": "NOT_FOUND",
        "path": ["repository"],
        "message": "Could not resolve to a Repository.",
    }
]


@pytest.fixture(scope="session")
def github_server(tmp_path_factory):
    """A sandbox with two small repositories of merged pull requests."""
    folder = tmp_path_factory.mktemp("github")
    for name, count in REPOSITORIES.items():
        lines = [json.dumps(pull_request(name, number)) for number in range(1, count + 1)]
        (folder / f"{name.replace('/', '__')}.jsonl").write_text("\n".join(lines) + "\n")
    with start_sandbox(data=folder) as url:
        yield url


class GitHub:
    def __init__(self, url):
        self.url = url

    def faults(self, *faults):
        httpx.post(f"{self.url}/_sandbox/faults", json=list(faults)).raise_for_status()

    def hide(self, repository):
        self.faults({"match": {"repository": repository}, "errors": GONE})

    def change(self, what, **body):
        httpx.post(f"{self.url}/_sandbox/{what}", json=body).raise_for_status()

    def slow(self, seconds=0.5):
        self.faults({"delay": seconds})


@pytest.fixture
def github(github_server):
    """GitHub as it was at first."""
    httpx.post(f"{github_server}/_sandbox/reset").raise_for_status()
    return GitHub(github_server)


class Result:
    """How a command ended."""

    def __init__(self, status, stdout, stderr):
        self.status, self.stdout, self.stderr = status, stdout, stderr

    @property
    def summary(self):
        return json.loads(self.stdout.splitlines()[-1])


class Commands:
    """manage.py on this test's rows and messages."""

    def __init__(self, **env):
        self.env = env
        self.started = []

    def start(self, *args, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **env):
        environment = {
            **os.environ,
            "DATABASE_URL": database_url(connection),
            **self.env,
            **env,
        }
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "manage.py", *map(str, args)],
            cwd=ROOT,
            env={key: str(value) for key, value in environment.items() if value is not None},
            stdout=stdout,
            stderr=stderr,
            stdin=subprocess.DEVNULL,
            text=True,
        )
        self.started.append(process)
        return process

    def wait(self, process, seconds=60):
        stdout, stderr = process.communicate(timeout=seconds)
        return Result(process.returncode, stdout, stderr)

    def __call__(self, *args, seconds=60, **env):
        return self.wait(self.start(*args, **env), seconds)

    def onboard(
        self, *args, team="Acme", email="mara@acme.example", repos="acme/api,acme/web", **env
    ):
        arguments = {"--team": team, "--email": email, "--repos": repos}
        given = [
            part
            for name, value in arguments.items()
            if value is not None
            for part in (name, value)
        ]
        return self("onboard", *given, "--json", *args, **env)

    def end(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def manage(queue, github):
    commands = Commands(GITHUB_API_URL=github.url, GITHUB_TOKEN="t")
    yield commands
    commands.end()


@pytest.fixture
def team(db):
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
def person(team):
    return lambda name: User.objects.get(email=f"{name}@acme.example")


@pytest.fixture
def begin(team, github, settings, queue):
    """Start the team's onboarding over repositories of GitHub; nobody works on it yet."""
    settings.GITHUB_API_URL = github.url

    def start(*names, user=None, months=12):
        user = user or User.objects.get(email="mara@acme.example")
        store_token(team, "token", user)
        tracked = track_repositories(team, "github", names or list(REPOSITORIES))
        return start_onboarding(team, user, tracked, months)[0]

    return start


def the_run():
    """The only run, as soon as there is one."""
    return eventually(lambda: Run.objects.first())


@pytest.fixture
def merged_work(team):
    """Three pull requests of a team, merged in two weeks."""
    repository = RepositoryFactory(team=team)
    for weeks_ago, hours in ((0, 4), (0, 6), (1, 10)):
        merged(
            repository,
            weeks_ago,
            hours,
            ai_assisted=hours == 4,
            ai_tools=["claude"] if hours == 4 else [],
        )
    recompute(team.pk)
