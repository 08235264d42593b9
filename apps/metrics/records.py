"""Define the records that a source returns about a pull request, before they are
stored.

Every source (GitHub's GraphQL, a git clone, a webhook) is translated into these
records, and one function, `apps.metrics.ingest.writer.ingest_pull_requests`, writes
them. They carry no database identity and no team.

All datetimes are aware. Sizes are in lines. `None` means that the source does not know,
never zero.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class PullRequestState(StrEnum):
    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"


class ChangeKind(StrEnum):
    """A pull request, a direct commit (`change`), or a merge of one long-lived branch
    into another.

    A direct commit reached the trunk without a pull request, and is in no figure of
    pull requests. A release counts as a pull request, but what it brings was counted
    before: it has no size and no duration.
    """

    PULL_REQUEST = "pull_request"
    CHANGE = "change"
    RELEASE = "release"


class ReviewState(StrEnum):
    APPROVED = "approved"
    CHANGES_REQUESTED = "changes_requested"
    COMMENTED = "commented"
    DISMISSED = "dismissed"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class PersonData:
    """Hold one actor.

    Attributes:
        login: ends in `[bot]` if GitHub calls the actor a Bot. GraphQL leaves the
            suffix out, so the source adds it.
        name: None if the source doesn't give it here; empty if the person has none.
        github_id: GitHub's numeric id, the key of a person. Without it `login` is
            the key.
        from_commits: whether login and name are from commits in a clone. They may be
            old, so those of an account win over them.
    """

    login: str
    name: str | None = None
    github_id: int | None = None
    is_bot: bool = False
    from_commits: bool = False


@dataclass(frozen=True, slots=True)
class CommitData:
    """Hold one commit of a pull request.

    `author` is None if the source knows no account; `author_name` is given in any case.
    """

    oid: str
    message: str
    authored_at: datetime
    committed_at: datetime
    author: PersonData | None = None
    author_name: str = ""
    author_email: str = ""
    additions: int | None = None
    deletions: int | None = None


@dataclass(frozen=True, slots=True)
class ReviewData:
    """One submitted review.

    `external_id` is unique within its pull request. `reviewer` is None for deleted
    accounts.
    """

    external_id: str
    state: ReviewState
    submitted_at: datetime | None
    reviewer: PersonData | None = None


@dataclass(frozen=True, slots=True)
class PullRequestData:
    """Hold one pull request or direct commit.

    Attributes:
        external_id: unique within its repository: GitHub's node id, or `git:<oid>` of
            the merge, squash, or trunk commit.
        number: the number in the address; not `github_id`.
        github_id: GitHub's numeric database id.
        author: None for a deleted account (the ghost).
        commits, reviews: None if they were not requested; an empty tuple if there are
            none.
    """

    external_id: str
    title: str
    state: PullRequestState
    created_at: datetime
    updated_at: datetime
    number: int | None = None
    github_id: int | None = None
    kind: ChangeKind = ChangeKind.PULL_REQUEST
    body: str = ""
    is_draft: bool = False
    author: PersonData | None = None
    merged_by: PersonData | None = None
    merged_at: datetime | None = None
    closed_at: datetime | None = None
    additions: int = 0
    deletions: int = 0
    changed_files: int = 0
    base_ref: str = ""
    head_ref: str = ""
    merge_commit_oid: str = ""
    url: str = ""
    labels: tuple[str, ...] = ()
    # Whether there are more labels than those of `labels`.
    has_more_labels: bool = False
    commits: tuple[CommitData, ...] | None = None
    reviews: tuple[ReviewData, ...] | None = None
    # False if `created_at` is a guess, so that no duration can be computed from it.
    opening_known: bool = True
    # Changed lines of generated and vendored files, which are not in `additions` and
    # `deletions`.
    lines_left_out: int = 0
    # Changes whenever the record does; empty if the source has no such text.
    digest: str = ""
