"""A night in which nothing happened costs little, however many repositories a team
follows.
"""

import json

import pytest

from tests.fixtures.sandbox import serving
from tests.integrations.test_incremental import ago, spent, sync
from tests.sandbox.conftest import record

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]
REPOSITORIES = 200
# Requests for each repository.
MOST = 2


def test_quiet_night_of_200_repositories_costs_two_requests_each_at_most(
    team, follow, tmp_path, settings
):
    names = [f"octo/repository-{n}" for n in range(REPOSITORIES)]
    for name in names:
        pulls = [
            record(n, repository=name, createdAt=ago(days=n), updatedAt=ago(days=n))
            for n in range(1, 11)
        ]
        lines = "\n".join(json.dumps(pull) for pull in pulls)
        (tmp_path / f"{name.replace('/', '__')}.jsonl").write_text(lines)
    with serving(data=tmp_path) as sandbox:
        settings.GITHUB_API_URL = sandbox.url
        follow(*names)
        sync(team)
        before = sandbox.requests()
        sync(team)
        cost = spent(sandbox, before)
    print(cost)
    assert sum(cost.values()) <= MOST * REPOSITORIES, cost
