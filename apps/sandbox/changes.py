"""Changes at GitHub that concern identity: what is deleted, created, or renamed, and
the format of node ids.

    delete(world, {"repository": "acme/api", "numbers": [3]})    pull requests vanish; without numbers, the repository
    create(world, {"name": "acme/api"})                          a repository of its own identity, on a free name
    rename(world, {"from": "acme/old", "to": "acme/new"})        it answers to both names, as GitHub does
    account(world, {"from": "ada", "to": "ada-l"})               an account gets another login; the login is free then
    account(world, {"from": "ada", "to": None})                  an account is deleted
    ids(world, {"format": "legacy"})                             node ids like MDEx…; "next" is like PR_kwDO…

Each returns the ids or logins that it changed, and raises KeyError for an unknown one.
"""

from dataclasses import replace
from typing import Any

from .records import Actor, Commit, PullRequest, Review
from .world import Repository, World

FORMATS = ("legacy", "next")


def delete(world: World, body: dict[str, Any]) -> dict[str, Any]:
    repository = world.named(body["repository"])
    if "numbers" not in body:
        world.remove_repository(repository)
        return {"repository": repository.name_with_owner}
    for number in body["numbers"]:
        world.remove(repository, number)
    return {"numbers": body["numbers"]}


def create(world: World, body: dict[str, Any]) -> dict[str, Any]:
    name = body["name"]
    if name.lower() in world.repositories:
        raise KeyError(f"{name} is there already")
    owner = world.account(name.partition("/")[0]) or Actor(
        name.partition("/")[0], "Organization"
    )
    world.generation += 1
    repository = Repository(name, owner, key=f"{name.lower()}#{world.generation}")
    world.add_repository(repository)
    return {"id": repository.id, "database_id": repository.database_id}


def rename(world: World, body: dict[str, Any]) -> dict[str, Any]:
    world.rename(body["from"], body["to"])
    return {}


def account(world: World, body: dict[str, Any]) -> dict[str, Any]:
    old, new = body["from"], body["to"]
    known = world.account(old) or world.renamed.get(old.lower()) or Actor(old)
    changed = None if new is None else replace(known, login=new, key=known.key or known.login)
    world.generation += 1
    # A person who takes the free login later gets another account.
    world.renamed[old.lower()] = Actor(old, key=f"{old.lower()}#{world.generation}")
    if changed is not None:
        world.renamed[changed.login.lower()] = changed
        world.accounts[changed.login.lower()] = changed
    world.accounts.pop(old.lower(), None)
    for repository in world.repositories.values():
        for pull_request in list(repository.pull_requests.values()):
            world.put_in(repository, _with(pull_request, known.login, changed))
    return {"login": new}


def ids(world: World, body: dict[str, Any]) -> dict[str, Any]:
    if body["format"] not in FORMATS:
        raise KeyError(f"format is one of {', '.join(FORMATS)}")
    world.has_legacy_ids = body["format"] == "legacy"
    return {"format": body["format"]}


def _with(pull_request: PullRequest, login: str, changed: Actor | None) -> PullRequest:
    """Return the pull request with one account replaced by another."""

    def swap(actor: Actor | None) -> Actor | None:
        is_meant = (
            actor is not None
            and actor.typename == "User"
            and actor.login.lower() == login.lower()
        )
        return changed if is_meant else actor

    commits: list[Commit] = []
    for commit in pull_request.commits:
        author = commit.author
        commits.append(
            replace(commit, author=replace(author, user=swap(author.user)) if author else None)
        )
    reviews: list[Review] = []
    for review in pull_request.reviews:
        reviews.append(replace(review, author=swap(review.author)))
    return replace(
        pull_request,
        author=swap(pull_request.author),
        merged_by=swap(pull_request.merged_by),
        commits=tuple(commits),
        reviews=tuple(reviews),
    )


CALLS = {"delete": delete, "create": create, "rename": rename, "account": account, "ids": ids}
