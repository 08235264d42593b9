"""Two installations that read the same sources show them in the same order, whatever
keys their rows have.
"""

from datetime import UTC, datetime, timedelta

import pytest

from apps.metrics.accounts import bot_decisions
from apps.metrics.factories import (
    PRReviewFactory,
    PullRequestFactory,
    RepositoryFactory,
    TeamMemberFactory,
)
from apps.metrics.figures import export, weekly
from apps.metrics.figures.selection import Selection
from apps.metrics.insights import dataset
from apps.metrics.models import Scope, TeamMember
from apps.metrics.pages import breakdown, dashboard, pull_request_list

pytestmark = pytest.mark.django_db
MERGED = datetime(2026, 3, 2, 12, tzinfo=UTC)


def repository_read_as(numbers):
    """Return a repository whose pull requests of one moment were stored in the order of
    `numbers`.
    """
    repository = RepositoryFactory(full_name="acme/api")
    for number in numbers:
        pull = PullRequestFactory(
            repository=repository, number=number, created_at=MERGED, merged_at=MERGED
        )
        for login in sorted(("ann", "bob"), reverse=number % 2 == 0):
            PRReviewFactory(pull_request=pull, submitted_at=MERGED, reviewer__login=login)
    return repository


@pytest.mark.parametrize("sort", ["", *pull_request_list.SORTS])
def test_pull_requests_that_are_alike_come_by_number(sort):
    first, second = repository_read_as((3, 1, 2)), repository_read_as((2, 3, 1))
    shown = [
        [
            row.pull.number
            for row in pull_request_list.page(
                repository.team_id, pull_request_list.Search(sort=sort)
            ).rows
        ]
        for repository in (first, second)
    ]
    assert shown[0] == shown[1] == [3, 2, 1]


def test_evidence_of_insights_does_not_depend_on_keys():
    found = [
        [
            (pull.number, [year.logins[review.reviewer] for review in pull.reviews])
            for pull in year.pulls
        ]
        for year in (
            dataset.load(repository_read_as(numbers).team_id, MERGED)
            for numbers in ((3, 1, 2), (2, 3, 1))
        )
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 3


def test_weekly_rows_of_people_with_one_login_come_by_person():
    shown = []
    for keys in (("github:1", "git:cleo@acme.example"), ("git:cleo@acme.example", "github:1")):
        repository = RepositoryFactory(full_name="acme/api")
        for key in keys:
            cleo = TeamMemberFactory(team=repository.team, login="cleo", key=key)
            opened = MERGED if key == "github:1" else MERGED - timedelta(days=7)
            PullRequestFactory(
                repository=repository, author=cleo, created_at=opened, merged_at=MERGED
            )
        weekly.recompute(repository.team_id)
        rows = export.weekly_rows(repository.team_id, Scope.MEMBER)
        shown.append([(row["week"], row["opened"]) for row in rows])
    assert shown[0] == shown[1]


@pytest.fixture
def namesakes():
    """Return two teams with the same two bots of one login, stored in different orders."""
    teams = []
    for keys in (("github:1", "github:2"), ("github:2", "github:1")):
        repository = RepositoryFactory(full_name="acme/api")
        for key in keys:
            bot = TeamMemberFactory(
                team=repository.team, login="ci-robot", name=f"Robot {key}", key=key
            )
            PullRequestFactory(repository=repository, author=bot, merged_at=MERGED)
        teams.append(repository.team)
    return teams


def test_suggested_bots_of_one_login_come_by_account(namesakes):
    shown = [[one.name for one in bot_decisions.suggestions(team.pk)] for team in namesakes]
    assert shown[0] == shown[1] == ["Robot github:1", "Robot github:2"]


def test_decided_accounts_of_one_moment_come_by_account(namesakes, django_user_model):
    admin = django_user_model.objects.create_user("admin@acme.example")
    for team in namesakes:
        for member in TeamMember.objects.for_team(team):
            bot_decisions.decide(member, True, admin, MERGED)
    shown = [[member.key for member in bot_decisions.decided(team.pk)] for team in namesakes]
    assert shown[0] == shown[1] == ["github:1", "github:2"]


def test_people_of_one_name_come_by_account(namesakes):
    shown = []
    for team in namesakes:
        members = TeamMember.objects.for_team(team)
        members.update(name="Robot")
        frame = dashboard.frame(team.pk, Selection(weeks=12), MERGED)
        lines = breakdown.by_member(team.pk, frame.now)
        keys = dict(members.values_list("pk", "key"))
        shown.append([keys[line.key] for line in lines])
    assert shown[0] == shown[1] == ["github:1", "github:2"]
