"""The REST calls that are served, paged as GitHub pages them (`per_page` up to 100, a
Link header).
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from .limits import Budget
from .pulls import pull_request
from .records import Actor
from .replies import Reply, message, not_found
from .tokens import Behavior, Token
from .world import Repository, World

_PAGE_NUMBER = re.compile(r"\d{1,6}")

Query = dict[str, str]
_SORT: dict[str, Callable[[Repository], Any]] = {
    "created": lambda repository: repository.created_at,
    "updated": lambda repository: repository.updated_at,
    "pushed": lambda repository: repository.pushed_at or "",
    "full_name": lambda repository: repository.name_with_owner.lower(),
}


def answer(
    world: World, path: str, query: Query, base: str, budgets: dict[str, Budget], token: Token
) -> Reply:
    """Return the answer to `GET path`; `base` is the URL of the REST interface, for
    links.
    """
    parts = [part for part in path.split("/") if part]
    match parts:
        case []:
            return Reply(
                200,
                {"current_user_url": f"{base}/user", "rate_limit_url": f"{base}/rate_limit"},
            )
        case ["meta"]:
            return Reply(
                200,
                {"verifiable_password_authentication": False, "installed_version": "sandbox"},
            )
        case ["user", *_]:
            return _of_viewer(world, path, query, base, token)
        case ["rate_limit"]:
            resources = {name: _budget(budget) for name, budget in budgets.items()}
            return Reply(200, {"resources": resources, "rate": resources["core"]})
        case ["installation", "repositories"] if token.of_app:
            listed = _listed(world, token)
            reply = _repositories(listed, path, query, base, token)
            return Reply(
                200, {"total_count": len(listed), "repositories": reply.payload}, reply.headers
            )
        case ["orgs" | "users", login, "repos"]:
            account = world.account(login)
            if account is None or (account.typename == "Organization") is not (
                parts[0] == "orgs"
            ):
                return not_found()
            owned = [
                repository for repository in world.owned_by(login) if token.lists(repository)
            ]
            return _repositories(owned, path, query, base, token)
        case ["orgs" | "users", login]:
            account = world.account(login)
            return Reply(200, _account(account)) if account else not_found()
        case ["repos", owner, name]:
            repository = world.repository(owner, name)
            return Reply(200, _repository(repository)) if repository else not_found()
        case ["repos", owner, name, "pulls", number]:
            repository = world.repository(owner, name)
            found = repository.pull_requests.get(_whole(number, 0)) if repository else None
            return (
                Reply(200, pull_request(world, repository, found))
                if repository and found
                else not_found()
            )
    return not_found()


def _of_viewer(world: World, path: str, query: Query, base: str, token: Token) -> Reply:
    if token.of_app:
        return message(403, "Resource not accessible by integration")
    match path.strip("/").split("/")[1:]:
        case []:
            return Reply(200, _account(world.viewer))
        case ["orgs"]:
            return _page(
                [_account(account) for account in world.organizations()], path, query, base
            )
        case ["repos"]:
            return _repositories(_listed(world, token), path, query, base, token)
    return not_found()


def _listed(world: World, token: Token) -> list[Repository]:
    return [repository for repository in world.repositories.values() if token.lists(repository)]


def _repositories(
    repositories: list[Repository], path: str, query: Query, base: str, token: Token
) -> Reply:
    sort = query.get("sort", "full_name" if "user/repos" in path else "created")
    direction = query.get("direction", "asc" if sort == "full_name" else "desc")
    ordered = sorted(
        repositories, key=_SORT.get(sort, _SORT["full_name"]), reverse=direction == "desc"
    )
    reply = _page([_repository(repository) for repository in ordered], path, query, base)
    if token.behavior is Behavior.SSO:
        # GitHub's lists leave out what single sign-on hides, and name the organizations
        # only by number.
        reply.headers["x-github-sso"] = "partial-results; organizations=21955855"
    return reply


def _page(items: list[Any], path: str, query: Query, base: str) -> Reply:
    per_page = min(100, max(1, _whole(query.get("per_page"), 30)))
    page, last = max(1, _whole(query.get("page"), 1)), max(1, -(-len(items) // per_page))
    targets = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
    wanted = [rel for rel in targets if (page > 1 if rel in ("prev", "first") else page < last)]
    link = ", ".join(
        f'<{base}{path}?{urlencode({**query, "page": targets[rel]})}>; rel="{rel}"'
        for rel in wanted
    )
    start = (page - 1) * per_page
    return Reply(200, items[start : start + per_page], {"link": link} if link else {})


def _whole(text: str | None, default: int) -> int:
    return int(text) if text is not None and _PAGE_NUMBER.fullmatch(text) else default


def _budget(budget: Budget) -> dict[str, int]:
    return {
        "limit": budget.limit,
        "used": budget.used,
        "remaining": budget.remaining,
        "reset": budget.resets_at,
    }


def _account(account: Actor) -> dict[str, Any]:
    return {
        "login": account.login,
        "id": account.database_id,
        "node_id": account.id,
        "type": account.typename,
        "name": account.name,
        "email": account.email or None,
        "avatar_url": account.avatar_url,
        "html_url": account.url,
        "created_at": account.created_at,
    }


def _repository(repository: Repository) -> dict[str, Any]:
    return {
        "id": repository.database_id,
        "node_id": repository.id,
        "name": repository.name,
        "full_name": repository.name_with_owner,
        "owner": _account(repository.owner),
        "html_url": repository.url,
        "description": repository.description,
        "private": repository.is_private,
        "visibility": repository.visibility.lower(),
        "fork": repository.is_fork,
        "archived": repository.is_archived,
        "disabled": False,
        "size": 0 if repository.is_empty else 4096,
        "language": repository.language,
        "default_branch": repository.default_branch,
        "stargazers_count": repository.stargazer_count,
        "forks_count": repository.fork_count,
        "open_issues_count": sum(
            pr.state == "OPEN" for pr in repository.pull_requests.values()
        ),
        "created_at": repository.created_at,
        "updated_at": repository.updated_at,
        "pushed_at": repository.pushed_at,
        "permissions": {"admin": False, "push": False, "pull": True},
    }
