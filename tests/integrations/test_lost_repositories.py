"""A repository that goes away while it is read costs a handful of requests and keeps
what was read of it.
"""

import json

import pytest

from apps.integrations.models import SyncStatus, TrackedRepository
from apps.integrations.tasks import sync_historical_data_task
from apps.metrics.models import DetailState, PullRequest
from apps.pipelines.models import RunState
from tests.fixtures.sandbox import serving
from tests.sandbox.conftest import record

pytestmark = pytest.mark.django_db(transaction=True)

COUNT = 400
DETAIL = {"operation": "Detail"}


@pytest.fixture(scope="module")
def large_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    lines = [json.dumps(record(number)) for number in range(1, COUNT + 1)]
    (folder / "octo__hello.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "octo__world.jsonl").write_text(
        json.dumps(record(1, repository="octo/world")) + "\n"
    )
    with serving(data=folder) as sandbox:
        yield sandbox


@pytest.fixture
def large(large_server, settings):
    """`octo/hello` with 400 pull requests, and `octo/world` with one."""
    large_server.reset()
    settings.GITHUB_API_URL = large_server.url
    return large_server


@pytest.fixture
def sync(team, worker):
    """Read the team's repositories; returns the run and that of `octo/hello`."""

    def sync():
        run = worker.drain(worker.start(sync_historical_data_task, team_id=team.pk), seconds=60)
        return run, TrackedRepository.objects.for_team(team).get(
            repository__full_name="octo/hello"
        )

    return sync


def cost_of_details(sandbox):
    """Requests beyond those of the lists."""
    return sum(
        count
        for name, count in sandbox.requests().items()
        if name not in ("Skeleton", "Updated")
    )


def test_deletion_in_mid_sync_stops_the_reading_of_that_repository(large, team, follow, sync):
    follow("octo/hello", "octo/world")
    large.faults(
        {
            "match": DETAIL,
            "after": 2,
            "times": 1,
            "change": {"delete": {"repository": "octo/hello"}},
        }
    )
    run, hello = sync()
    assert (run.state, hello.sync_status, hello.cause, hello.failed_reads) == (
        RunState.PARTIAL,
        SyncStatus.ERROR,
        "not_found",
        1,
    )
    # Two good batches, what was under way, the repository by name and by id, and the
    # other repository's batch.
    assert cost_of_details(large) <= 2 + 4 + 2 + 1
    pulls = PullRequest.objects.for_team(team)
    assert pulls.filter(repository=hello.repository).count() == COUNT
    assert not pulls.filter(detail_state=DetailState.DEGRADED).exists()
    assert (
        TrackedRepository.objects.for_team(team)
        .get(repository__full_name="octo/world")
        .sync_status
        == "complete"
    )


def test_deletion_while_the_list_is_read_stops_it(large, team, follow, sync):
    follow("octo/hello", "octo/world")
    change = {"delete": {"repository": "octo/hello"}}
    match = {"operation": "Skeleton", "repository": "octo/hello"}
    large.faults({"match": match, "after": 2, "times": 1, "change": change})
    _, hello = sync()
    assert (hello.sync_status, hello.cause) == (SyncStatus.ERROR, "not_found")
    assert sum(large.requests().values()) <= 8


def test_access_lost_in_mid_sync_stops_the_reading_of_that_repository(
    large, team, follow, sync
):
    follow("octo/hello")
    reason = "Resource not accessible by personal access token"
    errors = [
        {"type": "FORBIDDEN", "path": ["nodes", index], "message": reason}
        for index in range(25)
    ]
    whole = {"type": "FORBIDDEN", "path": ["repository"], "message": reason}
    large.faults(
        # A good answer that comes after the bad ones changes nothing.
        {"match": DETAIL, "after": 1, "times": 1, "delay": 2},
        {"match": DETAIL, "after": 1, "errors": errors, "partial": True},
        {"match": {"operation": "Repository"}, "errors": [whole]},
    )
    _, hello = sync()
    assert (hello.sync_status, hello.cause, hello.failed_reads) == (
        SyncStatus.ERROR,
        "access_denied",
        1,
    )
    assert cost_of_details(large) <= 2 + 4 + 1


def test_a_renamed_repository_is_found_while_deleted_pull_requests_go(
    large, team, follow, sync
):
    follow("octo/hello")
    # The newest are kept, so that later batches are gone as a whole.
    numbers = [number for number in range(1, COUNT + 1) if number % 27 != 26]
    change = {
        "rename": {"from": "octo/hello", "to": "octo/renamed"},
        "create": {"name": "octo/hello"},
    }
    change["delete"] = {"repository": "octo/renamed", "numbers": numbers}
    large.faults({"match": DETAIL, "after": 1, "times": 1, "change": change})
    sync_historical_data_task.call_local(team_id=team.pk)
    row = TrackedRepository.objects.for_team(team).get()
    assert row.sync_status == SyncStatus.COMPLETE
    # Those whose details were read before stay until the counts are compared.
    pulls = PullRequest.objects.for_team(team)
    assert not pulls.exclude(detail_state=DetailState.COMPLETE).exists()
    assert COUNT - len(numbers) <= pulls.count() < COUNT - len(numbers) + 100
