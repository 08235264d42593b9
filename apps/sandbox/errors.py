"""Errors in the form of GitHub's answers: `type`, `path`, `locations`, and `message` on
one level.
"""

from typing import Any

from graphql import GraphQLError


class GitHubError(GraphQLError):
    """An error with GitHub's `type` beside the message.

    The executor adds path and locations.
    """

    def __init__(
        self, kind: str, message: str, extensions: dict[str, Any] | None = None
    ) -> None:
        super().__init__(message, extensions=extensions)
        self.kind = kind


def formatted(error: GraphQLError) -> dict[str, Any]:
    """Return the error in the form of GitHub's answers.

    Any other exception inside a resolver is answered as an internal error of GitHub.
    """
    original = error if isinstance(error, GitHubError) else error.original_error
    result: dict[str, Any] = {}
    if isinstance(original, GitHubError):
        result["type"] = original.kind
    if error.path:
        result["path"] = error.path
    if error.extensions:
        result["extensions"] = error.extensions
    if error.locations:
        result["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    result["message"] = error.message
    return result


def not_found_repository(name: str) -> GitHubError:
    return GitHubError(
        "NOT_FOUND", f"Could not resolve to a Repository with the name '{name}'."
    )


def not_found_pull_request(number: int) -> GitHubError:
    return GitHubError(
        "NOT_FOUND", f"Could not resolve to a PullRequest with the number of {number}."
    )


def not_found_login(kind: str, login: str) -> GitHubError:
    return GitHubError("NOT_FOUND", f"Could not resolve to {kind} with the login of '{login}'.")


def not_found_node(node_id: str) -> GitHubError:
    return GitHubError(
        "NOT_FOUND", f"Could not resolve to a node with the global id of '{node_id}'"
    )
