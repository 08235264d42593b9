"""Two installations that read the same sources show them in the same order, whatever keys their rows have."""

from datetime import UTC, datetime

import pytest

from apps.metrics import facts, pull_list
from apps.metrics.factories import PRReviewFactory, PullRequestFactory, RepositoryFactory

pytestmark = pytest.mark.django_db
MERGED = datetime(2026, 3, 2, 12, tzinfo=UTC)


def repository_read_as(numbers):
    """Return a repository whose pull requests of one moment were stored in the order of `numbers`."""
    repository = RepositoryFactory(full_name="acme/api")
    for number in numbers:
        pull = PullRequestFactory(repository=repository, number=number, created_at=MERGED, merged_at=MERGED)
        for login in sorted(("ann", "bob"), reverse=number % 2 == 0):
            PRReviewFactory(pull_request=pull, submitted_at=MERGED, reviewer__login=login)
    return repository


@pytest.mark.parametrize("sort", ["", *pull_list.SORTS])
def test_pull_requests_that_are_alike_come_by_number(sort):
    first, second = repository_read_as((3, 1, 2)), repository_read_as((2, 3, 1))
    shown = [
        [row.pull.number for row in pull_list.page(repository.team_id, pull_list.Search(sort=sort)).rows]
        for repository in (first, second)
    ]
    assert shown[0] == shown[1] == [3, 2, 1]


def test_evidence_of_insights_does_not_depend_on_keys():
    found = [
        [(pull.number, [review.login for review in pull.reviews]) for pull in facts.load(team_id, MERGED).pulls]
        for team_id in (repository_read_as(numbers).team_id for numbers in ((3, 1, 2), (2, 3, 1)))
    ]
    assert found[0] == found[1]
    assert len(found[0]) == 3
