"""GitHub's answers when it refuses to show a repository, in its own sentences, by name.

answer_of("ip_allow_list", graphql=True, field="repository")    200, with FORBIDDEN at the path ["repository"]
answer_of("dmca", graphql=False)                                451, with the block's reason
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

CORRECT = "Although you appear to have the correct authorization credentials, the `acme` organization has"


@dataclass(frozen=True)
class Refusal:
    """GraphQL's type of the error and GitHub's message. `status` is that of REST's
    answer.

    With `whole`, every request is refused with that status, over GraphQL as well.
    """

    message: str
    kind: str = "FORBIDDEN"
    status: int = 403
    whole: bool = False
    extensions: dict[str, Any] | None = None
    block: dict[str, Any] | None = None


REFUSALS = {
    "permission": Refusal("Resource not accessible by personal access token"),
    "ip_allow_list": Refusal(
        f"{CORRECT} an IP allow list enabled, and your IP address is not permitted to access this resource."
    ),
    "classic_token": Refusal(
        "`acme` forbids access via a personal access token (classic). Please use a GitHub App, OAuth App, or a personal "
        "access token with fine-grained permissions."
    ),
    "fine_grained_token": Refusal(
        "`acme` forbids access via a fine-grained personal access token. Please use a GitHub App, OAuth App, or a "
        "personal access token (classic)."
    ),
    "token_lifetime": Refusal(
        "The 'acme' organization forbids access via a fine-grained personal access tokens if the token's lifetime is "
        "greater than 366 days. Please adjust your token's lifetime at the following URL: "
        "https://github.com/settings/personal-access-tokens/1234567"
    ),
    "oauth_restricted": Refusal(
        f"{CORRECT} enabled OAuth App access restrictions, meaning that data access to third-parties is limited."
    ),
    "saml": Refusal(
        "Resource protected by organization SAML enforcement. You must grant your Personal Access token access to this "
        "organization.",
        extensions={"saml_failure": True},
    ),
    "scopes": Refusal(
        "Your token has not been granted the required scopes to execute this query. The 'name' field requires one of "
        "the following scopes: ['read:org'], but your token has only been granted the: ['repo'] scopes.",
        kind="INSUFFICIENT_SCOPES",
    ),
    "dmca": Refusal(
        "Repository access blocked",
        status=451,
        block={
            "reason": "dmca",
            "html_url": "https://github.com/github/dmca/blob/master/2026/01/notice.md",
        },
    ),
    "legal": Refusal("Repository unavailable due to legal reasons", status=451),
    "terms": Refusal("Repository access blocked", block={"reason": "tos", "html_url": None}),
    "disabled": Refusal(
        "Access to this repository has been disabled by GitHub staff due to excessive use of resources. Please contact "
        "support."
    ),
    "suspended": Refusal("Sorry. Your account was suspended.", whole=True),
    "installation_suspended": Refusal("This installation has been suspended", whole=True),
    "unknown": Refusal(
        "The owners of this repository have decided to talk to nobody this week."
    ),
}


def answer_of(name: str, fields: Sequence[str] | None = None) -> tuple[int, dict[str, Any]]:
    """Return the status and the body of GitHub's refusal; over GraphQL, for these
    outermost fields of a request.
    """
    refusal = REFUSALS[name]
    if fields is None or refusal.whole or refusal.status == 451:
        body: dict[str, Any] = {
            "message": refusal.message,
            "documentation_url": "https://docs.github.com/rest",
        }
        if refusal.block:
            body["block"] = refusal.block
        return refusal.status, body
    error: dict[str, Any] = {"type": refusal.kind, "message": refusal.message}
    if refusal.extensions:
        error["extensions"] = refusal.extensions
    return 200, {
        "data": dict.fromkeys(fields),
        "errors": [{**error, "path": [field]} for field in fields],
    }
