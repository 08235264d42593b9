"""GitHub's nodes as records: what GitHub means, and a named refusal of what it cannot
mean.
"""

import copy
import random
from datetime import UTC, datetime

import pytest

from apps.integrations.sources.github import translate
from apps.integrations.sources.github.fields import Malformed
from apps.metrics.records import PersonData, PullRequestState, ReviewState
from benchmarks import ingest

DONE = {"hasNextPage": False, "endCursor": None}
NODE = {
    "__typename": "PullRequest",
    "id": "PR_1",
    "fullDatabaseId": "7500000000",
    "number": 12,
    "title": "Add <b>it</b>",
    "url": "https://github.com/o/r/pull/12",
    "state": "MERGED",
    "isDraft": False,
    "createdAt": "2026-01-02T03:04:05Z",
    "updatedAt": "2026-01-03T03:04:05Z",
    "mergedAt": "2026-01-03T03:04:05Z",
    "closedAt": "2026-01-03T03:04:05Z",
    "additions": 5,
    "deletions": 1,
    "changedFiles": 2,
    "baseRefName": "main",
    "headRefName": "topic",
    "isCrossRepository": False,
    "author": {"__typename": "User", "login": "ada", "databaseId": 1, "name": "Ada"},
    "labels": {"nodes": [{"name": "bug"}]},
    "body": "Why",
    "mergedBy": None,
    "mergeCommit": {"oid": "c0ffee"},
    "commits": {
        "pageInfo": DONE,
        "nodes": [
            {
                "commit": {
                    "oid": "abc",
                    "message": "Do",
                    "authoredDate": "2026-01-02T03:00:00+02:00",
                    "committedDate": "2026-01-02T03:00:00Z",
                    "author": {
                        "name": "claude",
                        "email": "noreply@anthropic.com",
                        "user": None,
                    },
                }
            }
        ],
    },
    "reviews": {
        "pageInfo": {"hasNextPage": True, "endCursor": "x"},
        "nodes": [
            {
                "id": "R",
                "state": "CHANGES_REQUESTED",
                "submittedAt": "2026-01-02T05:00:00Z",
                "author": None,
            }
        ],
    },
}


def node(**changes):
    return copy.deepcopy(NODE) | changes


def test_a_whole_pull_request():
    found = translate.detail(node())
    record = found.record
    assert (record.external_id, record.github_id, record.number) == ("PR_1", 7500000000, 12)
    assert record.state is PullRequestState.MERGED
    assert record.created_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert record.author == PersonData("ada", "Ada", 1)
    assert record.merged_by is None
    assert record.labels == ("bug",)
    assert record.merge_commit_oid == "c0ffee"
    (commit,) = record.commits
    assert commit.author is None
    assert (commit.author_name, commit.author_email) == ("claude", "noreply@anthropic.com")
    assert commit.authored_at == datetime(2026, 1, 2, 1, tzinfo=UTC)
    (review,) = record.reviews
    assert (review.state, review.reviewer) == (ReviewState.CHANGES_REQUESTED, None)
    assert (found.commits_end.has_next, found.reviews_end.cursor) == (False, "x")


@pytest.mark.parametrize(
    ("actor", "login", "is_bot"),
    [
        (
            {"__typename": "Bot", "login": "dependabot", "databaseId": 49699333},
            "dependabot[bot]",
            True,
        ),
        ({"__typename": "Bot", "login": "x[bot]", "databaseId": 2}, "x[bot]", True),
        (
            {"__typename": "User", "login": "abbot", "databaseId": 3, "name": None},
            "abbot",
            False,
        ),
        ({"__typename": "EnterpriseUserAccount", "login": "emu"}, "emu", False),
        ({"__typename": "Mannequin", "login": "imported", "databaseId": 4}, "imported", False),
    ],
)
def test_actors(actor, login, is_bot):
    author = translate.skeleton(node(author=actor)).author
    assert (author.login, author.is_bot, author.github_id) == (
        login,
        is_bot,
        actor.get("databaseId"),
    )


def test_a_skeleton_says_nothing_of_commits_and_reviews():
    record = translate.skeleton(node())
    assert record.commits is None
    assert record.reviews is None


def test_deleted_accounts_and_missing_labels_are_no_errors():
    record = translate.skeleton(node(author=None, labels=None, fullDatabaseId=None))
    assert (record.author, record.labels, record.github_id) == (None, (), None)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"id": None}, "id should be a text, found nothing"),
        ({"number": "12"}, "number should be a number"),
        ({"number": True}, "number should be a number"),
        ({"createdAt": "2026-13-01T00:00:00Z"}, "createdAt should be a time"),
        ({"createdAt": "2026-01-01T00:00:00"}, "createdAt should be a time with its zone"),
        ({"createdAt": 5}, "createdAt should be a time"),
        ({"state": "DELETED"}, "state should be OPEN, CLOSED or MERGED"),
        ({"mergedAt": None}, "mergedAt should be a time"),
        ({"isDraft": None}, "isDraft should be true or false"),
        ({"additions": 2**40}, "additions should be a number"),
        ({"fullDatabaseId": "x"}, "fullDatabaseId should be a number"),
        ({"labels": {"nodes": [None]}}, r"nodes\[0\] should be an object"),
        ({"commits": None}, "commits should be an object"),
        ({"commits": {"nodes": [], "pageInfo": None}}, "pageInfo should be an object"),
        (
            {"commits": {"nodes": [], "pageInfo": {"hasNextPage": True, "endCursor": None}}},
            "endCursor should be a text",
        ),
        (
            {"reviews": {"nodes": [{"id": "R", "state": "SHRUGGED"}], "pageInfo": DONE}},
            "none of GitHub's",
        ),
        ({"__typename": "Issue"}, "no pull request"),
    ],
)
def test_what_cannot_be_is_refused_by_name(changes, words):
    with pytest.raises(Malformed, match=words):
        translate.detail(node(**changes))


def test_answers_of_the_benchmark_have_what_is_read_today():
    record = translate.detail(ingest.node(7, random.Random(1))).record
    assert (record.number, len(record.commits), len(record.reviews)) == (8, 3, 2)
