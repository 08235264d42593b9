"""What a source says about a pull request, before it meets the database.

Every source (GitHub's GraphQL, a git clone, a webhook) is translated into these
records, and one function, `apps.metrics.ingest.writer.ingest_pull_requests`, writes
them. They carry no database identity and no team.

All datetimes are aware. Sizes are lines. `None` means "the source did not say", never
zero.
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
    """One actor.

    `github_id` is GitHub's numeric id, the key of a person where there is one; without
    it `login` is the key. `login` ends in `[bot]` for actors that GitHub calls Bot
    (GraphQL leaves the suffix out; the source adds it). `name` is None if the source
    doesn't give it here, and empty if the person has none. With `from_commits` login
    and name are those of commits in a clone, which may be old: an account's own come
    before them.
    """

    login: str
    name: str | None = None
    github_id: int | None = None
    is_bot: bool = False
    from_commits: bool = False


@dataclass(frozen=True, slots=True)
class CommitData:
    """One commit of a pull request.

    `author` is None where the source knows no account, `author_name` still stands.
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
    """One pull request or direct commit.

    `external_id` is unique within its repository: GitHub's node id, or `git:<oid>` of
    the merge, squash or trunk commit. `number` and `github_id` (GitHub's numeric
    database id) are two things. `author` None is a deleted account (ghost). `commits`
    and `reviews` are None where they were not asked for; an empty tuple says that there
    are none.
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
