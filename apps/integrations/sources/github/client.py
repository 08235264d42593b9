"""A thin client of GitHub's GraphQL and REST interfaces: one request, one typed result
or one typed error.

It never retries and never sleeps; the sync decides what to do after an error. Each
phase of a request has a timeout, and so has the request as a whole. Answers are read up
to a maximum size, and redirects are followed within the same origin only. The token is
sent as it is, whatever its form, and is in no log, error, or `repr`.
"""

import hashlib
import json
import time
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx
from django.utils import timezone

from apps.integrations.sources.github import limits
from apps.integrations.sources.github.endpoints import Endpoints
from apps.integrations.sources.github.errors import (
    BadCredentials,
    BadResponse,
    MissingCredentials,
    NotFound,
    Overloaded,
    RateLimited,
    Unreachable,
)
from apps.integrations.sources.github.issues import (
    Issue,
    denial,
    quoted,
    read_issues,
    whole_request_error,
)
from apps.integrations.sources.github.refusals import LEGAL, PAGE
from apps.tls import tls_context

# GitHub gives up on a request after 10 s; the rest is for the network.
TIMEOUT = httpx.Timeout(connect=5.0, read=15.0, write=15.0, pool=5.0)
REQUEST_SECONDS = 60.0
# A response with 25 pull requests of the usual size, with bodies and messages, has 200
# KB.
MAX_BYTES = 32 * 1024 * 1024
MAX_REDIRECTS = 3
REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(frozen=True, slots=True)
class Reply:
    """GraphQL's answer. If `issues` is not empty, `data` has nulls at their paths.

    `at` is GitHub's clock.
    """

    data: dict[str, Any]
    issues: tuple[Issue, ...]
    at: datetime


@dataclass(frozen=True, slots=True)
class Answer:
    """The JSON at a REST path, and the headers that it came with."""

    data: Any
    headers: httpx.Headers


@dataclass(frozen=True, slots=True)
class _Raw:
    status: int
    headers: httpx.Headers
    body: bytes


