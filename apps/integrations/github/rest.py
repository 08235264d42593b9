"""A pull request as GitHub's webhooks have it (the shape of its REST interface) as a record, as strictly as GraphQL's."""

from collections.abc import Mapping
from typing import Any

from apps.integrations.github import fields
from apps.integrations.github.fields import Malformed
from apps.metrics.records import PersonData, PullRequestData, PullRequestState


def pull_request(node: Mapping[str, Any]) -> PullRequestData:
    """What a webhook says of a pull request: all but its commits and reviews. Raises Malformed."""
    merged_at = fields.optional_moment(node, "merged_at")
    state = fields.text(node, "state")
    if state not in ("open", "closed"):
        raise Malformed(f"state should be open or closed, found {state[:40]!r}")
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
        base_ref=fields.text(fields.mapping(node, "base"), "ref"),
        head_ref=fields.text(fields.mapping(node, "head"), "ref"),
        merge_commit_oid=fields.text(node, "merge_commit_sha", required=False) if merged_at else "",
        author=_person(node, "user"),
        merged_by=_person(node, "merged_by"),
        labels=tuple(fields.text(label, "name") for label in fields.objects(node, "labels")),
    )


def _person(node: Mapping[str, Any], name: str) -> PersonData | None:
    user = fields.optional_mapping(node, name)
    if user is None:
        return None
    # REST's logins of bots end in [bot] already.
    return PersonData(
        login=fields.text(user, "login"),
        github_id=fields.big_number(user, "id"),
        is_bot=user.get("type") == "Bot",
    )
