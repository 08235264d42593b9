"""What GitHub answers about pull requests: pages of the list pass, and details of some
pull requests, each with the problems of reading them.

A node that cannot be used is never dropped: it becomes a `Problem` with a name and a
reason. Errors of a whole request are raised unchanged from the client.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from apps.integrations.sources.github import fields, queries, translate
from apps.integrations.sources.github.client import GitHubClient, Reply
from apps.integrations.sources.github.errors import (
    AnswersNothing,
    BadResponse,
    NotFound,
    Overloaded,
    StaleCursor,
)
from apps.integrations.sources.github.fields import Malformed
from apps.integrations.sources.github.issues import Issue
from apps.integrations.sources.github.reasons import link_of, reason_of
from apps.integrations.sources.github.translate import Node, PageEnd
from apps.integrations.sources.reading import Problem
from apps.metrics.records import PullRequestData
from apps.pipelines.portions import Watch


@dataclass(frozen=True, slots=True)
class RepositoryFacts:
    """A repository on GitHub.

    `github_id` on `host` identifies it. `external_id` and `full_name` are addresses,
    which may change.
    """

    external_id: str
    full_name: str
    url: str
    default_branch: str
    github_id: int | None = None
    host: str = ""


@dataclass(frozen=True, slots=True)
class SkeletonPage:
    """One page, newest first. `oldest` and `stalest` are the earliest creation and
    change on it that could be read.

    `at` is GitHub's clock when it answered.
    """

    facts: RepositoryFacts
    records: tuple[PullRequestData, ...]
    problems: tuple[Problem, ...]
    end: PageEnd
    at: datetime
    counts: Mapping[str, int] | None = None
    # The name by which it was asked for, if another repository has it now.
    taken_name: str = ""

    @property
    def oldest(self) -> datetime | None:
        return min((record.created_at for record in self.records), default=None)

    @property
    def stalest(self) -> datetime | None:
        return min((record.updated_at for record in self.records), default=None)

    @property
    def newest(self) -> datetime | None:
        """Return the latest change on the page, or `at` if that is earlier.

        GitHub's clock may be behind its records.
        """
        return max((min(record.updated_at, self.at) for record in self.records), default=None)


@dataclass(frozen=True, slots=True)
class DetailPage:
    """The records that are complete, and for the others the reasons, by node id.

    `gone` are those that do not exist.
    """

    records: tuple[PullRequestData, ...]
    problems: Mapping[str, str]
    at: datetime
    gone: frozenset[str] = frozenset()


class GitHubPages:
    """Reads pull requests through one client. Raises GitHubError."""

    def __init__(self, client: GitHubClient, watch: Watch | None = None) -> None:
        """Pass `watch` to name each pull request for the supervisor while it is read."""
        self._client = client
        self._watch = watch

    @property
    def has_answered(self) -> bool:
        """Return whether GitHub has answered any query of this source's client."""
        return self._client.has_answered

    def ping(self) -> None:
        """Raise AnswersNothing if GitHub does not even answer the smallest query. The
        failure of another query is then an outage, and not caused by that query.
        """
        try:
            self._client.graphql(queries.VIEWER, {})
        except StaleCursor:
            # An error about the query itself is an answer.
            return
        except (Overloaded, BadResponse) as error:
            raise AnswersNothing(self._client.endpoints.host, error.why) from None

    def repository(self, full_name: str) -> RepositoryFacts:
        """Return the facts of a repository. Raises NotFound, AccessDenied."""
        reply = self._client.graphql(
            queries.REPOSITORY, _owner_and_name(full_name), what=full_name
        )
        return _facts(_repository(reply), self.host)

    def repository_by_id(self, node_id: str) -> RepositoryFacts | None:
        """Return the repository with this node id, whatever its name is; None if there
        is none, or it may not be read.
        """
        reply = self._client.graphql(
            queries.REPOSITORY_BY_ID, {"id": node_id}, what="repository"
        )
        node = reply.data.get("node")
        return _facts(node, self.host) if isinstance(node, dict) and node else None

    @property
    def host(self) -> str:
        """Return the host that is asked, without a port: github.com for GitHub itself."""
        return self._client.endpoints.host.partition(":")[0].removeprefix("api.")

    def skeleton(
        self, full_name: str, *, first: int, after: str | None, document: str = queries.SKELETON
    ) -> SkeletonPage:
        """Return one page of a repository's pull requests, newest first: by creation,
        or in the order of `document`.
        """
        variables = _owner_and_name(full_name) | {"first": first, "after": after}
        reply = self._client.graphql(document, variables, what=full_name)
        node = _repository(reply)
        spoilt = _by_position(reply.issues, ("repository", "pullRequests", "nodes"), full_name)
        try:
            facts, connection = _facts(node, self.host), fields.mapping(node, "pullRequests")
            end, nodes = translate.page_end(connection), fields.items(connection, "nodes")
        except Malformed as malformed:
            raise BadResponse(f"{malformed} in the list of pull requests") from None
        # A cursor that does not move would make the sync read the same page without
        # end.
        if end.has_next and end.cursor == after:
            raise BadResponse("the list of pull requests does not continue where it ended")
        records, problems = [], []
        for position, entry in enumerate(nodes):
            if entry is None and _was_deleted(spoilt.get(position)):
                continue
            try:
                name = f"{translate.name_of(entry, position)} of {full_name}"
                # The name is marked first, so that a node whose parsing hangs can be
                # named and skipped.
                with self._reading(name):
                    records.append(_usable(entry, spoilt.get(position), translate.skeleton))
            except Malformed as malformed:
                number = entry.get("number") if isinstance(entry, dict) else None
                problem = Problem(
                    what=translate.name_of(entry, position), why=reason_of(malformed)
                )
                problems.append(
                    problem | {"url": link_of(facts.url, number), "finding": str(malformed)}
                )
        return SkeletonPage(
            facts, tuple(records), tuple(problems), end, reply.at, _counts(node)
        )

    def detail(self, ids: Sequence[str]) -> DetailPage:
        """Return the pull requests with these node ids, with all pages of their commits
        and reviews.
        """
        reply = self._client.graphql(queries.DETAIL, {"ids": list(ids)}, what="pull requests")
        spoilt = _by_position(reply.issues, ("nodes",), "pull requests")
        nodes = reply.data.get("nodes")
        # Nodes are matched to ids by position, so a missing one would shift all others.
        if not isinstance(nodes, list) or len(nodes) != len(ids):
            raise BadResponse("it has fewer pull requests than requested")
        records: list[PullRequestData] = []
        problems: dict[str, str] = {}
        for position, (node_id, entry) in enumerate(zip(ids, nodes, strict=True)):
            try:
                with self._reading(f"commits and reviews of pull request {node_id}"):
                    found = _usable(entry, spoilt.get(position), translate.detail)
                if not _is_address_of(node_id, found.record):
                    raise Malformed(
                        f"id should be {node_id!r}, found {found.record.external_id[:40]!r}"
                    )
                # Further pages are requests of their own, so their errors concern this
                # pull request alone.
                records.append(self._whole(found))
            except (Malformed, Overloaded, BadResponse) as error:
                problems[node_id] = reason_of(error)
        gone: set[str] = set()
        for position, issue in spoilt.items():
            # Without that type of error, the null may be a temporary fault.
            if issue.type == "NOT_FOUND" and not nodes[position]:
                gone.add(ids[position])
        return DetailPage(tuple(records), problems, reply.at, frozenset(gone))

    @contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        """Name what is read within the block.

        Raises Malformed if its reading hung too often before.
        """
        if self._watch is None:
            yield
            return
        if not self._watch.allows(name):
            raise Malformed(self._watch.why)
        with self._watch.on(name):
            yield

    def _whole(self, found: translate.Detail) -> PullRequestData:
        """Return the record with the further pages of its commits and reviews."""
        record = found.record
        if found.commits_end.has_next:
            pages = self._pages(
                queries.MORE_COMMITS, record.external_id, "commits", found.commits_end
            )
            commits = list(record.commits or ())
            for page in pages:
                commits += translate.commits(page)
            record = replace(record, commits=tuple(commits))
        if found.reviews_end.has_next:
            pages = self._pages(
                queries.MORE_REVIEWS, record.external_id, "reviews", found.reviews_end
            )
            reviews = list(record.reviews or ())
            for page in pages:
                reviews += translate.reviews(page)
            record = replace(record, reviews=tuple(reviews))
        return record

    def _pages(self, document: str, node_id: str, name: str, end: PageEnd) -> list[Node]:
        # All pages are read before any is used: a record with half of its commits would
        # look complete.
        pages: list[Node] = []
        first = queries.PAGE_LIMIT
        while end.has_next:
            try:
                reply = self._client.graphql(
                    document, {"id": node_id, "first": first, "after": end.cursor}, what=name
                )
            except Overloaded:
                if first == 1:
                    raise
                # GitHub gave up on the page. A smaller one may succeed.
                first //= 2
                continue
            if reply.issues:
                raise reply.issues[0].as_error(name)
            page = fields.mapping(fields.mapping(reply.data, "node"), name)
            before, end = end, translate.page_end(page)
            if end.has_next and end.cursor == before.cursor:
                raise Malformed(f"the list of {name} does not continue where it ended")
            pages.append(page)
        return pages


