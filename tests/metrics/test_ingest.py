from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.metrics.factories import RepositoryFactory
from apps.metrics.ingest.sanitize import LONGEST
from apps.metrics.ingest.writer import ingest_pull_requests, weeks_of
from apps.metrics.models import Commit, DetailState, PRReview, PullRequest, TeamMember
from apps.metrics.records import PersonData, PullRequestState, ReviewState
from tests.metrics.conftest import ALICE, BOB, START, make_commit, make_pull, make_review


def complete(external_id="PR_1", **overrides):
    return make_pull(
        external_id,
        **{"commits": (make_commit(),), "reviews": (make_review(),), "body": "Body"}
        | overrides,
    )


def stored(repository, external_id="PR_1"):
    return PullRequest.objects.for_team(repository.team_id).get(
        repository=repository, external_id=external_id
    )


def people(repository):
    return {row.key: row for row in TeamMember.objects.for_team(repository.team_id)}


def test_a_complete_record_becomes_rows(repository):
    result = ingest_pull_requests(repository, [complete()])
    pull = stored(repository)
    assert (result.pull_requests, result.commits, result.reviews) == (1, 1, 1)
    assert result.ids == (pull.pk,)
    assert result.weeks == {date(2026, 2, 9)}
    assert pull.detail_state == DetailState.COMPLETE
    assert (pull.title, pull.body, pull.additions, pull.author.login) == (
        "Title of PR_1",
        "Body",
        10,
        "alice",
    )
    assert pull.commits.get().author.key == "github:101"
    assert pull.reviews.get().reviewer.key == "github:102"


def test_it_writes_nothing_twice(repository):
    batch = [complete(f"PR_{n}") for n in range(5)]
    first = ingest_pull_requests(repository, batch)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        again = ingest_pull_requests(repository, batch)
    assert (again.ids, again.weeks, again.changed) == (first.ids, first.weeks, frozenset())
    assert first.changed == frozenset(first.ids)
    assert not [query for query in queries if not query["sql"].startswith("SELECT")]
    assert PullRequest.objects.for_team(repository.team_id).count() == 5


def test_a_hundred_pull_requests_cost_few_statements(repository):
    def batch(hour):
        return [
            complete(
                f"PR_{n}",
                updated_at=START + timedelta(hours=hour),
                author=PersonData(f"p{n}", "", n + 1),
                commits=tuple(make_commit(f"c{n}-{hour}-{i}") for i in range(5)),
                reviews=tuple(make_review(f"r{n}-{hour}-{i}") for i in range(3)),
            )
            for n in range(100)
        ]

    for hour in (3, 4):
        with CaptureQueriesContext(connection) as queries:
            ingest_pull_requests(repository, batch(hour))
        assert len(queries) <= 15
    assert Commit.objects.for_team(repository.team_id).count() == 500


def test_a_skeleton_with_another_content_asks_for_the_detail_again(repository):
    ingest_pull_requests(repository, [complete()])
    ingest_pull_requests(repository, [make_pull(title="Renamed")])
    pull = stored(repository)
    assert (pull.title, pull.body, pull.detail_state) == (
        "Renamed",
        "Body",
        DetailState.PENDING,
    )
    assert (pull.commits.count(), pull.reviews.count()) == (1, 1)


def test_a_newer_skeleton_asks_for_the_detail_again(repository):
    ingest_pull_requests(repository, [complete()])
    ingest_pull_requests(repository, [make_pull(updated_at=START + timedelta(days=1))])
    pull = stored(repository)
    assert pull.detail_state == DetailState.PENDING
    assert (pull.body, pull.commits.count()) == ("Body", 1)


def test_children_that_vanished_are_removed(repository):
    before = complete(
        commits=(make_commit("a"), make_commit("b")),
        reviews=(make_review("x"), make_review("y")),
    )
    ingest_pull_requests(repository, [before, complete("PR_2")])
    ingest_pull_requests(
        repository, [replace(before, commits=(make_commit("b"), make_commit("c")), reviews=())]
    )
    pull = stored(repository)
    assert set(pull.commits.values_list("oid", flat=True)) == {"b", "c"}
    assert not pull.reviews.exists()
    assert stored(repository, "PR_2").commits.count() == 1


def test_a_changed_review_is_renewed(repository):
    ingest_pull_requests(repository, [complete()])
    ingest_pull_requests(
        repository, [complete(reviews=(make_review(state=ReviewState.DISMISSED),))]
    )
    assert stored(repository).reviews.get().state == ReviewState.DISMISSED


def test_commits_alone_are_written_but_are_not_the_whole_detail(repository):
    ingest_pull_requests(repository, [make_pull(commits=(make_commit(),))])
    pull = stored(repository)
    assert (pull.commits.count(), pull.detail_state) == (1, DetailState.PENDING)


def test_an_older_record_does_not_overwrite(repository):
    newer = complete(title="New", updated_at=START + timedelta(days=2))
    ingest_pull_requests(repository, [newer])
    ingest_pull_requests(
        repository, [complete(title="Old", body="Old", commits=(), reviews=())]
    )
    pull = stored(repository)
    assert (pull.title, pull.body, pull.commits.count()) == ("New", "Body", 1)


