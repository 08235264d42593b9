"""The rolling comparison's share of a night: everything within 28 nights, at most 5 %
of GitHub's hourly budget.
"""

from datetime import timedelta

import pytest
from django.utils import timezone
from graphql import OperationDefinitionNode, parse

from apps.integrations.models import TrackedRepository
from apps.integrations.sources.github import queries, rolling
from apps.metrics.models import PullRequest, Repository
from apps.sandbox.cost import cost_of
from apps.sandbox.schema import load_schema
from apps.teams.models import Team

BUDGET = 5_000


@pytest.fixture(scope="module")
def points():
    """What a request for the details of so many pull requests costs, by the sandbox's
    calculator.
    """
    schema, document = load_schema(), parse(queries.DETAIL)
    [operation] = [
        node for node in document.definitions if isinstance(node, OperationDefinitionNode)
    ]
    return lambda count: (
        cost_of(schema, document, operation, {"ids": [str(n) for n in range(count)]}).points
    )


def organization(sizes):
    """A team with repositories of these sizes, all read."""
    team, now = Team.objects.create(name="Acme", slug="acme"), timezone.now()
    rows = []
    for index, size in enumerate(sizes):
        repository = Repository.objects.create(
            team=team, source="github", full_name=f"acme/r{index}"
        )
        pulls = [
            PullRequest(
                team=team,
                repository=repository,
                external_id=f"PR_{number}",
                number=number,
                github_id=index * 1_000_000 + number,
                title="Change",
                state="merged",
                created_at=now,
                updated_at=now,
            )
            for number in range(1, size + 1)
        ]
        PullRequest.objects.bulk_create(pulls, batch_size=500)
        rows.append(
            TrackedRepository.objects.create(team=team, repository=repository, synced_since=now)
        )
    return rows


def night(rows, at):
    """Plan a night and take it as done.

    Returns what it compares: the keys of each repository.
    """
    for row in rows:
        row.cursor = {}
    rolling.plan(rows)
    compared = []
    for row in rows:
        share = row.cursor.get("compare")
        if not share:
            continue
        pulls = PullRequest.objects.for_team(row.team_id).filter(repository_id=row.pk)
        compared.append(
            list(
                pulls.filter(pk__gt=share["after"], pk__lte=share["to"]).values_list(
                    "pk", flat=True
                )
            )
        )
        row.verified_to = None if share["whole"] else share["to"]
        row.verified_at = at if share["whole"] else row.verified_at
    return compared


@pytest.mark.parametrize(
    "sizes",
    [
        [10_000],
        [500] * 20,
        [50] * 200,
        [3_000, 7_000],
        pytest.param([500] * 200, marks=pytest.mark.long),
        pytest.param([100_000], marks=pytest.mark.long),
    ],
)
def test_all_are_compared_in_time_and_within_the_budget(db, points, sizes):
    rows, total = organization(sizes), sum(sizes)
    seen, dearest = set(), 0
    for number in range(rolling.NIGHTS):
        compared = night(rows, timezone.now() + timedelta(days=number))
        spent = sum(
            points(min(25, len(keys) - at))
            for keys in compared
            for at in range(0, len(keys), 25)
        )
        dearest = max(dearest, spent)
        seen.update(key for keys in compared for key in keys)
    assert len(seen) == total
    assert dearest <= BUDGET * 0.05 * total / 100_000, dearest
    print(f"{total:,} in {len(sizes)} repositories: at most {dearest} points a night")


def test_small_team_is_compared_in_time(db):
    rows = organization([3, 1, 0, 40])
    seen = set()
    for number in range(rolling.NIGHTS):
        seen.update(
            key for keys in night(rows, timezone.now() + timedelta(days=number)) for key in keys
        )
    assert len(seen) == 44
