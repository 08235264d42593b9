"""Everything that one sandbox serves: accounts, repositories, pull requests.

`files` and `organization` make one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

from . import identity
from .paging import Listing
from .records import WEB, Actor, PullRequest, Review

_SORT_ATTRIBUTES = {"CREATED_AT": "created_at", "UPDATED_AT": "updated_at"}


@dataclass(eq=False)
class Repository:
    """A repository and its pull requests by number. Attributes are GitHub's field names
    in snake case.

    A repository without pull requests counts as empty.
    """

    name_with_owner: str
    owner: Actor
    pull_requests: dict[int, PullRequest] = field(default_factory=dict)
    description: str | None = None
    is_private: bool = False
    is_archived: bool = False
    is_fork: bool = False
    default_branch: str = "main"
    language: str | None = None
    created_at: str = "2020-01-15T09:00:00Z"
    stargazer_count: int = 0
    fork_count: int = 0
    # The text that its ids are derived from, if that is not its first name.
    key: str = ""
    typename: ClassVar[str] = "Repository"
    is_disabled: ClassVar[bool] = False
    is_locked: ClassVar[bool] = False
    is_mirror: ClassVar[bool] = False
    is_template: ClassVar[bool] = False
    viewer_permission: ClassVar[str] = "READ"

    def __post_init__(self) -> None:
        self._as_loaded = dict(self.pull_requests)
        self._name_as_loaded = self.name_with_owner
        # Compute the ids now, so that they stay the same after a new name.
        _ = self.id, self.database_id
        self._listings: dict[tuple[object, ...], Listing] = {}

    @cached_property
    def id(self) -> str:
        return identity.node_id("R", self.key or self.name_with_owner.lower())

    @cached_property
    def database_id(self) -> int:
        return identity.number(
            f"repository:{self.key or self.name_with_owner.lower()}", 900_000_000
        )

    @property
    def name(self) -> str:
        return self.name_with_owner.partition("/")[2]

    @property
    def url(self) -> str:
        return f"{WEB}/{self.name_with_owner}"

    @property
    def resource_path(self) -> str:
        return f"/{self.name_with_owner}"

    @property
    def visibility(self) -> str:
        return "PRIVATE" if self.is_private else "PUBLIC"

    @property
    def is_in_organization(self) -> bool:
        return self.owner.typename == "Organization"

    @property
    def pushed_at(self) -> str | None:
        return max((pr.updated_at for pr in self.pull_requests.values()), default=None)

    @property
    def updated_at(self) -> str:
        return self.pushed_at or self.created_at

    @property
    def is_empty(self) -> bool:
        return not self.pull_requests

    def put(self, pull_request: PullRequest) -> None:
        """Add the pull request, or replace the one with its number."""
        self.pull_requests[pull_request.number] = pull_request
        self._listings.clear()

    def remove(self, number: int) -> None:
        """Remove a pull request."""
        del self.pull_requests[number]
        self._listings.clear()

    def restore(self) -> None:
        """Undo every `put` and every new name."""
        self.pull_requests = dict(self._as_loaded)
        self.name_with_owner = self._name_as_loaded
        self._listings.clear()

    def listing(
        self,
        order: str = "CREATED_AT",
        descending: bool = False,
        states: frozenset[str] = frozenset(),
        base: str | None = None,
        head: str | None = None,
        labels: frozenset[str] = frozenset(),
    ) -> Listing:
        """Return the pull requests by `order`, with ascending keys of (time, number).
        The result is cached until a pull request changes.
        """
        query = (order, descending, states, base, head, labels)
        if query not in self._listings:
            attribute = _SORT_ATTRIBUTES.get(order, "created_at")
            chosen = [
                ((getattr(pr, attribute), pr.number), pr)
                for pr in self.pull_requests.values()
                if (not states or pr.state in states)
                and (base is None or pr.base_ref_name == base)
                and (head is None or pr.head_ref_name == head)
                and (not labels or labels & {label.name for label in pr.labels})
            ]
            chosen.sort(key=lambda pair: pair[0])
            keys, items = [key for key, _ in chosen], [pr for _, pr in chosen]
            self._listings[query] = Listing(items, keys, descending)
        return self._listings[query]


class World:
    """Everything that is served. `viewer` is the account of every token; `accounts` are
    people and bots by login.
    """

    def __init__(
        self, viewer: Actor, repositories: Iterable[Repository], accounts: Iterable[Actor] = ()
    ) -> None:
        self.viewer = viewer
        self.repositories = {
            repository.name_with_owner.lower(): repository for repository in repositories
        }
        known = [
            viewer,
            *accounts,
            *(repository.owner for repository in self.repositories.values()),
        ]
        self.accounts = {account.login.lower(): account for account in known}
        self._former: dict[str, Repository] = {}
        self._as_loaded = dict(self.repositories), dict(self.accounts)
        self._begin()
        self._index()

    def _begin(self) -> None:
        # Accounts, by login, whose ids are derived from another text than their login.
        self.renamed: dict[str, Actor] = {}
        self.has_legacy_ids = False
        self.generation = 1

    def repository(self, owner: str, name: str) -> Repository | None:
        full_name = f"{owner}/{name}".lower()
        return self.repositories.get(full_name) or self._former.get(full_name)

    def named(self, full_name: str) -> Repository:
        """Return a repository by its present or a former name. Raises KeyError."""
        found = self.repository(*full_name.split("/", 1))
        if found is None:
            raise KeyError(full_name)
        return found

    def rename(self, old: str, new: str) -> None:
        """Give a repository another name. The former one stays valid, too."""
        repository = self.named(old)
        self._former[repository.name_with_owner.lower()] = repository
        del self.repositories[repository.name_with_owner.lower()]
        repository.name_with_owner = new
        self.repositories[new.lower()] = repository

    def owned_by(self, login: str) -> list[Repository]:
        return [r for r in self.repositories.values() if r.owner.login.lower() == login.lower()]

    def account(self, login: str) -> Actor | None:
        return self.accounts.get(login.lower())

    def organizations(self) -> list[Actor]:
        return [
            account for account in self.accounts.values() if account.typename == "Organization"
        ]

    def node(self, node_id: str) -> object | None:
        """Return a repository, pull request, or account by its node id."""
        return self._nodes.get(node_id)

    def shown_id(self, of: "Repository | PullRequest | Review") -> str:
        """Return a node id in the present format. `node` finds an object by either
        format.
        """
        return identity.legacy_id(of.typename, of.database_id) if self.has_legacy_ids else of.id

    def home_of(self, pull_request: PullRequest) -> Repository:
        """Return the repository of a pull request, whatever its present name is."""
        return self._homes[pull_request.id]

    def put(self, pull_request: PullRequest) -> None:
        """Add or replace a pull request of a repository that is served."""
        repository = self.named(pull_request.repository_name)
        # Ids are derived from the repository's first name.
        origin = next(
            (
                known.origin or known.repository_name
                for known in repository.pull_requests.values()
            ),
            "",
        )
        self.put_in(repository, replace(pull_request, origin=repository.key or origin))

    def put_in(self, repository: Repository, pull_request: PullRequest) -> None:
        """Add or replace a pull request of this repository."""
        repository.put(pull_request)
        self._learn(repository, pull_request)

    def remove(self, repository: Repository, number: int) -> None:
        """Remove a pull request from its list and from the nodes."""
        pull_request = repository.pull_requests[number]
        repository.remove(number)
        for address in (
            pull_request.id,
            identity.legacy_id(pull_request.typename, pull_request.database_id),
        ):
            self._nodes.pop(address, None)

    def add_repository(self, repository: Repository) -> None:
        self.repositories[repository.name_with_owner.lower()] = repository
        self._index()

    def remove_repository(self, repository: Repository) -> None:
        """Remove a repository, with its former names."""
        del self.repositories[repository.name_with_owner.lower()]
        self._former = {
            name: other for name, other in self._former.items() if other is not repository
        }
        self._index()

    def restore(self) -> None:
        """Undo every `put` and every new name."""
        repositories, accounts = self._as_loaded
        self.repositories, self.accounts = dict(repositories), dict(accounts)
        for repository in self.repositories.values():
            repository.restore()
        self._former = {}
        self._begin()
        self._index()

    def _index(self) -> None:
        self._nodes: dict[str, object] = {
            account.id: account for account in self.accounts.values()
        }
        self._homes: dict[str, Repository] = {}
        for repository in self.repositories.values():
            self._nodes[repository.id] = repository
            self._nodes[identity.legacy_id(repository.typename, repository.database_id)] = (
                repository
            )
            for pull_request in repository.pull_requests.values():
                self._learn(repository, pull_request)

    def _learn(self, repository: Repository, pull_request: PullRequest) -> None:
        self._homes[pull_request.id] = repository
        self._nodes[pull_request.id] = pull_request
        self._nodes[identity.legacy_id(pull_request.typename, pull_request.database_id)] = (
            pull_request
        )
