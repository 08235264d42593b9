"""GitHub's rows of the fault table."""

import gzip

from tests.faults.model_rows import http
from tests.faults.table import Most, Row

# A page is rendered from rows: no request, no line.
PAGE = Most(seconds=10, requests=0, lines=0)
FAILED, PARTIAL, WAITING, DONE = "failed", "partial", "waiting", "done"
# Seconds: a setup without a fault takes 4 here, on a machine with other work.
QUICK, PATIENT = 25, 60
SKELETON, UPDATED = {"operation": "Skeleton"}, {"operation": "Updated"}
DETAIL = {"operation": "Detail"}
HELLO = {"repository": "octo/hello"}


def row(name, ends, outcome, requests, lines=4, seconds=QUICK, **fault):
    """Return a row whose night may take what its onboarding may."""
    most = Most(seconds, requests, lines)
    return Row(name, outcome, most, most, PAGE, ends, **fault)


def errors(*entries, data=None):
    """Return the bytes of a GraphQL answer with errors."""
    return http(200, {"data": data, "errors": list(entries)})


def plain(status, body=b"", *headers):
    """Return an answer in HTML."""
    lines = [
        f"HTTP/1.1 {status} X",
        "content-type: text/html",
        f"content-length: {len(body)}",
        *headers,
        "",
        "",
    ]
    return "\r\n".join(lines).encode() + body


def limit(*headers, status=403, text="You have exceeded a secondary rate limit."):
    return http(status, {"message": text}, *headers)


BOMB = gzip.compress(b" " * 80_000_000, 9)
SURROGATE = b'{"data": null, "errors": [{"type": "FORBIDDEN", "message": "half \\ud83d and \\u0000 NUL"}]}'
GATEWAY = (
    "Something went wrong while executing your query. This may be the result of a timeout."
)

