"""Fields of GitHub's schema whose values are computed: look-ups, connections, errors.

Every other served field is an attribute of its record (`schema` connects them by name).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLResolveInfo

from . import errors
from .cost import Cost
from .limits import Budget
from .paging import Connection, Listing, check_bounds
from .records import (
    Actor,
    Commit,
    PullRequest,
    PullRequestCommit,
    RateLimit,
    Ref,
    Review,
    ReviewThread,
)
from .tokens import Token
from .world import Repository, World

Resolver = Callable[..., Any]


@dataclass(frozen=True)
class Request:
    """The context of one execution."""

    world: World
    token: Token
    budget: Budget
    cost: Cost


type Info = GraphQLResolveInfo[Request]


def connection(info: Info, listing: Listing, arguments: dict[str, Any]) -> Connection:
    check_bounds(info, arguments)
    return Connection(listing, arguments)


# Query


def query_viewer(root: Any, info: Info) -> Actor:
    return info.context.world.viewer


def query_rate_limit(root: Any, info: Info, **arguments: Any) -> RateLimit:
    budget, cost = info.context.budget, info.context.cost
    return RateLimit(
        budget.limit,
        cost.points,
        budget.remaining,
        budget.used,
        budget.reset_moment,
        cost.nodes,
    )


def query_repository(
    root: Any, info: Info, *, owner: str, name: str, **arguments: Any
) -> Repository:
    repository = info.context.world.repository(owner, name)
    if repository is None:
        raise errors.not_found_repository(f"{owner}/{name}")
    return repository


def query_organization(root: Any, info: Info, *, login: str) -> Actor:
    account = info.context.world.account(login)
    if account is None or account.typename != "Organization":
        raise errors.not_found_login("an Organization", login)
    return account


def query_user(root: Any, info: Info, *, login: str) -> Actor:
    account = info.context.world.account(login)
    if account is None or account.typename != "User":
        raise errors.not_found_login("a User", login)
    return account


def query_repository_owner(root: Any, info: Info, *, login: str) -> Actor | None:
    account = info.context.world.account(login)
    return (
        account
        if account is not None and account.typename in ("User", "Organization")
        else None
    )


def query_node(root: Any, info: Info, **arguments: str) -> object:
    found = _readable_node(info, arguments["id"])
    if isinstance(found, Exception):
        raise found
    return found


def query_nodes(root: Any, info: Info, *, ids: list[str]) -> list[object]:
    # An exception among the items becomes a null with an error at its index.
    if len(ids) > 100:
        raise errors.GitHubError(
            "ARGUMENT_LIMIT",
            f"You may not provide more than 100 node ids; you provided {len(ids)}.",
        )
    return [_readable_node(info, node_id) for node_id in ids]


def _readable_node(info: Info, node_id: str) -> object:
    found = info.context.world.node(node_id)
    if found is None:
        return errors.not_found_node(node_id)
    if isinstance(found, PullRequest) and (
        refusal := info.context.token.refusal(found.repository_name)
    ):
        return refusal
    return found


# Owners

_REPOSITORY_SORT: dict[str, Callable[[Repository], Any]] = {
    "CREATED_AT": lambda repository: repository.created_at,
    "UPDATED_AT": lambda repository: repository.updated_at,
    "PUSHED_AT": lambda repository: repository.pushed_at or "",
    "NAME": lambda repository: repository.name.lower(),
    "STARGAZERS": lambda repository: repository.stargazer_count,
}


def owner_repositories(owner: Actor, info: Info, **arguments: Any) -> Connection:
    world = info.context.world
    owned = world.owned_by(owner.login)
    affiliations = arguments.get("ownerAffiliations") or arguments.get("affiliations") or ()
    if owner is world.viewer and "ORGANIZATION_MEMBER" in affiliations:
        owned = list(world.repositories.values())
    for name, attribute in (("isFork", "is_fork"), ("isArchived", "is_archived")):
        if (wanted := arguments.get(name)) is not None:
            owned = [
                repository for repository in owned if getattr(repository, attribute) is wanted
            ]
    if (privacy := arguments.get("privacy") or arguments.get("visibility")) is not None:
        owned = [repository for repository in owned if repository.visibility == privacy]
    order = arguments.get("orderBy") or {"field": "CREATED_AT", "direction": "ASC"}
    sort = _REPOSITORY_SORT[order["field"]]
    keyed = sorted(
        ((sort(repository), repository.database_id), repository) for repository in owned
    )
    keys, items = [key for key, _ in keyed], [repository for _, repository in keyed]
    return connection(info, Listing(items, keys, order["direction"] == "DESC"), arguments)


def owner_repository(owner: Actor, info: Info, *, name: str, **arguments: Any) -> Repository:
    return query_repository(None, info, owner=owner.login, name=name)


def user_organizations(user: Actor, info: Info, **arguments: Any) -> Connection:
    world = info.context.world
    return connection(
        info, Listing(world.organizations() if user is world.viewer else []), arguments
    )


# Repository


def repository_default_branch(repository: Repository, info: Info) -> Ref | None:
    return None if repository.is_empty else Ref(repository.default_branch)


def repository_language(repository: Repository, info: Info) -> dict[str, str] | None:
    return {"name": repository.language} if repository.language else None


def repository_pull_requests(
    repository: Repository, info: Info, **arguments: Any
) -> Connection:
    if refusal := info.context.token.refusal(repository.name_with_owner):
        raise refusal
    order = arguments.get("orderBy") or {"field": "CREATED_AT", "direction": "ASC"}
    listing = repository.listing(
        order["field"],
        order["direction"] == "DESC",
        frozenset(arguments.get("states") or ()),
        arguments.get("baseRefName"),
        arguments.get("headRefName"),
        frozenset(arguments.get("labels") or ()),
    )
    return connection(info, listing, arguments)


def repository_pull_request(repository: Repository, info: Info, *, number: int) -> PullRequest:
    if refusal := info.context.token.refusal(repository.name_with_owner):
        raise refusal
    found = repository.pull_requests.get(number)
    if found is None:
        raise errors.not_found_pull_request(number)
    return found


# Pull request


def pull_repository(pr: PullRequest, info: Info) -> Repository:
    return info.context.world.home_of(pr)


def shown_id(source: Repository | PullRequest | Review, info: Info) -> str:
    return info.context.world.shown_id(source)


def pull_commits(pr: PullRequest, info: Info, **arguments: Any) -> Connection:
    return connection(
        info, Listing([PullRequestCommit(pr, commit) for commit in pr.commits]), arguments
    )


def pull_reviews(pr: PullRequest, info: Info, **arguments: Any) -> Connection:
    states, author = arguments.get("states"), arguments.get("author")
    reviews = [
        review
        for review in pr.reviews
        if (not states or review.state in states)
        and (author is None or (review.author is not None and review.author.login == author))
    ]
    return connection(info, Listing(reviews), arguments)


def pull_timeline(pr: PullRequest, info: Info, **arguments: Any) -> Connection:
    wanted = {name.replace("_", "").lower() for name in arguments.get("itemTypes") or ()}
    since = arguments.get("since") or ""
    items = [
        event
        for event in pr.timeline
        if (not wanted or event.typename.lower() in wanted) and event.created_at >= since
    ]
    return connection(info, Listing(items[arguments.get("skip") or 0 :]), arguments)


def pull_labels(pr: PullRequest, info: Info, **arguments: Any) -> Connection:
    return connection(info, Listing(pr.labels), arguments)


def pull_files(pr: PullRequest, info: Info, **arguments: Any) -> Connection:
    return connection(info, Listing(pr.files), arguments)


def pull_threads(pr: PullRequest, info: Info, **arguments: Any) -> Connection:
    threads = [ReviewThread(f"{pr.id}:{index}") for index in range(pr.review_threads)]
    return connection(info, Listing(threads), arguments)


def pull_comments(pr: PullRequest, info: Info, **arguments: Any) -> Connection:
    # The texts of comments are not served; `schema` answers a query for one with an
    # error.
    return connection(info, Listing(range(pr.total_comments_count)), arguments)


def empty(source: Any, info: Info, **arguments: Any) -> Connection:
    return connection(info, Listing(()), arguments)


def commit_authors(commit: Commit, info: Info, **arguments: Any) -> Connection:
    return connection(info, Listing((commit.author,) if commit.author else ()), arguments)


_OWNER: dict[str, Resolver] = {
    "repositories": owner_repositories,
    "repository": owner_repository,
}

RESOLVERS: dict[str, dict[str, Resolver]] = {
    "Query": {
        "viewer": query_viewer,
        "rateLimit": query_rate_limit,
        "repository": query_repository,
        "organization": query_organization,
        "user": query_user,
        "repositoryOwner": query_repository_owner,
        "node": query_node,
        "nodes": query_nodes,
    },
    "Organization": _OWNER,
    "User": {**_OWNER, "organizations": user_organizations},
    "PullRequestReview": {"id": shown_id},
    "Repository": {
        "id": shown_id,
        "defaultBranchRef": repository_default_branch,
        "primaryLanguage": repository_language,
        "pullRequests": repository_pull_requests,
        "pullRequest": repository_pull_request,
    },
    "PullRequest": {
        "id": shown_id,
        "repository": pull_repository,
        "baseRepository": pull_repository,
        "commits": pull_commits,
        "reviews": pull_reviews,
        "timelineItems": pull_timeline,
        "labels": pull_labels,
        "files": pull_files,
        "reviewThreads": pull_threads,
        "comments": pull_comments,
        "closingIssuesReferences": empty,
        "reviewRequests": empty,
        "assignees": empty,
    },
    "Commit": {"authors": commit_authors},
}
