"""Changes at GitHub that no list shows: found by its counts, by the rolling comparison,
or at once by `verify`.
"""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.integrations.models import SyncStatus, TrackedRepository
from apps.integrations.sources.github import queries, rolling
from apps.integrations.tasks import sync_historical_data_task
from apps.metrics.ingest.identities import GHOST_KEY
from apps.metrics.models import PRReview, PullRequest, TeamMember
from apps.onboarding.services.refreshing import corrected_by
from apps.pipelines import engine, runner
from apps.pipelines.models import RunState
from tests.integrations.test_incremental import ago, pulls, spent, sync
from tests.sandbox.conftest import record

pytestmark = pytest.mark.django_db(transaction=True)

REVIEW = {
    "author": {"login": "eve"},
    "state": "APPROVED",
    "submittedAt": "2026-03-30T10:00:00Z",
}


def refresh(team, **params):
    """Run the sync as a refresh does, with its params."""
    run, _ = engine.start(
        "sync", subject=f"team:{team.pk}", params={"team_id": team.pk, **params}, send=False
    )
    run = runner.run_inline(
        run, {"sync_historical_data_task": sync_historical_data_task.run_body}
    )
    assert run.state == RunState.DONE, (run.error, run.missing)
    return run


def numbers(team):
    return sorted(pulls(team).values_list("number", flat=True))


@pytest.fixture
def read(octo, team, follow):
    """`octo/hello` with its 30 pull requests, read."""
    follow("octo/hello")
    sync(team)
    return octo


def test_verify_corrects_what_no_list_shows(read, team):
    read.put(record(4, reviews=[REVIEW]), record(5, title="Renamed without a sign"))
    read.change("delete", repository="octo/hello", numbers=[7])
    run = refresh(team, verify=True)
    assert corrected_by(run) == 3
    assert (
        PRReview.objects.for_team(team)
        .filter(pull_request__number=4, reviewer__login="eve")
        .exists()
    )
    assert pulls(team).get(number=5).title == "Renamed without a sign"
    assert 7 not in numbers(team)
    tracked = TrackedRepository.objects.for_team(team).get()
    assert (tracked.sync_status, tracked.done, tracked.total) == (SyncStatus.COMPLETE, 29, 29)
    assert corrected_by(refresh(team, verify=True)) == 0


def test_verify_brings_what_came_into_the_past(read, team):
    """An import sets `createdAt` and `updatedAt` to what they were elsewhere."""
    read.put(
        record(300, createdAt=ago(days=300), updatedAt=ago(days=290), mergedAt=ago(days=290))
    )
    assert corrected_by(refresh(team, verify=True)) == 1
    assert 300 in numbers(team)


def test_changes_with_a_sign_are_no_corrections(read, team):
    read.put(record(400, createdAt=ago(hours=2), updatedAt=ago(hours=1), mergedAt=ago(hours=1)))
    assert corrected_by(refresh(team, verify=True)) == 0
    assert 400 in numbers(team)


@pytest.mark.parametrize("count", [1, 3])
def test_deleted_pull_request_goes_by_night_with_its_author(read, team, count):
    read.put(
        *(
            record(
                50 + n, author={"login": "gone"}, createdAt=ago(days=9), updatedAt=ago(days=9)
            )
            for n in range(count)
        )
    )
    sync(team)
    assert TeamMember.objects.for_team(team).filter(login="gone").exists()
    read.change("delete", repository="octo/hello", numbers=[50 + n for n in range(count)])
    run = sync(team)
    assert numbers(team) == list(range(1, 31))
    assert not TeamMember.objects.for_team(team).filter(login="gone").exists()
    assert corrected_by(run) == count


def test_deleted_one_is_found_beside_a_new_one(read, team):
    read.put(record(60, createdAt=ago(hours=2), updatedAt=ago(hours=1)))
    read.change("delete", repository="octo/hello", numbers=[3])
    sync(team)
    assert numbers(team) == sorted({*range(1, 31), 60} - {3})


def test_comparison_that_could_not_read_all_is_made_again(read, team):
    read.change("delete", repository="octo/hello", numbers=[7])
    keys = list(pulls(team).order_by("pk").values_list("number", flat=True))
    # GitHub does not answer for the deleted one, wherever it is asked for.
    errors = [
        {"path": ["nodes", place], "message": "Something went wrong"}
        for place in (0, keys.index(7))
    ]
    read.faults({"match": {"operation": "Detail"}, "errors": errors, "partial": True})
    sync(team)
    assert 7 in numbers(team)
    read.faults()
    sync(team)
    assert 7 not in numbers(team)


def test_comparison_begins_its_list_again_if_github_lost_the_place(read, team):
    read.put(
        *(
            record(n, createdAt=ago(days=n), updatedAt=ago(days=n), mergedAt=ago(days=n))
            for n in range(40, 160)
        )
    )
    sync(team)
    read.put(
        record(
            155,
            createdAt=ago(days=155),
            updatedAt=ago(days=155),
            title="Renamed without a sign",
        )
    )
    variables = {"owner": "octo", "name": "hello", "first": queries.PAGE_LIMIT, "after": None}
    asked = {"query": queries.SKELETON, "variables": variables}
    answer = read.http.post(
        "/graphql", json=asked, headers={"Authorization": "Bearer of any shape"}
    ).json()
    place = answer["data"]["repository"]["pullRequests"]["pageInfo"]["endCursor"]
    error = {
        "type": "INVALID_CURSOR_ARGUMENTS",
        "message": f"`{place}` does not appear to be a valid cursor.",
    }
    read.faults({"match": {"contains": place}, "errors": [error]})
    refresh(team, verify=True)
    assert pulls(team).get(number=155).title == "Renamed without a sign"


