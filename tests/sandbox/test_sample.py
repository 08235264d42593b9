"""The sample folder comes back whole and unchanged through GitHub's own schema."""

import json

import pytest

from tests.sandbox.conftest import SAMPLE, duplicates
from tests.sandbox.server import start_sandbox

PAGE = """
query Page($owner: String!, $name: String!, $first: Int!, $after: String) {
  repository(owner: $owner, name: $name) {
    pullRequests(first: $first, after: $after, orderBy: {field: CREATED_AT, direction: DESC}) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes {
        id databaseId url number title body state isDraft createdAt updatedAt mergedAt closedAt
        additions deletions changedFiles baseRefName headRefName
        author { __typename login }
        mergedBy { login }
        mergeCommit { oid }
        labels(first: 10) { nodes { name } }
        commits(first: 5) { totalCount pageInfo { hasNextPage endCursor } nodes { ...commit } }
        reviews(first: 1) { totalCount pageInfo { hasNextPage endCursor } nodes { ...review } }
      }
    }
  }
}
fragment commit on PullRequestCommit {
  commit { oid message authoredDate committedDate additions deletions changedFilesIfAvailable
           author { name email user { login databaseId } } }
}
fragment review on PullRequestReview { id state submittedAt author { __typename login } }
"""
MORE = """
query More($id: ID!, $commits: String, $reviews: String) {
  node(id: $id) { ... on PullRequest {
    commits(first: 5, after: $commits) { pageInfo { hasNextPage endCursor } nodes { ...commit } }
    reviews(first: 1, after: $reviews) { pageInfo { hasNextPage endCursor } nodes { ...review } }
  } }
}
""" + PAGE[PAGE.index("fragment commit") :]

SCALARS = [
    "number",
    "title",
    "body",
    "state",
    "isDraft",
    "createdAt",
    "updatedAt",
    "mergedAt",
    "closedAt",
    "additions",
    "deletions",
    "changedFiles",
    "baseRefName",
]


def whole(client, node):
    """The node with its inner pages filled up."""
    for name in ("commits", "reviews"):
        page = node[name]["pageInfo"]
        while page["hasNextPage"]:
            inner = client.data(MORE, id=node["id"], **{name: page["endCursor"]})["node"][name]
            node[name]["nodes"] += inner["nodes"]
            page = inner["pageInfo"]
    return node


def login(actor):
    return actor and actor["login"] + ("[bot]" if actor["__typename"] == "Bot" else "")


def as_recorded(node):
    """The served pull request in the words of the file."""
    return {
        **{name: node[name] for name in SCALARS},
        "author": login(node["author"]),
        "mergedBy": node["mergedBy"],
        "mergeCommit": node["mergeCommit"],
        "labels": [label["name"] for label in node["labels"]["nodes"]],
        "commitsTotalCount": node["commits"]["totalCount"],
        "commits": [
            {
                **{
                    key: commit[key]
                    for key in (
                        "oid",
                        "message",
                        "authoredDate",
                        "committedDate",
                        "additions",
                        "deletions",
                    )
                },
                "changedFiles": commit["changedFilesIfAvailable"],
                # GitHub has no user for a bot's commit; its name stands.
                "author": (commit["author"]["user"] or {"login": commit["author"]["name"]})[
                    "login"
                ],
            }
            for commit in (edge["commit"] for edge in node["commits"]["nodes"])
        ],
        "reviews": [
            {
                "author": login(review["author"]),
                "state": review["state"],
                "submittedAt": review["submittedAt"],
            }
            for review in node["reviews"]["nodes"]
        ],
    }


def expected(raw):
    # Copilot's coding agent is `Copilot` in git and over REST, and the Bot
    # `copilot-swe-agent` over GraphQL; an agent that the file calls a bot without the
    # ending is a Bot all the same.
    author = raw["author"]["login"]
    if raw["author"]["isBot"] and not author.endswith("[bot]"):
        author = {"Copilot": "copilot-swe-agent"}.get(author, author) + "[bot]"
    return {
        **{name: raw[name] for name in SCALARS},
        "author": author,
        "mergedBy": raw["mergedBy"],
        "mergeCommit": raw["mergeCommit"],
        "labels": raw["labels"],
        "commitsTotalCount": raw["commitsTotalCount"],
        "commits": [
            {**commit, "author": commit["author"]["login"]} for commit in raw["commits"]
        ],
        "reviews": [
            {
                "author": review["author"]["login"],
                "state": review["state"],
                "submittedAt": review["submittedAt"],
            }
            for review in raw["reviews"]
        ],
    }


@pytest.mark.skipif(
    not SAMPLE.is_dir(), reason="the sample of real pull requests is not beside the project"
)
def test_the_whole_sample_comes_back_unchanged(connect):
    served = {}
    with start_sandbox(SAMPLE) as url:
        client = connect(url)
        for path in SAMPLE.glob("*__*.jsonl"):
            owner, name = path.stem.split("__")
            records = [
                json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()
            ]
            pages = client.pages(
                PAGE, ("repository", "pullRequests"), first=25, owner=owner, name=name
            )
            nodes = [whole(client, node) for node in pages]
            assert [node["createdAt"] for node in nodes] == sorted(
                (r["createdAt"] for r in records), reverse=True
            )
            assert {node["number"]: as_recorded(node) for node in nodes} == {
                r["number"]: expected(r) for r in records
            }
            assert {node["headRefName"] for node in nodes} == {
                record["headRefName"] or f"pr-{record['number']}" for record in records
            }
            served |= {node["id"]: node for node in nodes}
    assert len(served) == 596
    assert duplicates(node["databaseId"] for node in served.values()) == []
    assert (
        duplicates(
            review["id"] for node in served.values() for review in node["reviews"]["nodes"]
        )
        == []
    )
