"""One pull request in the form of the REST interface, which webhooks use, too."""

from typing import Any

from .records import Actor, PullRequest
from .world import Repository, World

# The account by which REST replaces a deleted one. GraphQL has null there.
GHOST = {"login": "ghost", "id": 10137, "node_id": "MDQ6VXNlcjEwMTM3", "type": "User"}


def pull_request(world: World, repository: Repository, of: PullRequest) -> dict[str, Any]:
    """Return the JSON object of a pull request."""
    here = {"id": repository.database_id, "full_name": repository.name_with_owner}
    return {
        "id": of.database_id,
        "node_id": world.shown_id(of),
        "number": of.number,
        "title": of.title,
        "body": of.body or None,
        "html_url": of.url,
        "state": "open" if of.state == "OPEN" else "closed",
        "draft": of.is_draft,
        "created_at": of.created_at,
        "updated_at": of.updated_at,
        "merged_at": of.merged_at,
        "closed_at": of.closed_at or of.merged_at,
        "additions": of.additions,
        "deletions": of.deletions,
        "changed_files": of.changed_files,
        "commits": len(of.commits),
        "base": {"ref": of.base_ref_name, "repo": here},
        "head": {
            "ref": of.head_ref_name,
            "repo": None if of.is_cross_repository else here,
            "sha": of.head_ref_oid,
        },
        "merge_commit_sha": of.merge_commit.oid if of.merge_commit else None,
        "merged": of.merged,
        "user": _user(of.author),
        "merged_by": _user(of.merged_by) if of.merged else None,
        "labels": [{"name": label.name} for label in of.labels],
    }


def _user(actor: Actor | None) -> dict[str, Any]:
    if actor is None:
        return GHOST
    # A bot's login has a suffix here.
    login = f"{actor.login}[bot]" if actor.typename == "Bot" else actor.login
    return {
        "login": login,
        "id": actor.database_id,
        "node_id": actor.id,
        "type": actor.typename,
    }