def test_state_that_changed_without_a_sign_is_found_by_counts(octo, team, follow):
    follow("octo/hello")
    moment = ago(days=3)
    octo.put(record(70, state="OPEN", createdAt=ago(days=5), updatedAt=moment, mergedAt=None))
    sync(team)
    octo.put(
        record(70, state="MERGED", createdAt=ago(days=5), updatedAt=moment, mergedAt=moment)
    )
    sync(team)
    assert pulls(team).get(number=70).state == "merged"


def test_old_one_that_was_active_again_is_no_difference(octo, team, follow):
    follow("octo/hello")
    octo.put(
        record(
            80,
            state="CLOSED",
            createdAt=ago(days=900),
            updatedAt=ago(days=800),
            mergedAt=None,
            closedAt=ago(days=800),
        )
    )
    sync(team)
    octo.put(
        record(80, state="OPEN", createdAt=ago(days=900), updatedAt=ago(hours=1), mergedAt=None)
    )
    before = octo.requests()
    sync(team)
    assert 80 in numbers(team)
    assert "Skeleton" not in spent(octo, before)


def test_counts_cost_no_request(octo, team, follow):
    follow("octo/world")
    sync(team)
    before = octo.requests()
    sync(team)
    assert spent(octo, before) == {"Updated": 1}


def test_rolling_comparison_reads_everything_within_its_nights(octo, team, follow):
    follow("octo/hello", "octo/world")
    sync(team)
    octo.put(
        *(record(number, reviews=[REVIEW]) for number in range(1, 31)),
        *(record(number, repository="octo/world", reviews=[REVIEW]) for number in (1, 2, 3)),
    )
    found = []
    for _ in range(rolling.NIGHTS):
        refresh(team, nights=rolling.NIGHTS)
        found.append(PRReview.objects.for_team(team).filter(reviewer__login="eve").count())
    assert found[-1] == 33
    assert found[0] < 33
    assert (
        TrackedRepository.objects.for_team(team).filter(verified_at__isnull=True).count() == 0
    )


def test_rolling_comparison_notices_a_deleted_account(read, team):
    octo = read
    octo.change("account", **{"from": "ada", "to": None})
    for _ in range(2):
        refresh(team, nights=1)
    assert set(pulls(team).values_list("author__key", flat=True)) == {GHOST_KEY}
    assert not TeamMember.objects.for_team(team).filter(login="ada").exists()


def test_part_that_misses_a_pull_request_compares_everything(read, team):
    """A node id that GitHub does not know may be an old address: nothing is removed
    before the lists are read.
    """
    read.put(record(50, createdAt=ago(days=2), updatedAt=ago(days=1)))
    sync(team)
    pulls(team).filter(number=9).update(external_id="PR_of_another_format")
    key = pulls(team).get(number=9).pk
    refresh(team, nights=1)
    assert pulls(team).get(number=9).pk == key
    assert numbers(team) == [*range(1, 31), 50]
    assert pulls(team).get(number=9).external_id != "PR_of_another_format"


def test_repository_that_vanishes_while_it_is_compared_keeps_its_rows(read, team):
    read.change("delete", repository="octo/hello")
    run, _ = engine.start(
        "sync",
        subject=f"team:{team.pk}",
        params={"team_id": team.pk, "verify": True},
        send=False,
    )
    with pytest.raises(Exception, match="knows no"):
        runner.run_inline(
            run, {"sync_historical_data_task": sync_historical_data_task.run_body}
        )
    assert PullRequest.objects.for_team(team).count() == 30


def test_nothing_is_removed_unless_the_repository_is_there(read, team):
    """Without access every pull request looks deleted."""
    read.change("delete", repository="octo/hello", numbers=[7])
    missing = [
        {
            "type": "NOT_FOUND",
            "path": ["repository"],
            "message": "Could not resolve to a Repository.",
        }
    ]
    operations = ("Repository", "RepositoryById")
    read.faults(*({"match": {"operation": name}, "errors": missing} for name in operations))
    run, _ = engine.start(
        "sync",
        subject=f"team:{team.pk}",
        params={"team_id": team.pk, "verify": True},
        send=False,
    )
    with pytest.raises(Exception, match="knows no"):
        runner.run_inline(
            run, {"sync_historical_data_task": sync_historical_data_task.run_body}
        )
    assert PullRequest.objects.for_team(team).count() == 30


def test_clock_that_was_ahead_is_corrected(octo, team, follow):
    follow("octo/hello")
    octo.put(record(90, createdAt=ago(days=3), updatedAt="2099-01-01T00:00:00Z"))
    sync(team)
    octo.put(record(90, createdAt=ago(days=3), updatedAt=ago(days=2), title="Corrected"))
    refresh(team, verify=True)
    assert pulls(team).get(number=90).updated_at < timezone.now() - timedelta(days=1)
