"""What the sandbox serves, as plain frozen records.

Attributes are GitHub's field names in snake case: `resolvers` connects every field of
the schema with the attribute of its name. Times are GitHub's own strings
(`2026-02-03T10:20:30Z`), which sort as text and need no formatting.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from . import identity

WEB = "https://github.com"


@dataclass(frozen=True)
class Actor:
    """An account. `login` is in GraphQL's form, without `[bot]`."""

    login: str
    typename: str = "User"
    name: str | None = None
    email: str = ""
    created_at: str = "2019-03-01T09:00:00Z"
    # The text that its ids are derived from, if that is not its login.
    key: str = ""
    prefixes: ClassVar[dict[str, str]] = {
        "User": "U",
        "Bot": "BOT",
        "Mannequin": "M",
        "Organization": "O",
    }

    @cached_property
    def database_id(self) -> int:
        return identity.account_id(self.key or self.login, is_bot=self.typename == "Bot")

    @cached_property
    def id(self) -> str:
        return identity.node_id(self.prefixes[self.typename], (self.key or self.login).lower())

    @property
    def resource_path(self) -> str:
        return f"/apps/{self.login}" if self.typename == "Bot" else f"/{self.login}"

    @property
    def url(self) -> str:
        return f"{WEB}{self.resource_path}"

    @property
    def avatar_url(self) -> str:
        return f"https://avatars.githubusercontent.com/u/{self.database_id}?v=4"


@dataclass(frozen=True)
class GitActor:
    """The author of a commit according to git.

    `user` is None if no person's account matches, as for bots.
    """

    name: str
    email: str
    date: str
    user: Actor | None = None


@dataclass(frozen=True)
class Commit:
    oid: str
    message: str
    authored_date: str
    committed_date: str
    author: GitActor | None
    additions: int = 0
    deletions: int = 0
    changed_files: int = 0
    repository_name: str = ""
    typename: ClassVar[str] = "Commit"

    @cached_property
    def id(self) -> str:
        return identity.node_id("C", f"{self.repository_name}@{self.oid}")

    @property
    def committer(self) -> GitActor | None:
        return self.author

    @property
    def message_headline(self) -> str:
        return self.message.split("\n", 1)[0]

    @property
    def message_body(self) -> str:
        return self.message.partition("\n")[2].lstrip("\n")

    @property
    def abbreviated_oid(self) -> str:
        return self.oid[:7]

    @property
    def changed_files_if_available(self) -> int:
        return self.changed_files

    @property
    def url(self) -> str:
        return f"{WEB}/{self.repository_name}/commit/{self.oid}"


@dataclass(frozen=True)
class Review:
    id: str
    author: Actor | None
    state: str
    submitted_at: str | None
    body: str = ""
    url: str = ""
    typename: ClassVar[str] = "PullRequestReview"

    @cached_property
    def database_id(self) -> int:
        return identity.number(self.id)

    @property
    def full_database_id(self) -> str:
        return str(self.database_id)

    @property
    def created_at(self) -> str | None:
        return self.submitted_at

    @property
    def updated_at(self) -> str | None:
        return self.submitted_at


@dataclass(frozen=True)
class Label:
    name: str
    color: str = "ededed"
    typename: ClassVar[str] = "Label"

    @cached_property
    def id(self) -> str:
        return identity.node_id("LA", self.name)


@dataclass(frozen=True)
class TimelineEvent:
    """One item of a pull request's timeline; `typename` like `ReadyForReviewEvent`."""

    typename: str
    created_at: str
    actor: Actor | None
    id: str


@dataclass(frozen=True)
class ReviewThread:
    id: str
    is_resolved: bool = True
    is_outdated: bool = False
    typename: ClassVar[str] = "PullRequestReviewThread"


@dataclass(frozen=True)
class ChangedFile:
    path: str
    additions: int
    deletions: int
    change_type: str = "MODIFIED"


@dataclass(frozen=True)
class Ref:
    name: str
    prefix: str = "refs/heads/"


@dataclass(frozen=True)
class PullRequest:
    repository_name: str
    number: int
    title: str
    state: str
    created_at: str
    updated_at: str
    body: str = ""
    is_draft: bool = False
    merged_at: str | None = None
    closed_at: str | None = None
    additions: int = 0
    deletions: int = 0
    changed_files: int = 0
    author: Actor | None = None
    merged_by: Actor | None = None
    merge_commit: Commit | None = None
    base_ref_name: str = "main"
    head_ref_name: str = ""
    is_cross_repository: bool = False
    labels: tuple[Label, ...] = ()
    commits: tuple[Commit, ...] = ()
    reviews: tuple[Review, ...] = ()
    timeline: tuple[TimelineEvent, ...] = ()
    files: tuple[ChangedFile, ...] = ()
    review_threads: int = 0
    total_comments_count: int = 0
    # The text that its ids are derived from, if that is not the repository's name.
    origin: str = ""
    typename: ClassVar[str] = "PullRequest"

    @cached_property
    def id(self) -> str:
        return identity.node_id(
            "PR", f"{(self.origin or self.repository_name).lower()}#{self.number}"
        )

    @cached_property
    def database_id(self) -> int:
        # Ids of different repositories never collide: each repository has room for
        # 100,000 numbers, below 2**31.
        return (
            identity.number(f"pulls:{(self.origin or self.repository_name).lower()}", 20_000)
            * 100_000
            + self.number
        )

    @property
    def full_database_id(self) -> str:
        # GitHub's BigInt is sent as text.
        return str(self.database_id)

    @property
    def merged(self) -> bool:
        return self.merged_at is not None

    @property
    def closed(self) -> bool:
        return self.closed_at is not None

    @property
    def published_at(self) -> str:
        return self.created_at

    @property
    def body_text(self) -> str:
        return self.body

    @property
    def resource_path(self) -> str:
        return f"/{self.repository_name}/pull/{self.number}"

    @property
    def url(self) -> str:
        return f"{WEB}{self.resource_path}"

    @property
    def permalink(self) -> str:
        return self.url

    @property
    def head_ref_oid(self) -> str:
        return self.commits[-1].oid if self.commits else identity.oid(self.id)

    @property
    def review_decision(self) -> str | None:
        """Return the decision that follows from the newest opinion of each reviewer."""
        opinions = {
            r.author: r.state
            for r in self.reviews
            if r.state in ("APPROVED", "CHANGES_REQUESTED")
        }
        if "CHANGES_REQUESTED" in opinions.values():
            return "CHANGES_REQUESTED"
        return "APPROVED" if opinions else None


@dataclass(frozen=True)
class PullRequestCommit:
    pull_request: PullRequest
    commit: Commit
    typename: ClassVar[str] = "PullRequestCommit"

    @property
    def id(self) -> str:
        return identity.node_id("PURC", f"{self.pull_request.id}:{self.commit.oid}")

    @property
    def url(self) -> str:
        return f"{self.pull_request.url}/commits/{self.commit.oid}"


@dataclass(frozen=True)
class RateLimit:
    limit: int
    cost: int
    remaining: int
    used: int
    reset_at: str
    node_count: int
