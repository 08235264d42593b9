"""Two teams with a row of each kind that an address can name."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from allauth.account.models import EmailAddress

from apps.metrics.factories import PullRequestFactory, RepositoryFactory, TeamMemberFactory
from apps.pipelines import engine
from apps.teams.invitations import invite
from apps.teams.joining import ask
from apps.teams.models import JoinDomain
from apps.teams.services import create_team
from apps.users.models import User
from tests.sandbox.server import ROOT


def world(slug):
    """A team with its owner and a row of each kind that an address can name."""
    owner = User.objects.create_user(f"owner@{slug}.example")
    team = create_team(slug.title(), owner)
    repository = RepositoryFactory(team=team)
    member = TeamMemberFactory(team=team)
    pull = PullRequestFactory(repository=repository, author=member)
    asking = User.objects.create_user(f"asking@{slug}.example")
    join_domain = JoinDomain.objects.create(team=team, domain=f"{slug}.example")
    EmailAddress.objects.create(user=asking, email=asking.email, primary=True, verified=True)
    run, _ = engine.start(
        "onboarding", subject=f"team:{team.pk}", params={"team_id": team.pk}, send=False
    )
    return SimpleNamespace(
        team=team,
        owner=owner,
        run=run,
        member=member,
        pull=pull,
        repository=repository,
        invitation=invite(team, owner, f"new@{slug}.example", "member"),
        join_domain=join_domain,
        join_request=ask(team, asking),
    )


@pytest.fixture
def acme(db):
    return world("acme")


@pytest.fixture
def globex(db):
    return world("globex")


@pytest.fixture
def start(tmp_path):
    def start(*command, **variables):
        env = {
            "PATH": os.environ["PATH"],
            "FIRSTLIGHT_DOTENV": "0",
            "STATE_DIR": str(tmp_path / "state"),
            **variables,
        }
        return subprocess.run(
            [sys.executable, *command],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return start


@pytest.fixture
def folder():
    """A folder that the servers' own user can reach, which pytest's can't be."""
    with tempfile.TemporaryDirectory(prefix="firstlight-outage-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path