def _owner_and_name(full_name: str) -> dict[str, Any]:
    owner, _, name = full_name.partition("/")
    return {"owner": owner, "name": name}


def _repository(reply: Reply) -> Node:
    # GitHub answers with null for a missing repository and for one without access.
    node = reply.data.get("repository")
    if isinstance(node, dict):
        return node
    for issue in reply.issues:
        raise (
            NotFound.repository()
            if issue.type == "NOT_FOUND"
            else issue.as_error("this repository")
        )
    raise NotFound.repository()


def _facts(node: Node, host: str) -> RepositoryFacts:
    try:
        branch = fields.optional_mapping(node, "defaultBranchRef")
        return RepositoryFacts(
            external_id=fields.text(node, "id"),
            full_name=fields.text(node, "nameWithOwner"),
            url=fields.text(node, "url", required=False),
            default_branch=fields.text(branch, "name", required=False) if branch else "",
            github_id=fields.big_number(node, "databaseId"),
            host=host,
        )
    except Malformed as malformed:
        raise BadResponse(f"{malformed} of the repository") from None


def _counts(node: Node) -> dict[str, int] | None:
    """Return how many pull requests GitHub counts by state; None if the query did not
    ask.
    """
    if "open" not in node:
        return None
    try:
        return {
            state: fields.count(fields.mapping(node, state), "totalCount")
            for state in ("open", "closed", "merged")
        }
    except Malformed as malformed:
        raise BadResponse(f"{malformed} in the counts of pull requests") from None


