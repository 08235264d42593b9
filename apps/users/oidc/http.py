"""Calls to the provider: JSON, bounded in time and size, without redirects.

answer = fetch(Deadline(), "GET", "https://login.example.com/.well-known/openid-configuration")
answer.status, answer.payload      # 200, {"issuer": ...}
"""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from apps.tls import tls_context
from apps.users.oidc.errors import OidcError, Reason

# Of one call, and of all calls that one page waits for, in seconds.
CALL_SECONDS = 5.0
PAGE_SECONDS = 10.0
# Of one answer. Discovery documents, key sets, and tokens have a few kilobytes.
MAX_BYTES = 256 * 1024


class Deadline:
    """Count the seconds that are left for the calls of one page.

    It uses the monotonic clock, which does not jump when the system's time is set.
    """

    def __init__(self, seconds: float = PAGE_SECONDS) -> None:
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Return the seconds for the next call. Raises OidcError if there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            raise _unreachable("no time is left for another call")
        return min(left, CALL_SECONDS)


@dataclass(frozen=True, slots=True)
class Answer:
    """The provider's answer: its HTTP status, and its JSON object (empty if it has
    none).
    """

    status: int
    payload: dict[str, Any]


def fetch(
    deadline: Deadline,
    method: str,
    url: str,
    *,
    data: Mapping[str, str] | None = None,
    auth: tuple[str, str] | None = None,
    bearer: str = "",
) -> Answer:
    """Call the provider and return its answer.

    `data` is sent as a form, `auth` as HTTP basic authentication, `bearer` as an access
    token. Raises OidcError (UNREACHABLE) if there is no complete answer in time, if it
    is longer than MAX_BYTES, if it has a status of 500 or more, or if a good answer is
    no JSON object.
    """
    # A compressed answer could grow without bound, so none is asked for, and none is
    # read.
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    if bearer:
        headers["authorization"] = f"Bearer {bearer}"
    seconds = deadline.left()
    end = time.monotonic() + seconds
    try:
        with (
            httpx.Client(verify=tls_context(), timeout=seconds) as client,
            client.stream(method, url, data=data, auth=auth, headers=headers) as response,
        ):
            body = _read(response, end)
    except httpx.HTTPError as error:
        raise _unreachable(f"{_path(url)}: {type(error).__name__}") from None
    if response.status_code >= 500 or response.status_code == 429:
        raise _unreachable(f"{_path(url)}: status {response.status_code}")
    payload = _parse(body)
    if payload is None:
        if response.status_code == 200:
            raise _unreachable(f"{_path(url)}: the answer is no JSON object")
        payload = {}
    return Answer(response.status_code, payload)


def _read(response: httpx.Response, end: float) -> bytes:
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise _unreachable("the answer is compressed")
    body = b""
    for chunk in response.iter_raw():
        body += chunk
        if len(body) > MAX_BYTES:
            raise _unreachable("the answer is too long")
        # An answer that comes drop by drop passes every timeout on a single read.
        if time.monotonic() > end:
            raise _unreachable("the answer is too slow")
    return body


def _parse(body: bytes) -> dict[str, Any] | None:
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return payload if isinstance(payload, dict) else None


def _path(url: str) -> str:
    return httpx.URL(url).path


def _unreachable(detail: str) -> OidcError:
    return OidcError(Reason.UNREACHABLE, detail)