def test_an_older_record_may_bring_the_first_detail_and_is_asked_again(repository):
    ingest_pull_requests(
        repository, [make_pull(title="New", updated_at=START + timedelta(days=2))]
    )
    ingest_pull_requests(repository, [complete(title="Old")])
    pull = stored(repository)
    assert (pull.title, pull.body, pull.detail_state) == ("New", "Body", DetailState.PENDING)
    assert pull.commits.count() == 1


@pytest.mark.parametrize(
    ("change", "read_again"),
    [
        ({}, False),
        ({"additions": 99}, False),
        ({"reviews": ()}, False),
        ({"title": "Other"}, True),
        ({"body": "Other"}, True),
        ({"head_ref": "claude/x"}, True),
        ({"author": BOB}, True),
        ({"commits": (make_commit("other"),)}, True),
        ({"commits": ()}, True),
        ({"commits": (make_commit(message="Other"),)}, True),
    ],
)
def test_markers_are_read_again_when_the_text_changed(repository, change, read_again):
    ingest_pull_requests(repository, [complete(), complete("PR_2")])
    PullRequest.objects.for_team(repository.team_id).update(markers_version=7, ai_assisted=True)
    ingest_pull_requests(repository, [complete(**change), complete("PR_2")])
    assert stored(repository).markers_version == (0 if read_again else 7)
    assert stored(repository).ai_assisted is True
    assert stored(repository, "PR_2").markers_version == 7


def test_old_and_new_weeks_are_touched(repository):
    ingest_pull_requests(repository, [make_pull()])
    later = START + timedelta(weeks=3)
    result = ingest_pull_requests(repository, [make_pull(merged_at=later, updated_at=later)])
    assert result.weeks == {date(2026, 2, 9), date(2026, 3, 2)}


def test_weeks_are_utc():
    late_sunday = datetime.fromisoformat("2026-02-08T23:30:00-05:00")
    assert weeks_of(late_sunday, None, datetime(2026, 2, 8, 23, 59, tzinfo=UTC)) == {
        date(2026, 2, 9),
        date(2026, 2, 2),
    }


def test_the_last_of_two_records_counts(repository):
    result = ingest_pull_requests(
        repository, [make_pull(title="First"), make_pull(title="Second")]
    )
    assert (result.pull_requests, stored(repository).title) == (1, "Second")


def test_text_that_no_database_takes_is_cleaned(repository):
    bad = complete(
        title="a\x00b\ud800c",
        body="x" * 2_000_000 + "\x00",
        head_ref="h" * 1000,
        labels=("l\x00",),
        additions=-5,
        deletions=10**12,
        commits=(
            make_commit(
                author=None, author_name="n" * 1000, author_email="e" * 1000, message="\x00m"
            ),
        ),
        author=PersonData("p" * 1000),
    )
    ingest_pull_requests(repository, [bad])
    pull = stored(repository)
    assert (pull.title, len(pull.head_ref), pull.labels) == ("ab?c", 250, ["l"])
    assert "\x00" not in pull.body
    assert LONGEST - 100 < len(pull.body) <= LONGEST
    assert (pull.additions, pull.deletions) == (0, 2**31 - 1)
    assert pull.commits.get().message == "m"
    assert len(pull.author.login) == 250


def test_deleted_accounts_are_one_ghost(repository):
    batch = [
        complete("PR_1", author=None, reviews=(make_review(reviewer=None),)),
        make_pull("PR_2", author=None),
    ]
    ingest_pull_requests(repository, batch)
    ghost = people(repository)["ghost"]
    assert {stored(repository, "PR_1").author_id, stored(repository, "PR_2").author_id} == {
        ghost.pk
    }
    assert stored(repository).reviews.get().reviewer == ghost
    assert stored(repository).merged_by is None


def test_a_person_known_by_login_keeps_the_row_when_the_id_turns_up(repository):
    ingest_pull_requests(repository, [make_pull("PR_1", author=PersonData("Alice"))])
    before = people(repository)["login:alice"].pk
    ingest_pull_requests(repository, [make_pull("PR_2", author=ALICE)])
    ingest_pull_requests(repository, [make_pull("PR_3", author=PersonData("ALICE"))])
    row = people(repository)["github:101"]
    assert (row.pk, len(people(repository))) == (before, 1)
    assert row.name == "Alice"


def test_the_same_login_with_and_without_id_in_one_batch_is_one_person(repository):
    ingest_pull_requests(
        repository, [make_pull("PR_1", author=PersonData("Alice"), merged_by=ALICE)]
    )
    assert list(people(repository)) == ["github:101"]


