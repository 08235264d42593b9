"""The language model's rows of the fault table."""

import json

from tests.faults.table import Most, Row

JSON = "content-type: application/json"
# A page is rendered from rows: no request, no line.
PAGE = Most(seconds=10, requests=0, lines=0)
CONTINUES, WORKS = "ai_continues", ""


def http(status, body=b"", *headers):
    """Return an answer's bytes."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} X", JSON, f"content-length: {len(content)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + content


def error(message="", code=None, kind="invalid_request_error", **more):
    return {"error": {"message": message, "type": kind, "code": code, **more}}


def row(name, outcome, seconds, requests, lines=6, **fault):
    """Return a row whose night may take what its onboarding may."""
    most = Most(seconds, requests, lines)
    return Row(name, outcome, most, most, PAGE, **fault)


def answer(content, **more):
    """Return a completion with this content."""
    message = {"role": "assistant", "content": content}
    return {
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {},
    } | more


SURROGATE = b'{"error": {"message": "half \\ud83d and \\u0000 NUL", "type": "x"}}'
# Seconds: a setup without a model takes 6 here, on a machine with other work;
# LLM_PATIENCE is 4.
QUICK, PATIENT = 25, 30

ROWS = [
    row("sound", WORKS, QUICK, 8, fault=None),
    # Statuses.
    row(
        "key_refused",
        "ai_key_refused",
        QUICK,
        3,
        8,
        content=http(401, error("Incorrect API key")),
    ),
    row("forbidden", "ai_key_refused", QUICK, 3, 8, content=http(403, error("Forbidden"))),
    row("proxy_wants_a_password", "ai_key_refused", QUICK, 3, 8, content=http(407)),
    row(
        "no_such_page",
        "ai_address_wrong",
        QUICK,
        3,
        8,
        content=http(404, b"<html>Not Found</html>"),
    ),
    row(
        "no_such_model",
        "ai_model_missing",
        QUICK,
        3,
        8,
        content=http(404, error("The model `x` does not exist")),
    ),
    row("wrong_method", "ai_address_wrong", QUICK, 3, 8, content=http(405)),
    row("gone", "ai_address_wrong", QUICK, 3, 8, content=http(410)),
    row(
        "redirect",
        "ai_address_wrong",
        QUICK,
        3,
        8,
        content=http(302, b"", "location: http://127.0.0.1:9/"),
    ),
    row(
        "redirect_to_itself",
        "ai_address_wrong",
        QUICK,
        3,
        8,
        content=http(307, b"", "location: /v1/chat/completions"),
    ),
    row(
        "payment_required",
        CONTINUES,
        QUICK,
        3,
        content=http(402, error("Insufficient credits")),
    ),
    row("conflict", CONTINUES, PATIENT, 16, content=http(409)),
    row("server_error", CONTINUES, PATIENT, 16, content=http(500, b"Internal Server Error")),
    row("bad_gateway", CONTINUES, PATIENT, 16, content=http(502, b"<html><h1>502</h1></html>")),
    row("unavailable", CONTINUES, PATIENT, 16, content=http(503)),
    row("timeout_of_a_gateway", CONTINUES, PATIENT, 16, content=http(524)),
    row("status_999", CONTINUES, PATIENT, 16, content=http(999)),
    row(
        "every_request_refused",
        "ai_request_refused",
        PATIENT,
        40,
        8,
        content=http(400, error("No.")),
    ),
    row(
        "unprocessable",
        "ai_request_refused",
        PATIENT,
        40,
        8,
        content=http(422, {"detail": [{"msg": "No."}]}),
    ),
    # Limits.
    row(
        "quota",
        CONTINUES,
        QUICK,
        3,
        content=http(429, error("You exceeded your current quota", "insufficient_quota")),
    ),
    row("limit_a_day", CONTINUES, QUICK, 3, content=http(429, b"{}", "retry-after: 25920")),
    row("limit_zero", CONTINUES, PATIENT, 8, content=http(429, b"{}", "retry-after: 0")),
    row("limit_negative", CONTINUES, PATIENT, 8, content=http(429, b"{}", "retry-after: -100")),
    row("limit_infinite", CONTINUES, QUICK, 3, content=http(429, b"{}", "retry-after: inf")),
    row("limit_nan", CONTINUES, QUICK, 3, content=http(429, b"{}", "retry-after: nan")),
    row(
        "limit_of_5000_digits",
        CONTINUES,
        QUICK,
        3,
        content=http(429, b"{}", "retry-after: " + "9" * 5000),
    ),
    row(
        "limit_as_a_date",
        CONTINUES,
        QUICK,
        3,
        content=http(429, b"", "retry-after: Fri, 31 Dec 2100 23:59:59 GMT"),
    ),
    row(
        "limit_as_a_past_date",
        CONTINUES,
        PATIENT,
        8,
        content=http(429, b"", "retry-after: Fri, 31 Dec 1999 23:59:59 GMT"),
    ),
    row("overloaded", CONTINUES, QUICK, 3, content=http(503, b"{}", "retry-after: 120")),
    row(
        "limit_in_a_200",
        CONTINUES,
        QUICK,
        3,
        content=http(200, error("Rate limit exceeded", 429)),
    ),
    # Answers without an answer.
    row(
        "error_in_a_200",
        CONTINUES,
        PATIENT,
        16,
        content=http(200, error("Provider returned error", 502)),
    ),
    row("no_choices", CONTINUES, PATIENT, 16, content=http(200, {"choices": []})),
    row("choices_are_a_text", CONTINUES, PATIENT, 16, content=http(200, {"choices": "none"})),
    row("null", CONTINUES, PATIENT, 16, content=http(200, b"null")),
    row(
        "no_json",
        CONTINUES,
        PATIENT,
        16,
        content=http(200, b"<html>Sign in to the network</html>"),
    ),
    row("half_of_json", CONTINUES, PATIENT, 16, content=http(200, b'{"choices": [{"mess')),
    row("nesting", CONTINUES, PATIENT, 16, content=http(200, b"[" * 50_000)),
    row(
        "surrogate_and_nul", "ai_request_refused", PATIENT, 40, 8, content=http(400, SURROGATE)
    ),
    row(
        "refusal_in_prose",
        CONTINUES,
        PATIENT,
        30,
        content=http(200, answer("I can't help with that.")),
    ),
    row("empty_content", CONTINUES, PATIENT, 30, content=http(200, answer(""))),
    row(
        "content_of_numbers",
        CONTINUES,
        PATIENT,
        30,
        content=http(200, answer([1, None, {"type": "text", "text": 5}])),
    ),
    row(
        "usage_of_400_digits",
        CONTINUES,
        PATIENT,
        30,
        content=http(
            200,
            b'{"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 1e400}}',
        ),
    ),
    row(
        "limit_header_of_5000_digits",
        CONTINUES,
        PATIENT,
        30,
        content=http(200, answer("x"), "x-ratelimit-limit-tokens: " + "9" * 5000),
    ),
    # Bytes.
    row("nothing", CONTINUES, PATIENT, 16, content=b""),
    row("reset", CONTINUES, PATIENT, 16, content=b"", how={"then": "reset"}),
    row("no_http", CONTINUES, PATIENT, 16, content=b"SSH-2.0-OpenSSH_9.7\r\n"),
    row("cut_off", CONTINUES, PATIENT, 16, content=http(200, b"{" + b" " * 100)[:-50]),
    row(
        "compressed_unknown",
        CONTINUES,
        PATIENT,
        16,
        content=http(200, b"\x00\x01", "content-encoding: zstd"),
    ),
    row(
        "broken_chunks",
        CONTINUES,
        PATIENT,
        16,
        content=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ),
    row("too_long", CONTINUES, PATIENT, 16, content=http(200, b" " * 4_500_000)),
    row("hangs", CONTINUES, PATIENT, 3, content=b"", how={"then": "hang"}),
    row(
        "hangs_after_its_head",
        CONTINUES,
        PATIENT,
        3,
        content=b"HTTP/1.1 200 OK\r\n\r\n",
        how={"then": "hang"},
    ),
    row(
        "drips",
        CONTINUES,
        PATIENT,
        3,
        content=b"HTTP/1.1 200 OK\r\n\r\n" + b" " * 600,
        how={"piece": 1, "pause": 0.2},
    ),
    row("head_drips", CONTINUES, PATIENT, 3, content=http(200), how={"piece": 1, "pause": 0.5}),
    # Other servers' ways with a good answer.
    row("parts", WORKS, QUICK, 8, fault={"llm": "parts"}),
    row("fenced", WORKS, QUICK, 8, fault={"llm": "fenced"}),
    row("thinking", WORKS, QUICK, 8, fault={"llm": "thinking"}),
    row("capitals", WORKS, QUICK, 8, fault={"llm": "capitals"}),
    row("tool_calls", WORKS, QUICK, 8, fault={"llm": "tool_calls"}),
    row("usage_huge", WORKS, QUICK, 8, fault={"llm": "usage_huge"}),
    row("newest_parameters", WORKS, QUICK, 11, fault={"llm": "wants_both"}),
    row("no_formats", WORKS, QUICK, 12, fault={"llm": "wants_plain"}),
    row("short_context", WORKS, PATIENT, 40, fault={"llm": "short_context"}),
    row(
        "content_filter",
        "ai_content_filter",
        PATIENT,
        20,
        fault={
            "match": {"operation": "chat", "contains": "Change 11"},
            "status": 400,
            "body": error("filtered", "content_filter"),
        },
    ),
    row("invents_quotes", CONTINUES, PATIENT, 30, fault={"llm": "invented"}),
    row("strangers", CONTINUES, PATIENT, 30, fault={"llm": "strangers"}),
]
