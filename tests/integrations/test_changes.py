"""What changed at GitHub since the last sync is found, however its clock, its lists,
and its answers are.
"""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from apps.integrations.models import SyncStatus
from apps.integrations.sources.github import queries
from apps.integrations.tasks import sync_historical_data_task
from apps.metrics.accounts import joins
from apps.metrics.ingest.writer import ingest_pull_requests
from apps.metrics.models import DetailState, PullRequest, TeamMember
from apps.metrics.records import PullRequestData
from apps.pipelines.models import RunState
from apps.users.models import User
from tests.integrations.test_incremental import ago, pulls, spent, sync
from tests.integrations.test_verification import REVIEW
from tests.sandbox.conftest import record

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def hello(octo, team, follow):
    """`octo/hello`, read."""
    (tracked,) = follow("octo/hello")
    sync(team)
    return tracked


def at(**span):
    """Return a moment from now on, as GitHub writes it."""
    return (timezone.now() + timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize("ahead", [{"minutes": 20}, {"days": 4}, {"days": 26_000}])
def test_change_ahead_of_the_clock_hides_no_later_one(octo, team, hello, ahead):
    octo.put(
        record(40, createdAt=ago(hours=1), updatedAt=at(**ahead), mergedAt=None, state="OPEN")
    )
    sync(team)
    hello.refresh_from_db()
    assert hello.watermark <= timezone.now()
    octo.put(record(41, createdAt=ago(minutes=30), updatedAt=at(), mergedAt=at()))
    octo.put(record(2, title="Another title", updatedAt=at()))
    sync(team)
    assert pulls(team).get(number=41).state == "merged"
    assert pulls(team).get(number=2).title == "Another title"


def test_corrected_date_is_read(octo, team, hello):
    octo.put(
        record(40, createdAt=ago(hours=1), updatedAt=at(days=4), mergedAt=None, state="OPEN")
    )
    sync(team)
    octo.put(
        record(40, createdAt=ago(hours=1), updatedAt=ago(minutes=2), mergedAt=ago(minutes=2))
    )
    sync(team)
    assert pulls(team).get(number=40).state == "merged"


def test_change_that_the_list_showed_late_is_read(octo, team, hello):
    octo.put(
        record(
            40, createdAt=ago(hours=1), updatedAt=ago(minutes=1), mergedAt=None, state="OPEN"
        )
    )
    sync(team)
    # One of GitHub's replicas did not have it yet.
    octo.put(record(2, title="Another title", updatedAt=ago(minutes=8)))
    sync(team)
    assert pulls(team).get(number=2).title == "Another title"


def test_watermark_ahead_of_the_clock_of_an_earlier_release_is_forgotten(octo, team, hello):
    hello.watermark = timezone.now() + timedelta(days=4)
    hello.save()
    octo.put(record(41, createdAt=ago(hours=2), updatedAt=ago(hours=1)))
    sync(team)
    hello.refresh_from_db()
    assert pulls(team).filter(number=41).exists()
    assert hello.watermark <= timezone.now()


@pytest.mark.parametrize(
    "change",
    [
        {"state": "MERGED"},
        {"title": "Other"},
        {"author": {"login": "eve"}},
        {"labels": ["bug"]},
    ],
)
def test_another_content_of_the_same_second_is_read(octo, team, hello, change):
    moment = at()
    octo.put(record(40, createdAt=moment, updatedAt=moment, mergedAt=None, state="OPEN"))
    sync(team)
    merged = {"mergedAt": moment} if "state" in change else {"mergedAt": None, "state": "OPEN"}
    octo.put(record(40, createdAt=moment, updatedAt=moment, **(merged | change)))
    sync(team)
    row = pulls(team).select_related("author").get(number=40)
    found = {
        "state": row.state.upper(),
        "title": row.title,
        "author": {"login": row.author.login},
        "labels": row.labels,
    }
    assert found | change == found
    assert row.detail_state == DetailState.COMPLETE


@pytest.mark.parametrize(
    "change", [{"title": "Other"}, {"author": {"login": "eve"}}, {"labels": ["bug"]}]
)
def test_another_content_of_an_earlier_second_is_read(octo, team, hello, change):
    """Nothing but the content shows it: the second is long over, and GitHub's counts
    are the same.
    """
    same = {
        "createdAt": ago(hours=2),
        "updatedAt": ago(minutes=5),
        "mergedAt": None,
        "state": "OPEN",
    }
    octo.put(record(40, **same))
    sync(team)
    octo.put(record(40, **same, **change))
    sync(team)
    row = pulls(team).select_related("author").get(number=40)
    found = {"title": row.title, "author": {"login": row.author.login}, "labels": row.labels}
    assert found | change == found


def test_change_a_little_ahead_moves_the_watermark_to_the_clock(octo, team, hello):
    octo.put(record(40, createdAt=at(), updatedAt=at(seconds=30)))
    sync(team)
    hello.refresh_from_db()
    assert timezone.now() - timedelta(seconds=20) < hello.watermark <= timezone.now()


def test_page_without_a_change_writes_nothing(octo, team, hello):
    octo.put(record(40, createdAt=ago(seconds=20), updatedAt=ago(seconds=10)))
    sync(team)
    before = octo.requests()
    sync(team)
    assert spent(octo, before) == {"Updated": 1}


def test_review_in_the_second_of_the_reading_is_read(octo, team, hello):
    # GitHub's clock shows this second for as long as both take.
    created, moment = ago(hours=1), at(seconds=3)
    octo.put(record(40, createdAt=created, updatedAt=moment, mergedAt=None, state="OPEN"))
    sync(team)
    octo.put(
        record(
            40,
            createdAt=created,
            updatedAt=moment,
            mergedAt=None,
            state="OPEN",
            reviews=[REVIEW],
        )
    )
    sync(team)
    assert pulls(team).get(number=40).reviews.count() == 1


def test_author_who_was_joined_into_another_account_is_no_news(octo, team, hello):
    octo.put(
        record(
            40, createdAt=ago(seconds=20), updatedAt=ago(seconds=10), author={"login": "eve"}
        )
    )
    sync(team)
    ada, eve = (TeamMember.objects.for_team(team).get(login=login) for login in ("ada", "eve"))
    with transaction.atomic():
        joins.join(
            ada, [eve], User.objects.create_user(email="owner@example.com"), timezone.now()
        )
    before = octo.requests()
    sync(team)
    assert spent(octo, before) == {"Updated": 1}
    assert pulls(team).get(number=40).author == ada


def test_pull_request_deleted_before_its_details_came_is_gone(octo, team, hello):
    PullRequest.objects.for_team(team).filter(number=3).update(detail_state=DetailState.PENDING)
    octo.change("delete", repository="octo/hello", numbers=[3])
    before = octo.requests()
    sync(team)
    hello.refresh_from_db()
    assert not pulls(team).filter(number=3).exists()
    # It is removed for what GitHub answered, without a comparison of everything.
    assert "Skeleton" not in spent(octo, before)
    assert (hello.sync_status, pulls(team).count()) == (SyncStatus.COMPLETE, 29)


@pytest.mark.parametrize("kind", ["silent", "not_found"])
def test_null_in_a_list_is_gone_and_leaves_no_gap(octo, team, follow, kind):
    (tracked,) = follow("octo/hello")
    octo.faults({"match": {"operation": "Skeleton"}, "gone_nodes": kind})
    sync(team)
    tracked.refresh_from_db()
    # The list by last change has what the other list left out.
    assert (tracked.sync_status, pulls(team).count()) == (SyncStatus.COMPLETE, 30)


def test_null_without_a_reason_deletes_nothing(octo, team, hello):
    pulls(team).update(detail_state=DetailState.PENDING)
    octo.faults({"match": {"operation": "Detail"}, "null_nodes": True})
    run = sync_historical_data_task.call_local(team_id=team.pk)
    assert (run.state, pulls(team).count()) == (RunState.PARTIAL, 30)


def test_details_that_never_come_make_no_later_sync_read_the_whole_list(octo, team, follow):
    (tracked,) = follow("octo/hello")
    octo.faults({"match": {"operation": "Detail"}, "null_nodes": True})
    for _ in range(2):
        before = octo.requests()
        run = sync_historical_data_task.call_local(team_id=team.pk)
        tracked.refresh_from_db()
        assert (run.state, tracked.sync_status) == (RunState.PARTIAL, SyncStatus.PARTIAL)
        assert tracked.watermark is not None
    assert "Skeleton" not in spent(octo, before)


def test_details_that_are_older_than_their_row_are_asked_again(octo, team, hello):
    octo.put(
        record(40, createdAt=ago(hours=3), updatedAt=ago(hours=2), mergedAt=None, state="OPEN")
    )
    sync(team)
    # A delivery came before the API knew of it.
    row = pulls(team).get(number=40)
    ahead = PullRequestData(
        external_id=row.external_id,
        github_id=row.github_id,
        number=40,
        kind=row.kind,
        title=row.title,
        state="merged",
        author=None,
        created_at=row.created_at,
        updated_at=timezone.now().replace(microsecond=0),
        merged_at=timezone.now().replace(microsecond=0),
    )
    ingest_pull_requests(row.repository, [ahead])
    run = sync_historical_data_task.call_local(team_id=team.pk)
    assert run.state == RunState.PARTIAL
    row.refresh_from_db()
    assert (row.state, row.detail_state) == ("merged", DetailState.PENDING)
    octo.put(
        record(
            40,
            createdAt=ago(hours=3),
            updatedAt=at(),
            mergedAt=at(),
            author={"login": "ann"},
            reviews=[REVIEW],
        )
    )
    sync(team)
    row.refresh_from_db()
    assert (row.detail_state, row.reviews.count()) == (DetailState.COMPLETE, 1)


def test_list_begins_at_its_top_if_github_lost_the_place(octo, team, follow):
    (tracked,) = follow("octo/hello")
    old = [
        record(n, createdAt=ago(days=400 + n), updatedAt=ago(days=400)) for n in range(300, 520)
    ]
    octo.put(*old)
    sync(team, months=12)
    tracked.refresh_from_db()
    assert tracked.cursor["deep"]["after"] or not tracked.cursor["deep"]["whole"]
    tracked.cursor["deep"] = {"whole": False, "after": "a place of another server"}
    tracked.save()
    sync(team, months=60)
    tracked.refresh_from_db()
    assert pulls(team).count() == 250
    assert tracked.sync_status == SyncStatus.COMPLETE


REFUSED = {"type": "INVALID_CURSOR_ARGUMENTS", "message": "`x` is not a valid cursor."}


@pytest.mark.parametrize("count", [1, 2, 3])
def test_refused_places_do_not_end_the_sync(octo, team, follow, count):
    """The first answers of a run are refusals: GitHub answers, so this is no outage."""
    (tracked,) = follow("octo/hello")
    octo.faults({"times": count, "errors": [REFUSED]})
    sync(team)
    tracked.refresh_from_db()
    assert (tracked.sync_status, pulls(team).count()) == (SyncStatus.COMPLETE, 30)


@pytest.mark.parametrize("is_known", [False, True])
def test_place_that_is_always_refused_is_passed_by_other_pages(octo, team, follow, is_known):
    (tracked,) = follow("octo/hello")
    if is_known:
        sync(team)
    moments = {number: ago(minutes=700 - number) for number in range(31, 331)}
    octo.put(*(record(n, createdAt=at, updatedAt=at, mergedAt=at) for n, at in moments.items()))
    place = place_after_a_page(octo, queries.UPDATED if is_known else queries.SKELETON)
    octo.faults({"match": {"contains": place}, "errors": [REFUSED]})
    sync(team)
    tracked.refresh_from_db()
    assert (tracked.sync_status, pulls(team).count()) == (SyncStatus.COMPLETE, 330)


def test_list_that_never_continues_fails_its_repository_alone(octo, team, follow):
    octo.put(*(record(n, createdAt=ago(days=1), updatedAt=ago(days=1)) for n in range(31, 331)))
    hello, world = follow("octo/hello", "octo/world")
    octo.faults({"match": {"contains": '"after": "'}, "errors": [REFUSED]})
    run = sync_historical_data_task.call_local(team_id=team.pk)
    assert run.state == RunState.PARTIAL
    hello.refresh_from_db()
    world.refresh_from_db()
    assert (hello.sync_status, world.sync_status) == (SyncStatus.ERROR, SyncStatus.COMPLETE)
    assert octo.requests()["Skeleton"] < 20
    octo.faults()
    sync(team)
    assert pulls(team).count() == 333


def place_after_a_page(sandbox, document):
    """Return the cursor at the end of the first whole page of a list."""
    variables = {"owner": "octo", "name": "hello", "first": queries.PAGE_LIMIT, "after": None}
    answer = sandbox.http.post(
        "/graphql",
        json={"query": document, "variables": variables},
        headers={"Authorization": "Bearer of any shape"},
    ).json()
    return answer["data"]["repository"]["pullRequests"]["pageInfo"]["endCursor"]
