"""Read a pull request from GitHub's webhooks (in the form of its REST interface) as a
record, as strictly as from GraphQL.
"""

from collections.abc import Mapping
from typing import Any

from apps.integrations.sources.github import fields
from apps.integrations.sources.github.fields import Malformed
from apps.integrations.sources.github.translate import kind_of
from apps.metrics.records import PersonData, PullRequestData, PullRequestState

# The account by which REST replaces all deleted ones. GraphQL has null instead.
GHOST_ID = 10137


def pull_request(node: Mapping[str, Any]) -> PullRequestData:
    """Return the pull request in a webhook's payload: all but its commits and reviews.

    Raises Malformed.
    """
    merged_at = fields.optional_moment(node, "merged_at")
    state = fields.text(node, "state")
    if state not in ("open", "closed"):
        raise Malformed(f"state should be open or closed, found {state[:40]!r}")
    base, head = fields.mapping(node, "base"), fields.mapping(node, "head")
    base_ref, head_ref = fields.text(base, "ref"), fields.text(head, "ref")
    return PullRequestData(
        external_id=fields.text(node, "node_id"),
        github_id=fields.big_number(node, "id"),
        number=fields.count(node, "number"),
        title=fields.text(node, "title", required=False),
        body=fields.text(node, "body", required=False),
        url=fields.text(node, "html_url", required=False),
        state=PullRequestState.MERGED if merged_at else PullRequestState(state),
        is_draft=fields.flag(node, "draft"),
        created_at=fields.moment(node, "created_at"),
        updated_at=fields.moment(node, "updated_at"),
        merged_at=merged_at,
        closed_at=fields.optional_moment(node, "closed_at"),
        additions=fields.count(node, "additions"),
        deletions=fields.count(node, "deletions"),
        changed_files=fields.count(node, "changed_files"),
        kind=kind_of(base_ref, head_ref, is_cross=_is_cross(base, head)),
        base_ref=base_ref,
        head_ref=head_ref,
        merge_commit_oid=fields.text(node, "merge_commit_sha", required=False)
        if merged_at
        else "",
        author=_person(node, "user"),
        merged_by=_person(node, "merged_by"),
        labels=tuple(fields.text(label, "name") for label in fields.objects(node, "labels")),
    )


def _is_cross(base: Mapping[str, Any], head: Mapping[str, Any]) -> bool:
    """Return whether the head is a branch of another repository, also if that
    repository was deleted.
    """
    theirs, ours = fields.optional_mapping(head, "repo"), fields.optional_mapping(base, "repo")
    if theirs is None or ours is None:
        return True
    return fields.big_number(theirs, "id") != fields.big_number(ours, "id")


def _person(node: Mapping[str, Any], name: str) -> PersonData | None:
    user = fields.optional_mapping(node, name)
    if user is None or user.get("id") == GHOST_ID:
        return None
    # REST's logins of bots end in [bot] already.
    return PersonData(
        login=fields.text(user, "login"),
        github_id=fields.big_number(user, "id"),
        is_bot=user.get("type") == "Bot",
    )
