"""What a model's server answered, read tolerantly: status, headers, and bytes become
one typed outcome.

    read(200, {}, b'{"choices": [{"message": {"content": "…"}}], "usage": {…}}')     # Answer
    read(429, {"retry-after": "7"}, b"")                                             # WaitUntil
    read(200, {}, b'{"error": {"code": 402, "message": "Add credits"}}')             # WaitUntil, quota
    read(400, {}, b'{"error": {"code": "context_length_exceeded"}}')                 # Refused
    read(200, {}, b"<html>")                                                         # Broken

Servers that call themselves OpenAI-compatible differ in all of this, so nothing is
expected to have a type.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from apps.masking import storable
from apps.metrics.llm import limits
from apps.metrics.llm.outcomes import Answer, Broken, Cause, Outcome
from apps.metrics.llm.refusals import Fault, outcome_of

# Texts of a message, in the order in which they are tried.
_TEXTS = ("content", "parsed", "reasoning_content", "reasoning", "text")
# A list of parts that hold lists of parts is no answer.
_DEEPEST = 4
# Of a list of parts, choices, or calls, so many are read.
_MOST_PARTS = 200
# Characters of an error's message; its status comes before them, and both together have
# at most 500.
_LONGEST = 480
_NOT_READABLE = Broken(Cause.UNUSABLE, "its answer is broken or cut off")


def read(status: int, headers: Mapping[str, str], body: bytes) -> Outcome:
    """Return the outcome. Raises nothing."""
    payload = _payload(body)
    fault = _fault(status, payload, body)
    if fault is not None:
        return outcome_of(fault, headers)
    if not isinstance(payload, dict):
        return _NOT_READABLE
    choice = _first_dict(payload.get("choices"))
    if choice is None:
        return _NOT_READABLE
    within = _fault_within(choice)
    if within is not None:
        return outcome_of(within, headers)
    message = choice.get("message")
    if not isinstance(message, dict):
        # Some servers put the fields of the message into the choice itself.
        message = choice
    usage = payload.get("usage")
    if not isinstance(usage, dict):
        usage = {}
    return Answer(
        texts=tuple(_texts(message)),
        tokens_in=limits.tokens(usage.get("prompt_tokens", usage.get("input_tokens"))) or 0,
        tokens_out=limits.tokens(usage.get("completion_tokens", usage.get("output_tokens")))
        or 0,
        tokens_a_minute=limits.tokens_a_minute(headers),
        is_cut=choice.get("finish_reason") == "length",
    )


def _payload(body: bytes) -> Any:
    """Return the JSON of a body in any of its encodings, with or without a byte order
    mark; None if it has none.
    """
    try:
        text = body.decode(json.detect_encoding(body), "replace").lstrip("\ufeff")
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _fault(status: int, payload: Any, body: bytes) -> Fault | None:
    """Return the error of an answer; None if it has none."""
    error: Any = None
    # Some servers put the error into a list, and some put its fields at the top level.
    holder = _first_dict(payload) if isinstance(payload, list) else payload
    if isinstance(holder, dict):
        error = holder.get("error")
        if not error and holder.get("object") == "error":
            error = holder
        if not error and not 200 <= status < 300:
            error = holder
    if not error and 200 <= status < 300:
        return None
    if not error:
        error = body[:4_000].decode("utf-8", "replace")
    return _fault_of(status, error)


def _fault_within(choice: Mapping[str, Any]) -> Fault | None:
    """Return the error that took the place of an answer's text: a gateway's, a refusal,
    or a filter's.
    """
    if choice.get("error"):
        return _fault_of(200, choice["error"])
    if choice.get("finish_reason") == "content_filter":
        return Fault(200, "content_filter", "")
    message = choice.get("message")
    refusal = message.get("refusal") if isinstance(message, dict) else None
    if isinstance(refusal, str) and refusal.strip():
        return Fault(200, "content_filter", storable(refusal, _LONGEST))
    return None


def _fault_of(status: int, error: Any) -> Fault:
    """Return an error with its names (codes, types, parameters) in lower case, and its
    message.
    """
    if not isinstance(error, dict):
        return Fault(status, "", storable(_plain(error), _LONGEST))
    named = [_plain(error.get(name)) for name in ("code", "type", "param", "status")]
    inner = error.get("innererror")
    if isinstance(inner, dict):
        named.append(_plain(inner.get("code")))
    words = (
        error.get("message")
        or error.get("detail")
        or error.get("error")
        or error.get("msg")
        or ""
    )
    # Some gateways answer with a good status and put the real one into the error.
    code = error.get("code")
    if (
        isinstance(code, int)
        and not isinstance(code, bool)
        and 400 <= code < 600
        and 200 <= status < 300
    ):
        status = code
    names = " ".join(named).lower()
    return Fault(status, storable(names, 200), storable(_plain(words), _LONGEST))


def _plain(value: Any) -> str:
    """Return a value from JSON as a short text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value[:4_000]
    if isinstance(value, bool | float):
        return str(value)
    if isinstance(value, int):
        # Python refuses to write an integer of thousands of digits.
        return str(value) if abs(value) < 10**12 else ""
    try:
        return json.dumps(value)[:4_000]
    except (ValueError, RecursionError):
        return ""


def _first_dict(value: Any) -> dict[str, Any] | None:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return value[0]
    return value if isinstance(value, dict) else None


def _texts(message: Mapping[str, Any]) -> Iterator[str]:
    """Yield each text of a message that may be the answer."""
    yield from _written(_joined(message.get("content")))
    calls = message.get("tool_calls")
    if isinstance(calls, dict):
        calls = [calls]
    if isinstance(calls, list):
        for call in calls[:_MOST_PARTS]:
            yield from _written(_arguments(call))
    yield from _written(_arguments({"function": message.get("function_call")}))
    for name in _TEXTS[1:]:
        yield from _written(_joined(message.get(name)))


def _written(text: str) -> Iterator[str]:
    if text.strip():
        yield text


def _arguments(call: Any) -> str:
    """Return the arguments of a call of a tool, as text; empty without any."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return ""
    arguments = function.get("arguments")
    return arguments if isinstance(arguments, str) else _as_json(arguments)


def _joined(value: Any, depth: int = 0) -> str:
    """Return the text of a message's content: a text, a list of parts, or the object
    itself.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, list) and depth < _DEEPEST:
        if _are_parts(value):
            return "".join(_joined(part, depth + 1) for part in value[:_MOST_PARTS])
        return _as_json(value)
    if isinstance(value, dict):
        # Thoughts are no part of the answer.
        if value.get("type") in ("thinking", "reasoning"):
            return ""
        for name in ("text", "value", "content"):
            if name in value and depth < _DEEPEST:
                return _joined(value[name], depth + 1)
        return _as_json(value)
    return ""


def _are_parts(value: list[Any]) -> bool:
    """Return whether a list is one of parts of a text, and not itself the answer."""
    for part in value[:_MOST_PARTS]:
        if isinstance(part, str):
            continue
        if not isinstance(part, dict) or not ({"type", "text"} & part.keys()):
            return False
    return True


def _as_json(value: Any) -> str:
    if not isinstance(value, dict | list):
        return ""
    try:
        return json.dumps(value)
    except (ValueError, RecursionError):
        return ""
