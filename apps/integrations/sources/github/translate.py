"""Translate GitHub's nodes into `apps.metrics.records`, strictly: a record has
everything that it needs, or `Malformed` names the field.

GraphQL leaves `[bot]` out of a Bot's login; it is added here. A null author is a
deleted account. A commit whose author has no account keeps the name and address that
git recorded. Bodies and messages are kept whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.integrations.sources.branches import is_long_lived
from apps.integrations.sources.github import fields
from apps.integrations.sources.github.fields import Malformed
from apps.metrics.records import (
    ChangeKind,
    CommitData,
    PersonData,
    PullRequestData,
    PullRequestState,
    ReviewData,
    ReviewState,
)

Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PageEnd:
    """The cursor of a connection's next page, and whether there is one."""

    has_next: bool
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Detail:
    """A pull request with the first pages of its commits and reviews, and the end of
    each page.
    """

    record: PullRequestData
    commits_end: PageEnd
    reviews_end: PageEnd


def name_of(node: object, position: int) -> str:
    """Return the name that users see for a node that could not be read: its number if
    it has one.
    """
    number = node.get("number") if isinstance(node, dict) else None
    is_number = isinstance(number, int) and not isinstance(number, bool)
    return (
        f"#{str(number)[:20]}"
        if is_number
        else f"the pull request at position {position + 1} of its page"
    )


def page_end(connection: Node) -> PageEnd:
    info = fields.mapping(connection, "pageInfo")
    has_next = fields.flag(info, "hasNextPage")
    cursor = fields.text(info, "endCursor", required=has_next)
    return PageEnd(has_next, cursor or None)


def person(node: Node, name: str) -> PersonData | None:
    """Return the person behind an actor; None for a deleted account."""
    actor = fields.optional_mapping(node, name)
    if actor is None:
        return None
    login, is_bot = fields.text(actor, "login"), actor.get("__typename") == "Bot"
    if is_bot and not login.endswith("[bot]"):
        login += "[bot]"
    return PersonData(
        login=login,
        # The queries ask for the names of people only.
        name=fields.text(actor, "name", required=False) if "name" in actor else None,
        github_id=fields.big_number(actor, "databaseId"),
        is_bot=is_bot,
    )


def skeleton(node: Node) -> PullRequestData:
    """Return what the list pass reads: numbers, times, and sizes, without body,
    commits, and reviews.
    """
    scalars = _scalars(node)
    return PullRequestData(
        **scalars, has_more_labels=_label_count(node) > len(scalars["labels"])
    )


def detail(node: Node) -> Detail:
    """Return everything of a pull request, with the first pages of its commits and
    reviews.
    """
    if node.get("__typename") != "PullRequest":
        raise Malformed("it is no pull request")
    commit_page, review_page = fields.mapping(node, "commits"), fields.mapping(node, "reviews")
    merge_commit = fields.optional_mapping(node, "mergeCommit")
    record = PullRequestData(
        **_scalars(node),
        body=fields.text(node, "body", required=False),
        merged_by=person(node, "mergedBy"),
        merge_commit_oid=fields.text(merge_commit, "oid") if merge_commit else "",
        commits=commits(commit_page),
        reviews=reviews(review_page),
    )
    return Detail(record, page_end(commit_page), page_end(review_page))


def kind_of(base: str, head: str, *, is_cross: bool) -> ChangeKind:
    """Return `RELEASE` for a pull request of a long-lived branch of the repository: its
    changes were counted before.

    Args:
        base: the branch that it is merged into.
        head: the branch that it merges.
        is_cross: the head is a branch of another repository; its `main` may be a
            contributor's work.
    """
    if not is_cross and head != base and is_long_lived(head):
        return ChangeKind.RELEASE
    return ChangeKind.PULL_REQUEST


def commits(connection: Node) -> tuple[CommitData, ...]:
    return tuple(
        _commit(fields.mapping(node, "commit")) for node in fields.objects(connection, "nodes")
    )


def reviews(connection: Node) -> tuple[ReviewData, ...]:
    return tuple(_review(node) for node in fields.objects(connection, "nodes"))


def _scalars(node: Node) -> dict[str, Any]:
    state = _state(node)
    merged_at = fields.optional_moment(node, "mergedAt")
    if state is PullRequestState.MERGED and merged_at is None:
        raise Malformed("mergedAt should be a time, found nothing", "mergedAt")
    base = fields.text(node, "baseRefName", required=False)
    head = fields.text(node, "headRefName", required=False)
    return {
        "external_id": fields.text(node, "id"),
        "kind": kind_of(base, head, is_cross=fields.flag(node, "isCrossRepository")),
        "github_id": fields.big_number(node, "fullDatabaseId"),
        "number": fields.count(node, "number"),
        # GitHub requires a title, but old pull requests may have none.
        "title": fields.text(node, "title", required=False),
        "url": fields.text(node, "url", required=False),
        "state": state,
        "is_draft": fields.flag(node, "isDraft"),
        "created_at": fields.moment(node, "createdAt"),
        "updated_at": fields.moment(node, "updatedAt"),
        "merged_at": merged_at,
        "closed_at": fields.optional_moment(node, "closedAt"),
        "additions": fields.count(node, "additions"),
        "deletions": fields.count(node, "deletions"),
        "changed_files": fields.count(node, "changedFiles"),
        "base_ref": base,
        "head_ref": head,
        "author": person(node, "author"),
        "labels": _labels(node),
    }


def _state(node: Node) -> PullRequestState:
    value = fields.text(node, "state")
    try:
        return PullRequestState(value.lower())
    except ValueError:
        raise Malformed(
            f"state should be OPEN, CLOSED or MERGED, found {value[:40]!r}", "state"
        ) from None


def _labels(node: Node) -> tuple[str, ...]:
    # The connection itself is nullable in GitHub's schema.
    connection = fields.optional_mapping(node, "labels")
    if connection is None:
        return ()
    return tuple(fields.text(label, "name") for label in fields.objects(connection, "nodes"))


def _label_count(node: Node) -> int:
    connection = fields.optional_mapping(node, "labels")
    if connection is None or "totalCount" not in connection:
        return 0
    return fields.count(connection, "totalCount")


def _commit(node: Node) -> CommitData:
    actor = fields.optional_mapping(node, "author") or {}
    user = fields.optional_mapping(actor, "user")
    author = None
    if user is not None:
        author = PersonData(
            login=fields.text(user, "login"),
            name=fields.text(user, "name", required=False),
            github_id=fields.big_number(user, "databaseId"),
        )
    return CommitData(
        oid=fields.text(node, "oid"),
        message=fields.text(node, "message", required=False),
        authored_at=fields.moment(node, "authoredDate"),
        committed_at=fields.moment(node, "committedDate"),
        author=author,
        author_name=fields.text(actor, "name", required=False),
        author_email=fields.text(actor, "email", required=False),
    )


def _review(node: Node) -> ReviewData:
    value = fields.text(node, "state")
    try:
        state = ReviewState(value.lower())
    except ValueError:
        raise Malformed(
            f"a review's state is {value[:40]!r}, which is none of GitHub's"
        ) from None
    return ReviewData(
        external_id=fields.text(node, "id"),
        state=state,
        submitted_at=fields.optional_moment(node, "submittedAt"),
        reviewer=person(node, "author"),
    )
