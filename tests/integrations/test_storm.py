"""A sync through everything that goes wrong between us and GitHub, at once, while its
workers are being killed.
"""

import json
import random
import time

import pytest
from django.db.models import Count

from apps.integrations.models import SyncStatus, TrackedRepository
from apps.integrations.tasks import sync_historical_data_task
from apps.metrics.models import DetailState, PullRequest
from apps.pipelines import engine
from apps.pipelines.models import RunState
from tests.fixtures.sandbox import serving
from tests.fixtures.workers import ended, eventually
from tests.sandbox.conftest import record

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.long]

NAMES = ("storm/one", "storm/two")
# Of each repository.
PULL_REQUESTS = (260, 140)
KILLED_WORKERS = 6
FAULTS = [
    # More than one, because a worker may be killed before it hears of it.
    {"times": 3, "after": 12, "status": 401},
    {"times": 1, "after": 5, "rate_limit": "primary", "reset_in": 1},
    {"times": 2, "after": 9, "rate_limit": "secondary", "reset_in": 1},
    {"share": 0.03, "status": 502},
    {"share": 0.03, "status": 504},
    {"share": 0.02, "disconnect": True},
    {"share": 0.02, "malformed": True},
    {"share": 0.02, "match": {"operation": "Detail"}, "null_nodes": True},
    {
        "share": 0.02,
        "match": {"operation": "Detail"},
        "partial": True,
        "errors": [{"type": "RESOURCE_LIMITS_EXCEEDED", "message": "Too much."}],
    },
    {
        "share": 0.02,
        "errors": [{"message": "Something went wrong while executing your query."}],
    },
    {"share": 0.2, "delay": 0.1},
]


def commits(repository, number):
    count = 120 if number % 60 == 0 else 1 + number % 4
    return [
        {
            "oid": f"{hash_of(repository)}{number:06x}{place:033x}",
            "message": f"Step {place}",
            "authoredDate": "2026-03-01T09:00:00Z",
        }
        for place in range(count)
    ]


def hash_of(repository):
    return "a" if repository.endswith("one") else "b"


def reviews(number):
    count = 60 if number % 70 == 0 else number % 3
    return [
        {
            "author": {"login": f"reviewer-{place % 7}"},
            "state": "COMMENTED",
            "submittedAt": f"2026-03-02T09:{place:02}:00Z",
        }
        for place in range(count)
    ]


@pytest.fixture
def storm(tmp_path):
    expected = {}
    for name, count in zip(NAMES, PULL_REQUESTS, strict=True):
        rows = []
        for number in range(1, count + 1):
            row = record(
                number, repository=name, commits=commits(name, number), reviews=reviews(number)
            )
            expected[name, number] = (len(row["commits"]), len(row["reviews"]))
            rows.append(json.dumps(row))
        (tmp_path / f"{name.replace('/', '__')}.jsonl").write_text("\n".join(rows) + "\n")
    with serving(data=tmp_path, pace=0.05) as sandbox:
        sandbox.expected = expected
        yield sandbox


def stored(team, **states):
    rows = PullRequest.objects.for_team(team).filter(**states)
    counted = rows.annotate(
        c=Count("commits", distinct=True), r=Count("reviews", distinct=True)
    )
    return {
        (name, number): (c, r)
        for name, number, c, r in counted.values_list(
            "repository__full_name", "number", "c", "r"
        )
    }


def test_every_pull_request_arrives_once_and_whole_or_is_named(
    storm, team, follow, workers, trial
):
    follow(*NAMES)
    storm.faults(*FAULTS)
    dice = random.Random(trial.seed)
    run = sync_historical_data_task(team_id=team.pk)
    crew = [workers.start(GITHUB_API_URL=storm.url) for _ in range(2)]
    kills, refused = 0, 0
    until = time.monotonic() + 90
    while not ended(run)() or run.state == RunState.FAILED:
        assert time.monotonic() < until, (run.state, run.error, storm.requests())
        if run.state == RunState.FAILED:
            # The token was refused: somebody looks, and tries again.
            refused += 1
            engine.retry(run)
        elif kills < KILLED_WORKERS and sum(storm.requests().values()) > 8 * (kills + 1):
            victim = crew.pop(0)
            workers.kill(victim)
            crew.append(workers.start(GITHUB_API_URL=storm.url))
            kills += 1
        time.sleep(dice.uniform(0.05, 0.2))
    assert (kills, refused >= 1) == (KILLED_WORKERS, True)
    complete = stored(team, detail_state=DetailState.COMPLETE)
    degraded = PullRequest.objects.for_team(team).filter(detail_state=DetailState.DEGRADED)
    assert (
        len(complete) + degraded.count()
        == len(storm.expected)
        == PullRequest.objects.for_team(team).count()
    )
    assert complete.items() <= storm.expected.items()
    assert all(degraded.values_list("detail_error", flat=True))
    for row in TrackedRepository.objects.for_team(team):
        whole = not degraded.filter(repository_id=row.pk).exists() and not row.cursor.get(
            "problems"
        )
        assert row.sync_status == (SyncStatus.COMPLETE if whole else SyncStatus.PARTIAL)
    storm.faults()
    if run.state == RunState.PARTIAL:
        engine.retry(run)
        eventually(ended(run))
    assert run.state == RunState.DONE
    assert stored(team, detail_state=DetailState.COMPLETE) == storm.expected
    trial.reached(len(storm.expected), floor=400)
