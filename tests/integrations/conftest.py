import pytest

from apps.integrations.connections.tracking import track_repositories
from apps.integrations.sources.github.credentials import store_token
from apps.teams.models import Team


@pytest.fixture
def team(db):
    team = Team.objects.create(name="Octo", slug="octo")
    store_token(team, "a token of any shape")
    return team


@pytest.fixture
def follow(team):
    """Makes the team follow repositories of GitHub; returns the tracked rows."""
    return lambda *names: track_repositories(team, "github", names)
