"""A second sync, a wider one, and what changes while one runs: in proportion to the
change, and nothing missed.
"""

import threading
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.integrations.models import SyncStatus, TrackedRepository
from apps.integrations.tasks import sync_historical_data_task
from apps.metrics.models import DetailState, PullRequest
from apps.pipelines.models import RunState
from tests.sandbox.conftest import record

pytestmark = pytest.mark.django_db(transaction=True)


def ago(**span):
    return (timezone.now() - timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


def pulls(team):
    return PullRequest.objects.for_team(team)


def sync(team, **options):
    run = sync_historical_data_task.call_local(team_id=team.pk, **options)
    assert run.state == RunState.DONE, (run.error, run.missing)
    return run


def spent(sandbox, before):
    now = sandbox.requests()
    return {
        name: now[name] - before.get(name, 0)
        for name in now
        if now[name] != before.get(name, 0)
    }


def test_a_sync_over_nothing_new_costs_one_request(octo, team, follow):
    (world,) = follow("octo/world")
    sync(team)
    world.refresh_from_db()
    before = octo.requests(), world.watermark
    sync(team)
    assert spent(octo, before[0]) == {"Updated": 1}
    world.refresh_from_db()
    assert (world.watermark, world.sync_status, world.done, world.total) == (
        before[1],
        SyncStatus.COMPLETE,
        3,
        3,
    )


def test_new_and_changed_ones_move_the_watermark(octo, team, follow):
    (hello,) = follow("octo/hello")
    sync(team)
    new = [
        record(number, createdAt=ago(hours=2), updatedAt=ago(minutes=90))
        for number in range(100, 130)
    ]
    octo.put(*new, record(3, updatedAt=ago(hours=1), title="Renamed"))
    before = octo.requests()
    sync(team)
    # 31 changes: a short page, a long one, their details, and a look at what changed
    # meanwhile.
    assert spent(octo, before) == {"Updated": 3, "Detail": 2}
    hello.refresh_from_db()
    assert hello.watermark == pulls(team).latest("updated_at").updated_at
    assert (hello.done, hello.total) == (60, 60)
    assert pulls(team).get(number=3).title == "Renamed"
    assert not pulls(team).exclude(detail_state=DetailState.COMPLETE).exists()


def test_older_ones_that_were_active_in_the_window_are_read(octo, team, follow):
    follow("octo/hello")
    octo.put(
        record(900, createdAt=ago(days=700), updatedAt=ago(days=20), mergedAt=ago(days=20)),
        record(901, createdAt=ago(days=700), updatedAt=ago(days=500)),
    )
    sync(team, months=12)
    assert pulls(team).filter(number=900, detail_state=DetailState.COMPLETE).exists()
    assert not pulls(team).filter(number=901).exists()


def test_a_wider_window_reads_the_older_part_only(octo, team, follow):
    (hello,) = follow("octo/hello")
    old = [
        record(n, createdAt=ago(days=400 + n), updatedAt=ago(days=400)) for n in range(300, 520)
    ]
    octo.put(*old)
    sync(team, months=12)
    assert pulls(team).count() == 30
    before = octo.requests()
    sync(team, months=36)
    assert pulls(team).count() == 250
    # Three pages are there; the first was read to its middle, so it is the one to go on
    # with.
    assert spent(octo, before)["Skeleton"] == 3
    assert spent(octo, before)["Detail"] == 9
    hello.refresh_from_db()
    assert hello.synced_since < timezone.now() - timedelta(days=800)
    before = octo.requests()
    sync(team, months=12)
    assert "Skeleton" not in spent(octo, before)


def test_what_changes_while_the_details_are_read_is_right_at_the_end(octo, team, follow):
    """Opened, merged and edited between the list and the end of the details."""
    follow("octo/hello", "octo/world")
    octo.faults({"match": {"operation": "Detail"}, "delay": 0.8, "times": 3})

    def meanwhile():
        octo.put(
            record(
                5,
                updatedAt=ago(seconds=0),
                state="MERGED",
                mergedAt=ago(seconds=0),
                title="Merged meanwhile",
            ),
            record(700, createdAt=ago(seconds=0), updatedAt=ago(seconds=0)),
            record(
                2, repository="octo/world", updatedAt=ago(seconds=0), title="Edited meanwhile"
            ),
        )

    timer = threading.Timer(0.5, meanwhile)
    timer.start()
    sync(team)
    timer.join()
    assert pulls(team).count() == 34
    assert not pulls(team).exclude(detail_state=DetailState.COMPLETE).exists()
    assert (
        pulls(team).get(number=5, repository__full_name="octo/hello").title
        == "Merged meanwhile"
    )
    assert (
        pulls(team).get(number=2, repository__full_name="octo/world").title
        == "Edited meanwhile"
    )
    for row in TrackedRepository.objects.for_team(team):
        assert (row.done, row.total) == (
            pulls(team).filter(repository=row.repository).count(),
        ) * 2


def test_a_renamed_repository_keeps_its_rows_under_the_new_name(octo, team, follow):
    (hello,) = follow("octo/hello")
    sync(team)
    octo.rename("octo/hello", "octo/greetings")
    run = sync(team)
    hello.repository.refresh_from_db()
    assert hello.repository.full_name == "octo/greetings"
    assert pulls(team).count() == 30
    # The run shows it under the name that it had when the run began, from its first
    # moment to its last.
    assert {event.key for event in run.events.filter(kind="repository")} == {"octo/hello"}
    assert follow("octo/greetings")[0].pk == hello.pk


def test_two_names_of_one_repository_are_not_counted_twice(octo, team, follow):
    follow("octo/hello", "octo/world")
    sync(team)
    octo.rename("octo/world", "octo/globe")
    follow("octo/globe")
    run = sync_historical_data_task.call_local(team_id=team.pk)
    assert run.state == RunState.PARTIAL
    assert "same repository as" in run.missing[0]["why"]
    assert pulls(team).count() == 33