ROWS = [
    row("sound", DONE, "", 20),
    # Statuses.
    row(
        "token_refused",
        FAILED,
        "token_refused",
        2,
        content=http(401, {"message": "Bad credentials"}),
    ),
    row(
        "token_refused_in_html",
        FAILED,
        "token_refused",
        2,
        content=plain(401, b"<html>401</html>"),
    ),
    row("forbidden_without_words", FAILED, "access_denied", 6, content=http(403, {})),
    row(
        "proxy_forbids",
        FAILED,
        "refused_by_proxy",
        6,
        content=plain(403, b"<html>Blocked by policy 7</html>"),
    ),
    row(
        "wrong_address",
        WAITING,
        "unreachable",
        4,
        content=plain(404, b"<html>Not Found</html>"),
    ),
    row(
        "unprocessable",
        WAITING,
        "unreachable",
        4,
        content=http(422, {"message": "Validation Failed"}),
    ),
    row(
        "bad_request",
        WAITING,
        "unreachable",
        4,
        content=http(400, {"message": "Problems parsing JSON"}),
    ),
    row("status_999", WAITING, "unreachable", 4, content=http(999)),
    row("server_error", WAITING, "unreachable", 4, content=plain(500, b"<h1>Unicorn!</h1>")),
    row(
        "bad_gateway",
        WAITING,
        "unreachable",
        4,
        content=http(502, {"data": None, "errors": [{"message": GATEWAY}]}),
    ),
    row(
        "unavailable",
        WAITING,
        "unreachable",
        4,
        content=plain(503, b"<html>No server is available</html>"),
    ),
    row(
        "gateway_timeout",
        WAITING,
        "unreachable",
        4,
        content=http(504, {"message": "We couldn't respond in time"}),
    ),
    row(
        "redirect_elsewhere",
        WAITING,
        "unreachable",
        4,
        content=http(301, b"", "location: http://127.0.0.1:9/x"),
    ),
    row(
        "redirect_in_a_circle",
        WAITING,
        "unreachable",
        16,
        content=http(307, b"", "location: /graphql"),
    ),
    row("redirect_nowhere", WAITING, "unreachable", 16, content=http(302)),
    # Limits.
    row(
        "limit_an_hour",
        WAITING,
        "rate_limit",
        3,
        fault={"rate_limit": "primary", "reset_in": 900},
    ),
    row(
        "limit_in_a_short_time",
        WAITING,
        "secondary_limit",
        3,
        fault={"rate_limit": "secondary", "reset_in": 900},
    ),
    row("limit_without_a_time", WAITING, "secondary_limit", 3, content=limit(status=429)),
    row(
        "limit_as_html",
        WAITING,
        "secondary_limit",
        3,
        content=plain(429, b"<h1>Whoa there!</h1> rate-limit"),
    ),
    row("limit_zero", WAITING, "secondary_limit", 5, content=limit("retry-after: 0")),
    row("limit_infinite", WAITING, "secondary_limit", 3, content=limit("retry-after: inf")),
    row("limit_negative", WAITING, "secondary_limit", 3, content=limit("retry-after: -1")),
    row(
        "limit_of_5000_digits",
        WAITING,
        "secondary_limit",
        3,
        content=limit("retry-after: " + "9" * 5000),
    ),
    row(
        "limit_as_a_date",
        WAITING,
        "secondary_limit",
        3,
        content=limit("retry-after: Fri, 31 Dec 2100 23:59:59 GMT"),
    ),
    row(
        "limit_reset_in_the_past",
        WAITING,
        "rate_limit",
        5,
        content=limit(
            "x-ratelimit-limit: 5000", "x-ratelimit-remaining: 0", "x-ratelimit-reset: 1"
        ),
    ),
    row(
        "limit_reset_in_3000_years",
        WAITING,
        "rate_limit",
        3,
        content=limit(
            "x-ratelimit-limit: 5000",
            "x-ratelimit-remaining: 0",
            "x-ratelimit-reset: 99999999999",
        ),
    ),
    # Refusals, in GitHub's own sentences.
    row("permission", FAILED, "access_denied", 6, fault={"refusal": "permission"}),
    row("ip_allow_list", FAILED, "ip_allow_list", 6, fault={"refusal": "ip_allow_list"}),
    row("classic_token", FAILED, "token_kind", 6, fault={"refusal": "classic_token"}),
    row("token_lifetime", FAILED, "token_lifetime", 6, fault={"refusal": "token_lifetime"}),
    row(
        "oauth_restricted", FAILED, "app_not_approved", 6, fault={"refusal": "oauth_restricted"}
    ),
    row("single_sign_on", FAILED, "single_sign_on", 6, fault={"refusal": "saml"}),
    row("scopes", FAILED, "scopes_missing", 6, fault={"refusal": "scopes"}),
    row("taken_down", FAILED, "blocked", 6, fault={"refusal": "dmca"}),
    row("disabled", FAILED, "disabled", 6, fault={"refusal": "disabled"}),
    row("suspended", FAILED, "account_suspended", 3, fault={"refusal": "suspended"}),
    row(
        "installation_suspended",
        FAILED,
        "installation_suspended",
        3,
        fault={"refusal": "installation_suspended"},
    ),
    row("unknown_words", FAILED, "refused", 6, fault={"refusal": "unknown"}),
    row(
        "one_repository_refused",
        PARTIAL,
        "ip_allow_list",
        12,
        fault={"match": HELLO, "refusal": "ip_allow_list"},
    ),
    # Answers without an answer.
    row(
        "no_json",
        WAITING,
        "unreachable",
        4,
        content=http(200, b"<html>Sign in to the network</html>"),
    ),
    row("half_of_json", WAITING, "unreachable", 4, content=http(200, b'{"data": {"repo')),
    row("list", WAITING, "unreachable", 4, content=http(200, [])),
    row("null", WAITING, "unreachable", 4, content=http(200, b"null")),
    row("no_data", WAITING, "unreachable", 4, content=http(200, {})),
    row("data_is_a_text", WAITING, "unreachable", 4, content=http(200, {"data": "none"})),
    row("data_is_empty", FAILED, "not_found", 12, content=http(200, {"data": {}})),
    row(
        "repository_is_a_number",
        FAILED,
        "not_found",
        6,
        content=http(200, {"data": {"repository": 5}}),
    ),
    row(
        "repository_is_null",
        FAILED,
        "not_found",
        12,
        content=http(200, {"data": {"repository": None}}),
    ),
    row("errors_are_a_text", WAITING, "unreachable", 4, content=http(200, {"errors": "no"})),
    row("errors_are_numbers", WAITING, "unreachable", 4, content=errors(1, None, ["x"])),
    row("surrogate_and_nul", FAILED, "refused", 12, content=http(200, SURROGATE)),
    row("nesting", WAITING, "unreachable", 4, content=http(200, b"[" * 50_000)),
    row("went_wrong", WAITING, "unreachable", 4, content=errors({"message": GATEWAY})),
    row(
        "too_much",
        WAITING,
        "unreachable",
        4,
        content=errors({"type": "RESOURCE_LIMITS_EXCEEDED", "message": "No."}),
    ),
    # Bytes. Each is another exception of the HTTP library.
    row("nothing", WAITING, "unreachable", 4, content=b""),
    row("reset", WAITING, "unreachable", 4, content=b"", how={"then": "reset"}),
    row("no_http", WAITING, "unreachable", 4, content=b"SSH-2.0-OpenSSH_9.7\r\n"),
    row("cut_off", WAITING, "unreachable", 4, content=http(200, b"{" + b" " * 100)[:-50]),
    row(
        "broken_compression",
        WAITING,
        "unreachable",
        4,
        content=http(200, b"\x00\x01", "content-encoding: gzip"),
    ),
    row(
        "broken_chunks",
        WAITING,
        "unreachable",
        4,
        content=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ),
    row(
        "bomb",
        WAITING,
        "unreachable",
        4,
        seconds=PATIENT,
        content=http(200, BOMB, "content-encoding: gzip"),
    ),
    row("hangs", WAITING, "unreachable", 4, seconds=PATIENT, content=b"", how={"then": "hang"}),
    # Broken in a part.
    row("details_fail", PARTIAL, "incomplete", 110, fault={"match": DETAIL, "status": 502}),
    row(
        "lists_fail",
        FAILED,
        "overloaded",
        24,
        fault=[{"match": SKELETON, "status": 502}, {"match": UPDATED, "status": 502}],
    ),
    row(
        "details_are_null",
        PARTIAL,
        "incomplete",
        60,
        fault={"match": DETAIL, "null_nodes": True},
    ),
    row(
        "details_break_off",
        PARTIAL,
        "incomplete",
        110,
        fault={"match": DETAIL, "disconnect": True},
    ),
    row(
        "details_without_commits",
        PARTIAL,
        "incomplete",
        60,
        fault={"match": DETAIL, "set": {"commits": None}},
    ),
    row(
        "times_are_words",
        PARTIAL,
        "incomplete",
        60,
        fault={"match": HELLO, "set": {"createdAt": "yesterday"}},
    ),
    row(
        "negative_sizes",
        PARTIAL,
        "incomplete",
        60,
        fault={"match": HELLO, "set": {"additions": -1}},
    ),
    row(
        "token_revoked_in_the_midst",
        FAILED,
        "token_refused",
        6,
        fault={"match": DETAIL, "status": 401},
    ),
    row(
        "limit_in_the_midst",
        WAITING,
        "rate_limit",
        6,
        fault={"match": DETAIL, "rate_limit": "primary"},
    ),
    row("slow", DONE, "", 20, seconds=PATIENT, fault={"delay": 1}),
]