class GitHubClient:
    """One token's view of GitHub.

    Use it as a context manager; it keeps connections open. Raises GitHubError only.
    """

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeout: httpx.Timeout = TIMEOUT,
        request_seconds: float = REQUEST_SECONDS,
        max_bytes: int = MAX_BYTES,
        identity: str = "",
    ) -> None:
        """Pass `identity` to name a credential whose token changes; without it the
        token itself is the name.
        """
        self.endpoints = Endpoints.of(base_url)
        self.rate: limits.Rate | None = None
        self.identity = identity
        self.has_answered = False
        self.use(token)
        self._request_seconds = request_seconds
        self._max_bytes = max_bytes
        headers = {"User-Agent": "firstlight"}
        self._http = httpx.Client(
            verify=tls_context(), timeout=timeout, follow_redirects=False, headers=headers
        )

    def use(self, token: str) -> None:
        """Use another token from now on. Raises MissingCredentials, BadCredentials."""
        self._token = token.strip()
        if not self._token:
            raise MissingCredentials
        # A pasted token may contain a line break, with which the HTTP library would
        # raise an error that quotes the token.
        if any(ord(character) < 32 or ord(character) == 127 for character in self._token):
            raise BadCredentials(
                "it contains line breaks or other characters that cannot be sent"
            )

    @property
    def fingerprint(self) -> str:
        """Return a name of the credential that does not reveal it. All processes store
        what they know of the credential under it.
        """
        return hashlib.sha256(
            f"{self.endpoints.rest}\0{self.identity or self._token}".encode()
        ).hexdigest()

    def __repr__(self) -> str:
        # Without the token, because a `repr` may appear in logs and tracebacks.
        return f"GitHubClient({self.endpoints.rest!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._http.close()

    def graphql(self, document: str, variables: dict[str, Any], *, what: str = "this") -> Reply:
        """Run one query. `what` names its subject in errors.

        Errors of single fields are returned as issues.
        """
        content = json.dumps({"query": document, "variables": variables}).encode()
        raw = self._send("POST", self.endpoints.graphql, what, content=content)
        answer = self._object(raw)
        issues = read_issues(answer, self._token)
        if error := whole_request_error(issues, raw.headers, what):
            raise error
        data = answer.get("data")
        if not isinstance(data, dict):
            raise issues[0].as_error(what) if issues else BadResponse("it contains no data")
        # Only now: an error page has a status, too, but does not show that GitHub
        # answers queries.
        self.has_answered = True
        return Reply(data, issues, limits.clock(raw.headers))

    def get(
        self, path: str, params: dict[str, str] | None = None, *, what: str = "this"
    ) -> Any:
        """Return the JSON at a REST path like `/user`."""
        return self.answer(path, params, what=what).data

    def answer(
        self, path: str, params: dict[str, str] | None = None, *, what: str = "this"
    ) -> Answer:
        """Return the JSON and its headers, which contain scopes, single sign-on, and
        further pages.
        """
        raw = self._send("GET", f"{self.endpoints.rest}{path}", what, params=params)
        return Answer(self._json(raw), raw.headers)

    def post(self, path: str, *, what: str = "this") -> Any:
        """Return the JSON that a POST with an empty body gets at a REST path."""
        return self._json(
            self._send("POST", f"{self.endpoints.rest}{path}", what, content=b"{}")
        )

    def revoke(self) -> None:
        """End the token of an app's installation at once. GitHub has no such call for
        personal tokens.
        """
        self._send("DELETE", f"{self.endpoints.rest}/installation/token", "token")

    def _send(self, method: str, url: str, what: str, **options: Any) -> _Raw:
        if self.rate and self.rate.remaining == 0 and timezone.now() < self.rate.resets_at:
            # GitHub may ban an application that sends requests while it is limited.
            raise RateLimited(self.rate.resets_at)
        # GitHub redirects requests for renamed repositories.
        for _ in range(MAX_REDIRECTS + 1):
            raw = self._exchange(method, url, options)
            if raw.status not in REDIRECTS:
                return self._checked(raw, method, what)
            url = self._redirected(url, raw)
        raise BadResponse("it redirects too often")

    def _redirected(self, url: str, raw: _Raw) -> str:
        target: str = urljoin(url, raw.headers.get("location", ""))
        here, there = urlsplit(url), urlsplit(target)
        # The token must never be sent to another host.
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise BadResponse(
                "it redirects to another host, which would receive the token; check the address "
                "of GitHub's API"
            )
        return target

    def _exchange(self, method: str, url: str, options: dict[str, Any]) -> _Raw:
        headers = {
            b"Authorization": b"Bearer " + self._token.encode(),
            b"Accept": b"application/vnd.github+json",
            b"Content-Type": b"application/json",
            b"X-GitHub-Api-Version": b"2022-11-28",
        }
        host = self.endpoints.host
        # The library's exceptions contain the request with its headers, and so the
        # token. Errors raised here are therefore not chained to them.
        try:
            with self._http.stream(method, url, headers=headers, **options) as response:
                return _Raw(response.status_code, response.headers, self._body(response))
        except httpx.ConnectTimeout:
            raise Unreachable(host, "no connection within the time allowed") from None
        except (httpx.ConnectError, httpx.ProxyError) as error:
            raise Unreachable(host, limits.connection_words(str(error))) from None
        except (httpx.UnsupportedProtocol, httpx.InvalidURL, UnicodeError):
            raise Unreachable(host, "the address cannot be used") from None
        except httpx.TimeoutException:
            raise Overloaded("the answer did not come within the time allowed") from None
        except httpx.DecodingError:
            raise BadResponse("its compression is broken") from None
        except httpx.HTTPError:
            raise Overloaded("the connection broke off") from None

    def _body(self, response: httpx.Response) -> bytes:
        # The library's timeout applies to each read, so a slow trickle needs a limit of
        # its own.
        ends = time.monotonic() + self._request_seconds
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > self._max_bytes:
                raise Overloaded(f"the answer is larger than {self._max_bytes // 1024**2} MB")
            if time.monotonic() > ends:
                raise Overloaded("the answer did not come within the time allowed")
        return bytes(body)

    def _checked(self, raw: _Raw, method: str, what: str) -> _Raw:
        # Error answers have the headers, too, so they are read before the status is
        # checked.
        self.rate = limits.read_rate(raw.headers) or self.rate
        if raw.status in (200, 201, 204):
            return raw
        if raw.status == 401:
            raise BadCredentials
        if raw.status in (403, 429, 451):
            if limit := limits.limit_in(raw.headers, limits.readable(raw.body), raw.status):
                raise limit
            kind, message = self._refusal(raw)
            raise denial(raw.headers, message, what, kind=kind)
        if raw.status >= 500:
            raise Overloaded(f"it answered with HTTP {raw.status}")
        if raw.status == 404 and method == "GET":
            raise NotFound(
                f"GitHub knows no {what} that the token may read. Check the name and the token's access."
            )
        if raw.status == 404:
            raise BadResponse(
                f"there is no GraphQL interface at {self.endpoints.host}; check the address of GitHub's API"
            )
        raise BadResponse(f"it answered with HTTP {raw.status}")

    def _refusal(self, raw: _Raw) -> tuple[str, str]:
        """Return the kind of a refusal over HTTP, and GitHub's message or the text of
        the page.
        """
        kind = LEGAL if raw.status == 451 else ""
        try:
            answer = self._json(raw)
        except BadResponse:
            return kind or PAGE, quoted(limits.readable(raw.body), self._token)
        if not isinstance(answer, dict):
            return kind, ""
        message, block = answer.get("message"), answer.get("block")
        if isinstance(message, str) and isinstance(block, dict):
            message = f"{message} ({block.get('reason')}, {block.get('html_url')})"
        return kind, quoted(message, self._token)

    def _json(self, raw: _Raw) -> Any:
        try:
            return json.loads(raw.body)
        except (ValueError, RecursionError):
            raise BadResponse("it is broken or cut off") from None

    def _object(self, raw: _Raw) -> dict[str, Any]:
        answer = self._json(raw)
        if not isinstance(answer, dict):
            raise BadResponse("it is not of the shape that GraphQL has")
        return answer
