"""The client against servers that misbehave on the wire."""

import json
import logging
import threading
import time
from contextlib import contextmanager, suppress
from datetime import timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from django.utils import timezone

from apps.integrations.sources.github import limits, queries
from apps.integrations.sources.github.client import GitHubClient
from apps.integrations.sources.github.endpoints import Endpoints
from apps.integrations.sources.github.errors import (
    AccessDenied,
    BadCredentials,
    BadResponse,
    MissingCredentials,
    NotFound,
    Overloaded,
    RateLimited,
    Unreachable,
)
from apps.integrations.sources.github.limits import connection_words, reset_time
from apps.integrations.sources.github.pages import GitHubPages

TOKEN = "s3cret-Tökén"
VIEWER = {"data": {"viewer": {"login": "ada", "databaseId": 1}}}


@contextmanager
def answering(status=200, body=VIEWER, headers=None, delay=0.0, seen=None):
    """A server that gives every request the same answer; yields its address."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    class Handler(BaseHTTPRequestHandler):
        def answer(self):
            self.rfile.read(int(self.headers.get("content-length") or 0))
            if seen is not None:
                seen.append((self.command, self.path, dict(self.headers)))
            time.sleep(delay)
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            with suppress(OSError):  # the client may have had enough
                self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
    )
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def ask(url, **options):
    with GitHubClient(url, TOKEN, **options) as client:
        return client.graphql(queries.VIEWER, {}, what="acme/api")


def raised(kind, **answer):
    with answering(**answer) as url, pytest.raises(kind) as caught:
        ask(url)
    assert TOKEN not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return caught.value


def test_an_answer_and_what_is_sent():
    seen = []
    with answering(
        seen=seen, headers={"x-ratelimit-limit": "5000", "x-ratelimit-remaining": "4999"}
    ) as url:
        assert ask(url).data == VIEWER["data"]
        assert ask(f"{url}/api/v3").data == VIEWER["data"]
        with GitHubClient(f"{url}/api/v3", TOKEN) as client:
            assert client.get("/user", {"page": "2"}) == VIEWER
    assert [entry[1] for entry in seen] == ["/graphql", "/api/graphql", "/api/v3/user?page=2"]
    assert seen[0][2]["Authorization"].encode("latin-1").decode() == f"Bearer {TOKEN}"


@pytest.mark.parametrize(
    ("base", "graphql", "rest"),
    [
        ("https://api.github.com", "https://api.github.com/graphql", "https://api.github.com"),
        ("https://api.github.com/", "https://api.github.com/graphql", "https://api.github.com"),
        (
            "https://ghe.acme.com/api/v3",
            "https://ghe.acme.com/api/graphql",
            "https://ghe.acme.com/api/v3",
        ),
        ("http://localhost:8010", "http://localhost:8010/graphql", "http://localhost:8010"),
    ],
)
def test_addresses(base, graphql, rest):
    assert (Endpoints.of(base).graphql, Endpoints.of(base).rest) == (graphql, rest)


def test_the_token_is_nowhere_to_be_seen(caplog):
    caplog.set_level(logging.DEBUG)
    with GitHubClient("http://127.0.0.1:1", TOKEN) as client:
        assert TOKEN not in repr(client)
        with pytest.raises(Unreachable) as caught:
            client.graphql(queries.VIEWER, {})
    assert TOKEN not in repr(caught.value)
    assert TOKEN not in caplog.text
    error = raised(BadResponse, body={"errors": [{"message": f"what is {TOKEN}?"}]})
    assert "what is …?" in str(error)


@pytest.mark.parametrize("token", ["", "  \n"])
def test_no_token(token):
    with pytest.raises(MissingCredentials):
        GitHubClient("http://localhost", token)


def test_a_token_that_cannot_be_sent():
    with pytest.raises(BadCredentials):
        GitHubClient("http://localhost", "a\r\nX-Evil: 1")


def test_statuses():
    raised(BadCredentials, status=401, body={"message": "Bad credentials"})
    for status in (500, 502, 503, 504):
        assert f"HTTP {status}" in str(raised(Overloaded, status=status, body=b"<html>"))
    assert "address of GitHub's API" in str(raised(BadResponse, status=404))
    assert "HTTP 418" in str(raised(BadResponse, status=418))


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'{"data": 5}', b"[" * 100_000, b"\xff\xfe", b'{"data":'],
)
def test_answers_that_are_none(body):
    raised(BadResponse, body=body)


def test_denials_name_what_mends_them():
    url = "https://github.com/orgs/acme/sso?authorization_request=1"
    error = raised(
        AccessDenied,
        status=403,
        headers={"X-GitHub-SSO": f"required; url={url}"},
        body={"message": "SAML"},
    )
    assert error.url == url
    assert url in str(error)
    error = raised(
        AccessDenied,
        status=403,
        headers={"X-Accepted-GitHub-Permissions": "pull_requests=read"},
    )
    assert "pull_requests=read" in str(error)
    saml = {
        "errors": [
            {"type": "FORBIDDEN", "message": "SAML", "extensions": {"saml_failure": True}}
        ],
        "data": None,
    }
    assert "single sign-on" in str(raised(AccessDenied, body=saml))


def test_limits_say_when_they_end():
    def minutes(error):
        return round((error.until - timezone.now()) / timedelta(minutes=1))

    reset = str(int(time.time()) + 1200)
    error = raised(
        RateLimited,
        status=403,
        headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset},
    )
    assert (minutes(error), error.secondary) == (20, False)
    spent = {"errors": [{"type": "RATE_LIMITED", "message": "API rate limit exceeded"}]}
    error = raised(
        RateLimited,
        body=spent,
        headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset},
    )
    assert (minutes(error), error.secondary) == (20, False)
    assert minutes(raised(RateLimited, body=spent)) == 1
    error = raised(RateLimited, status=403, headers={"retry-after": "300"})
    assert (minutes(error), error.secondary) == (5, True)
    error = raised(
        RateLimited, status=403, body={"message": "You have exceeded a secondary rate limit."}
    )
    assert (minutes(error), error.secondary) == (1, True)
    # Nonsense in headers is no reason to wait for ever.
    error = raised(
        RateLimited,
        status=429,
        headers={"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 14},
    )
    assert minutes(error) == 1


@pytest.mark.parametrize(
    "skew", [timedelta(0), timedelta(hours=1), timedelta(hours=-1), timedelta(days=400)]
)
def test_wait_for_a_limit_does_not_depend_on_our_clock(skew):
    """GitHub's clock differs from ours by `skew`, in its Date and in the time of the
    reset.
    """
    there = timezone.now() + skew
    headers = {"date": format_datetime(there, usegmt=True), "x-ratelimit-remaining": "0"}
    headers["x-ratelimit-reset"] = str(int(there.timestamp()) + 600)
    limit = limits.limit_in(headers, "", 403)
    assert 600 <= (limit.until - timezone.now()).total_seconds() <= 602
    # A reset that is over for GitHub is over for us.
    headers["x-ratelimit-reset"] = str(int(there.timestamp()) - 30)
    assert (limits.limit_in(headers, "", 403).until - timezone.now()).total_seconds() <= 2


def test_with_nothing_remaining_nothing_is_asked():
    seen = []
    headers = {
        "x-ratelimit-limit": "9",
        "x-ratelimit-remaining": "0",
        "x-ratelimit-reset": str(int(time.time()) + 600),
    }
    with answering(headers=headers, seen=seen) as url, GitHubClient(url, TOKEN) as client:
        assert client.graphql(queries.VIEWER, {}).data
        with pytest.raises(RateLimited):
            client.graphql(queries.VIEWER, {})
    assert len(seen) == 1


@pytest.mark.parametrize(
    "kind", ["RESOURCE_LIMITS_EXCEEDED", "SERVICE_UNAVAILABLE", "MAX_NODE_LIMIT_EXCEEDED"]
)
def test_too_much_at_once(kind):
    raised(
        Overloaded,
        body={
            "data": VIEWER["data"],
            "errors": [{"type": kind, "message": "no", "path": ["viewer"]}],
        },
    )


def test_errors_of_any_shape_are_errors():
    for errors in (["a text"], {"not": "a list"}, [{"message": None}], [None]):
        raised(BadResponse, body={"data": None, "errors": errors})


def test_an_answer_that_is_too_large():
    with (
        answering(body=b" " * 3_000_000) as url,
        pytest.raises(Overloaded, match="larger than 1 MB"),
    ):
        ask(url, max_bytes=1024**2)


def test_an_answer_that_comes_too_late():
    with answering(delay=1.0) as url, pytest.raises(Overloaded, match="within the time"):
        ask(url, timeout=httpx.Timeout(0.2))


def test_an_answer_that_trickles():
    with (
        answering(body=b" " * 3_000_000) as url,
        pytest.raises(Overloaded, match="within the time"),
    ):
        ask(url, request_seconds=0.0)


def test_redirects_stay_with_the_host():
    seen = []
    with answering(seen=seen) as elsewhere:
        error = raised(BadResponse, status=307, headers={"location": f"{elsewhere}/graphql"})
    assert "another host" in str(error)
    assert seen == []
    assert "too often" in str(raised(BadResponse, status=307, headers={"location": "/graphql"}))


def test_a_host_that_speaks_no_tls():
    with answering() as url, pytest.raises(Unreachable, match="secure connection"):
        ask(url.replace("http:", "https:"))


@pytest.mark.parametrize(
    ("technical", "words"),
    [
        ("[Errno -2] Name or service not known", "no host of that name"),
        ("[Errno -3] Temporary failure in name resolution", "could not be looked up"),
        (
            "[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed",
            "certificate is not trusted",
        ),
        ("[Errno 113] whatever", "no connection could be made"),
    ],
)
def test_connection_errors_in_words(technical, words):
    assert words in connection_words(technical)


def test_rest_not_found():
    with (
        answering(status=404) as url,
        GitHubClient(url, TOKEN) as client,
        pytest.raises(NotFound, match="acme/api"),
    ):
        client.get("/repos/acme/api", what="acme/api")


def test_repository_facts_and_outage(octo):
    with GitHubClient(octo.url, TOKEN) as client:
        facts = GitHubPages(client).repository("octo/hello")
        assert (facts.full_name, facts.default_branch) == ("octo/hello", "main")
        with pytest.raises(NotFound):
            GitHubPages(client).repository("octo/nowhere")
        octo.faults({"status": 502})
        with pytest.raises(Unreachable, match="HTTP 502"):
            GitHubPages(client).ping()


@pytest.mark.parametrize(
    "shown",
    ["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 -1200", "yesterday", ""],
)
def test_reset_is_read_by_our_clock_if_the_date_is_a_proxys(shown):
    until = reset_time({"date": shown, "x-ratelimit-reset": str(int(time.time()) + 900)})
    assert abs(until - timezone.now() - timedelta(seconds=900)) < timedelta(seconds=10)
