from datetime import UTC, datetime, timedelta

import pytest
from django.urls import reverse

from apps.metrics.factories import RepositoryFactory, TeamFactory
from apps.metrics.records import (
    CommitData,
    PersonData,
    PullRequestData,
    PullRequestState,
    ReviewData,
    ReviewState,
)
from apps.teams.models import Role
from apps.users.models import User

START = datetime(2026, 2, 9, 9, tzinfo=UTC)  # the Monday of 2026-W07

ALICE = PersonData("alice", "Alice", 101)
BOB = PersonData("bob", "Bob", 102)


def make_commit(oid="c1", **overrides):
    values = {
        "message": f"Work {oid}",
        "authored_at": START,
        "committed_at": START,
        "author": ALICE,
    }
    return CommitData(oid, **values | overrides)


def make_review(external_id="r1", **overrides):
    values = {
        "state": ReviewState.APPROVED,
        "submitted_at": START + timedelta(hours=1),
        "reviewer": BOB,
    }
    return ReviewData(external_id, **values | overrides)


def make_pull(external_id="PR_1", **overrides):
    """A pull request as a source tells it: a skeleton, merged after two hours."""
    values = {
        "title": f"Title of {external_id}",
        "state": PullRequestState.MERGED,
        "created_at": START,
        "updated_at": START + timedelta(hours=2),
        "merged_at": START + timedelta(hours=2),
        "number": 1,
        "author": ALICE,
        "additions": 10,
        "deletions": 2,
        "changed_files": 1,
    }
    return PullRequestData(external_id, **values | overrides)


@pytest.fixture
def team(db):
    return TeamFactory(name="Acme", slug="acme")


@pytest.fixture
def repository(team):
    return RepositoryFactory(team=team, full_name="acme/api")


@pytest.fixture
def visit(team, client):
    """The answer of one of the team's pages to a member."""
    user = User.objects.create_user("mara@acme.example")
    team.memberships.create(user=user, role=Role.MEMBER)
    client.force_login(user)

    def get(name="dashboard", *arguments, htmx=False, **asked):
        headers = {"HX-Request": "true"} if htmx else {}
        return client.get(
            reverse(f"metrics:{name}", args=[team.slug, *arguments]), asked, headers=headers
        )

    return get