@pytest.mark.parametrize(
    ("given", "stored"), [("", ""), (None, "Alice"), ("Alice B.", "Alice B.")]
)
def test_name_is_what_the_source_gives_now(repository, given, stored):
    ingest_pull_requests(
        repository, [make_pull("PR_1", author=PersonData("alice", "Alice", 101))]
    )
    ingest_pull_requests(
        repository, [make_pull("PR_2", author=PersonData("alice", given, 101))]
    )
    assert TeamMember.objects.for_team(repository.team_id).get(key="github:101").name == stored


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("account", "shown"),
    [("Alice B.", "Alice B."), ("", "alice from home"), (None, "alice from home")],
)
def test_name_and_login_of_an_account_come_before_those_of_commits(
    repository, account, shown, order
):
    of_account = PersonData("alice-b", account, 101)
    of_commits = PersonData("alice", "alice from home", 101, from_commits=True)
    for number, person in list(enumerate((of_account, of_commits)))[::order]:
        ingest_pull_requests(repository, [make_pull(f"PR_{number}", author=person)])
    row = TeamMember.objects.for_team(repository.team_id).get(key="github:101")
    assert row.name == shown
    assert row.login == "alice-b"


def test_people_are_renamed_and_logins_reused(repository):
    ingest_pull_requests(repository, [make_pull("PR_1", author=ALICE)])
    ingest_pull_requests(
        repository,
        [
            make_pull("PR_2", author=PersonData("alice-b", None, 101)),
            make_pull("PR_3", author=PersonData("alice", "", 999)),
        ],
    )
    rows = people(repository)
    assert (rows["github:101"].login, rows["github:999"].login) == ("alice-b", "alice")
    assert rows["github:101"].name == "Alice"


def test_bots_are_marked(repository):
    ingest_pull_requests(
        repository,
        [make_pull(author=PersonData("renovate[bot]", "", 5, is_bot=True), merged_by=ALICE)],
    )
    assert people(repository)["github:5"].is_bot
    assert not people(repository)["github:101"].is_bot


def test_repositories_and_teams_do_not_mix(repository):
    other = RepositoryFactory(full_name="other/api")
    ingest_pull_requests(repository, [complete()])
    ingest_pull_requests(other, [complete(title="Other", commits=())])
    assert stored(repository).title == "Title of PR_1"
    assert stored(repository).commits.count() == 1
    assert stored(repository).author_id != stored(other).author_id
    assert stored(other).author.team_id == other.team_id


def test_a_batch_is_as_large_as_it_is(repository):
    result = ingest_pull_requests(repository, [make_pull(f"PR_{n}") for n in range(450)])
    assert len(set(result.ids)) == result.pull_requests == 450


def test_a_rollback_leaves_nothing(repository):
    with transaction.atomic():
        ingest_pull_requests(repository, [complete()])
        transaction.set_rollback(True)
    assert not PRReview.objects.across_teams().exists()
    assert not TeamMember.objects.across_teams().exists()


def test_an_open_pull_request_is_merged_later(repository):
    ingest_pull_requests(repository, [make_pull(state=PullRequestState.OPEN, merged_at=None)])
    ingest_pull_requests(repository, [make_pull(updated_at=START + timedelta(days=1))])
    assert stored(repository).state == PullRequestState.MERGED


def numbered(external_id, number, **values):
    return complete(external_id, number=number, github_id=1000 + number, **values)


def test_exchanged_node_ids_leave_each_number_its_row(repository):
    ingest_pull_requests(repository, [numbered("PR_a", 1), numbered("PR_b", 2)])
    keys = dict(PullRequest.objects.for_team(repository.team_id).values_list("number", "pk"))
    ingest_pull_requests(repository, [numbered("PR_b", 1), numbered("PR_a", 2)])
    rows = PullRequest.objects.for_team(repository.team_id)
    assert dict(rows.values_list("number", "pk")) == keys
    assert dict(rows.values_list("number", "external_id")) == {1: "PR_b", 2: "PR_a"}


@pytest.mark.skipif(connection.vendor != "sqlite", reason="reads the plans of SQLite")
def test_no_statement_walks_through_all_pull_requests_of_a_repository(repository):
    batch = [numbered(f"PR_{number}", number) for number in range(1, 4)]
    with CaptureQueriesContext(connection) as queries:
        ingest_pull_requests(repository, batch)
        ingest_pull_requests(repository, [replace(batch[0], external_id="PR_2"), *batch[2:]])
    reads = [query["sql"] for query in queries if 'FROM "metrics_pullrequest"' in query["sql"]]
    assert len(reads) >= 4
    with connection.cursor() as cursor:
        for read in reads:
            cursor.execute(f"EXPLAIN QUERY PLAN {read}")
            plan = " ".join(row[-1] for row in cursor.fetchall())
            assert "(repository_id=?)" not in plan, read
            assert "SCAN" not in plan, read


def test_number_with_the_node_id_of_another_one_gets_a_row_of_its_own(repository):
    ingest_pull_requests(repository, [numbered("PR_a", 1, title="First")])
    ingest_pull_requests(repository, [numbered("PR_a", 2, title="Second")])
    rows = PullRequest.objects.for_team(repository.team_id)
    assert dict(rows.values_list("number", "title")) == {1: "First", 2: "Second"}
    # Its own comes with the next page of the list.
    ingest_pull_requests(repository, [numbered("PR_c", 1, title="First")])
    assert dict(rows.values_list("number", "external_id")) == {1: "PR_c", 2: "PR_a"}
