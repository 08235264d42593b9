"""HTTP answers, with GitHub's text for each refusal."""

import json
import time
from dataclasses import dataclass, field
from typing import Any

from .limits import Budget

DOCUMENTATION = "https://docs.github.com/graphql"


@dataclass
class Reply:
    status: int
    payload: Any
    headers: dict[str, str] = field(default_factory=dict)
    # Share of the body that is sent: less than all for a body that is cut; `drop` also
    # closes the connection.
    cut: bool = False
    drop: bool = False

    @property
    def body(self) -> bytes:
        text = (
            self.payload
            if isinstance(self.payload, str)
            else json.dumps(self.payload, separators=(",", ":"))
        )
        return text.encode()


def message(status: int, text: str, **headers: str) -> Reply:
    payload = {"message": text, "documentation_url": DOCUMENTATION, "status": str(status)}
    return Reply(
        status, payload, {name.replace("_", "-"): value for name, value in headers.items()}
    )


def unauthorized() -> Reply:
    return message(401, "Bad credentials")


def unauthenticated() -> Reply:
    return message(401, "This endpoint requires you to be authenticated.")


def not_found() -> Reply:
    return message(404, "Not Found")


_GATEWAY = "Something went wrong while executing your query. This may be the result of a timeout, or it could be a GitHub bug."
_TIMEOUT = "We couldn't respond to your request in time. Sorry about that. Please try resubmitting your request."
_BODIES: dict[int, Any] = {
    401: {"message": "Bad credentials", "documentation_url": DOCUMENTATION, "status": "401"},
    404: {"message": "Not Found", "documentation_url": DOCUMENTATION, "status": "404"},
    500: {"message": "Server Error"},
    502: {"data": None, "errors": [{"message": _GATEWAY}]},
    503: "<html><body><h1>503 Service Unavailable</h1>No server is available to handle this request.</body></html>",
    504: {"message": _TIMEOUT},
}


def of_status(status: int, body: Any, headers: dict[str, str]) -> Reply:
    """Return the answer of a status.

    Without a body it has the one that GitHub sends.
    """
    payload = body if body is not None else _BODIES.get(status, {"message": f"Status {status}"})
    return Reply(status, payload, dict(headers))


def primary_limit(budget: Budget, *, rest: bool = False, resets_in: int | None = None) -> Reply:
    """Return the reply after the hour's points are spent: 200 with an error over
    GraphQL, 403 over REST.
    """
    text = "API rate limit exceeded for user ID 1."
    headers = {
        **budget.headers(),
        "x-ratelimit-remaining": "0",
        "x-ratelimit-used": str(budget.limit),
    }
    if resets_in is not None:
        headers["x-ratelimit-reset"] = str(int(time.time()) + resets_in)
    if rest:
        return Reply(403, {"message": text, "documentation_url": DOCUMENTATION}, headers)
    return Reply(200, {"errors": [{"type": "RATE_LIMITED", "message": text}]}, headers)


def secondary_limit(retry_after: int) -> Reply:
    text = "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."
    return message(403, text, retry_after=str(retry_after))
