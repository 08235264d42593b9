"""Random answers of a model's server, as hypothesis strategies: bytes, headers,
statuses, and JSON of its own form.
"""

import gzip
import json

from hypothesis import strategies as st

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**400), 10**400),
    st.floats(),
    st.text(max_size=40),
    st.sampled_from(
        [
            "",
            "\x00",
            "\ud800",
            "\ufeff{}",
            "1e400",
            "insufficient_quota",
            "json_schema",
            "max_tokens",
        ]
    ),
)
# Names that a server may use, so that random objects reach the code behind them.
NAMES = st.sampled_from(
    [
        "content",
        "text",
        "type",
        "error",
        "message",
        "code",
        "choices",
        "usage",
        "prompt_tokens",
        "completion_tokens",
        "tool_calls",
        "function",
        "arguments",
        "finish_reason",
        "reasoning_content",
        "refusal",
        "pull_requests",
        "ref",
        "param",
        "status",
        "value",
        "object",
        "innererror",
    ]
)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(NAMES | st.text(max_size=8), inner, max_size=5)
    ),
    max_leaves=12,
)
ERRORS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("message", "type", "code", "param", "innererror"), JSON)
)
MESSAGES = st.fixed_dictionaries(
    {"content": JSON},
    optional=dict.fromkeys(
        ("tool_calls", "reasoning_content", "refusal", "function_call", "parsed"), JSON
    ),
)
CHOICES = st.fixed_dictionaries(
    {"message": MESSAGES | JSON}, optional={"finish_reason": JSON, "error": ERRORS | JSON}
)
COMPLETIONS = st.fixed_dictionaries(
    {"choices": st.lists(CHOICES, max_size=2) | JSON},
    optional={"usage": JSON, "error": ERRORS | JSON, "object": JSON},
)
PAYLOADS = COMPLETIONS | st.fixed_dictionaries({"error": ERRORS | JSON}) | JSON


def _as_bytes(value):
    """Return a value as JSON; a lone surrogate stays an escape."""
    return json.dumps(value).encode()


BODIES = st.one_of(
    st.binary(max_size=300),
    PAYLOADS.map(_as_bytes),
    PAYLOADS.map(lambda value: b"\xef\xbb\xbf" + _as_bytes(value)),
    PAYLOADS.map(lambda value: json.dumps(value).encode("utf-16")),
    PAYLOADS.map(lambda value: _as_bytes(value)[:-3]),
    PAYLOADS.map(lambda value: gzip.compress(_as_bytes(value))),
    st.sampled_from(
        [
            b"[" * 20_000,
            b'{"choices":' * 2_000,
            b"9" * 10_000,
            b'{"usage": {"prompt_tokens": 1e999}}',
        ]
    ),
)
NUMBERS = st.one_of(
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        [
            "9" * 5_000,
            "inf",
            "-0",
            "1e400",
            "6m0s",
            "Wed, 21 Oct 2015 07:28:00 GMT",
            "\u0664\u0662",
            "  ",
        ]
    ),
    st.text(max_size=20),
)
HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "retry-after",
            "retry-after-ms",
            "x-ratelimit-limit-tokens",
            "x-ratelimit-reset-tokens",
            "x-ratelimit-reset-requests",
            "content-encoding",
            "content-type",
            "location",
            "set-cookie",
            "transfer-encoding",
        ]
    )
    | st.text("abcXYZ-_ :\x00", min_size=1, max_size=8),
    NUMBERS | st.sampled_from(["gzip", "br", "deflate", "chunked", "text/html", "http://[::1"]),
    max_size=4,
)
STATUSES = st.sampled_from(
    [200] * 6
    + [
        201,
        204,
        301,
        302,
        400,
        401,
        402,
        403,
        404,
        405,
        408,
        413,
        422,
        429,
        498,
        500,
        502,
        503,
        529,
    ]
) | st.integers(100, 999)


@st.composite
def http_answers(draw):
    """Return the bytes of an answer that begins as HTTP."""
    body = draw(BODIES)
    lines = [f"HTTP/1.1 {draw(STATUSES)} {draw(st.sampled_from(['OK', '', 'No']))}"]
    lines += [f"{name}: {value}" for name, value in draw(HEADERS).items()]
    if draw(st.booleans()):
        lines.append(f"content-length: {len(body) + draw(st.sampled_from([0, 0, 0, 7, -1]))}")
    head = "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogatepass")
    return head + body


ANSWERS = st.one_of(http_answers(), http_answers(), http_answers(), st.binary(max_size=400))