def _is_address_of(node_id: str, record: PullRequestData) -> bool:
    """Return whether a record may be the node with this id.

    GitHub may answer with an id of another format for the same node, so ids of two
    formats do not contradict each other.
    """
    given = record.external_id
    return given == node_id or given.startswith("PR_") != node_id.startswith("PR_")


def _by_position(
    issues: Sequence[Issue], prefix: tuple[str, ...], what: str
) -> dict[int, Issue]:
    """Return the issues that make single nodes unusable, by the node's position.

    An issue elsewhere makes the whole answer unusable and is raised.
    """
    found: dict[int, Issue] = {}
    for issue in issues:
        position = issue.path[len(prefix)] if len(issue.path) > len(prefix) else None
        if issue.path[: len(prefix)] != prefix or not isinstance(position, int):
            # An error without a position may concern any of the nodes.
            raise issue.as_error(what)
        found.setdefault(position, issue)
    return found


def _was_deleted(issue: Issue | None) -> bool:
    """Return whether a null in a list is a pull request that was deleted meanwhile.

    GitHub then reports NOT_FOUND, or no error at all.
    """
    return issue is None or issue.type == "NOT_FOUND"


def _usable[T](node: object, issue: Issue | None, read: Callable[[Node], T]) -> T:
    """Return what `read` makes of a node. Raises Malformed if GitHub reports an error
    inside the node, because its nulls may then be missing values.
    """
    if issue is not None:
        raise Malformed(f"GitHub reports an error: “{issue.message or issue.type}”")
    if not isinstance(node, dict):
        raise Malformed("GitHub’s answer leaves it out")
    return read(node)
