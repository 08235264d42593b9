"""How other servers give the same answer, for faults like `{"llm": "fenced"}`.

Shapes change a good answer into what some servers send instead. Demands are requests
that some servers refuse, with their error messages; a request without the demanded part
is answered.
"""

import json
from collections.abc import Callable
from typing import Any

from .replies import Reply

Completion = dict[str, Any]


def _message(completion: Completion) -> dict[str, Any]:
    message: dict[str, Any] = completion["choices"][0]["message"]
    return message


def _content(change: Callable[[str], Any]) -> Callable[[Completion], None]:
    """Return a shape that replaces the text of the answer."""

    def shape(completion: Completion) -> None:
        message = _message(completion)
        message["content"] = change(message["content"])

    return shape


def _items(change: Callable[[list[dict[str, Any]]], Any]) -> Callable[[Completion], None]:
    """Return a shape that replaces the JSON of the answer, given its objects."""
    return _content(lambda text: json.dumps(change(json.loads(text).get("pull_requests", []))))


def _each(**changes: Callable[[dict[str, Any]], Any]) -> Callable[[Completion], None]:
    """Return a shape that sets fields of each object."""
    return _items(
        lambda items: {
            "pull_requests": [
                item | {name: value(item) for name, value in changes.items()} for item in items
            ]
        }
    )


def _moved(place: str) -> Callable[[Completion], None]:
    """Return a shape that has the text in another place."""

    def shape(completion: Completion) -> None:
        message = _message(completion)
        text, message["content"] = message["content"], None
        function = {"name": "pull_requests", "arguments": text}
        if place == "tool_calls":
            message["tool_calls"] = [{"id": "call_1", "type": "function", "function": function}]
        elif place == "function_call":
            message["function_call"] = function
        else:
            message[place] = text

    return shape


def _usage(usage: Any) -> Callable[[Completion], None]:
    def shape(completion: Completion) -> None:
        completion["usage"] = usage

    return shape


def _error(completion: Completion) -> None:
    del completion["choices"], completion["usage"]
    completion["error"] = {"message": "Provider returned error", "code": 502}


def _filtered(completion: Completion) -> None:
    completion["choices"][0] |= {
        "finish_reason": "content_filter",
        "message": {"role": "assistant", "content": ""},
    }


_FENCE = "```"
SHAPES: dict[str, Callable[[Completion], None]] = {
    "parts": _content(
        lambda text: [{"type": "text", "text": text[:40]}, {"type": "text", "text": text[40:]}]
    ),
    "thinking_part": _content(
        lambda text: [
            {"type": "thinking", "thinking": "One { two."},
            {"type": "text", "text": text},
        ]
    ),
    "fenced": _content(
        lambda text: f"Here you are:\n{_FENCE}json\n{text}\n{_FENCE}\nAnything else?"
    ),
    "thinking": _content(
        lambda text: f'<think>\nSay {{"pull_requests": []}}?\n</think>\n\n{text}'
    ),
    "end_of_thinking": _content(lambda text: f"Let me see: [1, 2]\n</think>\n{text}"),
    "byte_order_mark": _content(lambda text: f"\ufeff{text}"),
    "text_in_text": _content(json.dumps),
    "object": _content(json.loads),
    "words_around": _content(lambda text: f"Sure. {text} That is all."),
    "bare_list": _items(lambda items: items),
    "other_key": _items(lambda items: {"result": items}),
    "reasoning_content": _moved("reasoning_content"),
    "reasoning": _moved("reasoning"),
    "tool_calls": _moved("tool_calls"),
    "function_call": _moved("function_call"),
    "capitals": _each(
        risk=lambda item: item["risk"].upper(),
        kind=lambda item: item["kind"].title(),
        friction=lambda item: f" {item['friction']} ",
    ),
    "extra_key": _each(confidence=lambda item: 0.9),
    "booleans_as_texts": _each(ai_disclosed=lambda item: str(item["ai_disclosed"]).lower()),
    "nulls": _each(ai_words=lambda item: item["ai_words"] or None),
    "usage_missing": lambda completion: completion.pop("usage"),
    "usage_empty": _usage({}),
    "usage_list": _usage([1, 2]),
    "usage_text": _usage("many"),
    "usage_negative": _usage({"prompt_tokens": -5, "completion_tokens": -1}),
    "usage_huge": _usage({"prompt_tokens": 10**19, "completion_tokens": 10**19}),
    "usage_nan": _usage({"prompt_tokens": float("nan"), "completion_tokens": float("inf")}),
    "usage_texts": _usage({"prompt_tokens": "12", "completion_tokens": "7"}),
    "error_in_200": _error,
    "filtered": _filtered,
    "no_choices": lambda completion: completion.update(choices=[]),
    "choices_null": lambda completion: completion.update(choices=None),
}


def _invalid(message: str, param: str = "", code: str = "", **more: Any) -> Reply:
    error = {
        "message": message,
        "type": "invalid_request_error",
        "param": param or None,
        "code": code or None,
    }
    return Reply(400, {"error": error | more})


def _form(body: Any) -> str:
    form = body.get("response_format") or {}
    return str(form.get("type", "")) or ("tools" if body.get("tools") else "")


def _completion_tokens(body: Any, asked: int) -> Reply | None:
    if "max_tokens" not in body:
        return None
    words = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    return _invalid(words, "max_tokens", "unsupported_parameter")


def _no_temperature(body: Any, asked: int) -> Reply | None:
    words = "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) is supported."
    return (
        _invalid(words, "temperature", "unsupported_value") if "temperature" in body else None
    )


def _newest(body: Any, asked: int) -> Reply | None:
    return _completion_tokens(body, asked) or _no_temperature(body, asked)


def _no_schema(body: Any, asked: int) -> Reply | None:
    words = "This model does not support response format `json_schema`. See supported models at the documentation."
    return _invalid(words) if _form(body) == "json_schema" else None


def _no_format(body: Any, asked: int) -> Reply | None:
    return (
        _invalid("'response_format' is not available for this model.")
        if "response_format" in body
        else None
    )


def _plain(body: Any, asked: int) -> Reply | None:
    return _invalid("Bad request.") if _form(body) else None


def _no_system(body: Any, asked: int) -> Reply | None:
    roles = [message["role"] for message in body["messages"]]
    return (
        _invalid("System role not supported by this model's template.")
        if "system" in roles
        else None
    )


def _short_context(body: Any, asked: int) -> Reply | None:
    words = "This model's maximum context length is 4096 tokens. However, your messages resulted in 9123 tokens."
    return _invalid(words, "messages", "context_length_exceeded") if asked > 2 else None


def _quota(body: Any, asked: int) -> Reply | None:
    error = {
        "message": "You exceeded your current quota, please check your plan.",
        "code": "insufficient_quota",
    }
    return Reply(429, {"error": error | {"type": "insufficient_quota", "param": None}})


DEMANDS: dict[str, Callable[[Any, int], Reply | None]] = {
    "wants_completion_tokens": _completion_tokens,
    "wants_no_temperature": _no_temperature,
    "wants_both": _newest,
    "wants_no_schema": _no_schema,
    "wants_tools": _no_format,
    "wants_plain": _plain,
    "wants_no_system": _no_system,
    "short_context": _short_context,
    "quota": _quota,
}
