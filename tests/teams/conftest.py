import datetime as dt
from types import SimpleNamespace

import pytest

from apps.metrics.models import PullRequest, Repository, TeamMember
from apps.teams.models import Team

DAY = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


def world(slug):
    """A team with one repository, one member and two pull requests."""
    team = Team.objects.create(name=slug.title(), slug=slug)
    repository = Repository.objects.create(team=team, source="github", full_name=f"{slug}/api")
    member = TeamMember.objects.create(team=team, key=f"login:{slug}", login=slug)
    pulls = [
        PullRequest.objects.create(
            team=team,
            repository=repository,
            external_id=f"{slug}-{number}",
            number=number,
            title=f"{slug} {number}",
            state="open",
            author=member,
            created_at=DAY,
            updated_at=DAY,
        )
        for number in (1, 2)
    ]
    return SimpleNamespace(team=team, repository=repository, member=member, pulls=pulls)


@pytest.fixture
def acme(db):
    return world("acme")


@pytest.fixture
def globex(db):
    return world("globex")
