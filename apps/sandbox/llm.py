"""A simulated language model: an OpenAI-compatible `POST /v1/chat/completions`.

It reads the JSON document in the last message and classifies each pull request by its
words. It is no model, but its answer has the requested form, and it is as slow as a
real one and has the same limits. Its faults (`llm` of a fault): `empty`, `truncated`,
`malformed`, `invalid` (a value that the schema forbids), `few`, `many` (twice the
same), `strangers` (pull requests that were not asked about), `invented` (quotes that
are in no pull request), `huge_key` (a key of the answer has a name of 300 kB),
`key_echo` (status 400, and the message repeats the API key, as some gateways do),
`thinks` (it uses up small answers by thinking), and those of `llm_shapes`.
"""

import json
import re
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from .llm_shapes import DEMANDS, SHAPES
from .replies import Reply

WINDOW = 60.0
FIRST_TOKEN, PER_TOKEN = 1.5, 0.008

_KINDS = (
    ("revert", "revert"),
    ("fix", "fix"),
    ("bug", "fix"),
    ("bump", "dependency"),
    ("refactor", "refactor"),
    ("docs", "docs"),
    ("test", "test"),
    ("perf", "performance"),
    ("ci", "build"),
    ("build", "build"),
    ("chore", "build"),
    ("feat", "feature"),
    ("add", "feature"),
)
_DIGITS = re.compile(r"\d+")
_TITLE_PREFIX = re.compile(r"^\w+(\([^)]*\))?!?:\s*")
_SENTENCE_END = re.compile(r"[.\n]")
_LONG_WORD = re.compile(r"[a-z]{4,}")
_DISCLOSURE = re.compile(
    r"(?<![^\n.])[^\n.]{0,300}?\b(?:generated with|co-authored-by: (?:claude|copilot|cursor|devin)|"
    r"written with the help of (?:an )?ai|with (?:claude|copilot|cursor|chatgpt))\b[^\n]*",
    re.IGNORECASE,
)


def tokens_of(text: str) -> int:
    return len(text) // 4 + 1


@dataclass
class Model:
    """One account of the model.

    `share` scales its times and its minute, so that tests are quick; 0 takes no time.
    """

    share: float = 0.0
    requests: int = 1_000_000
    tokens: int = 100_000_000
    sent: deque[tuple[float, int]] = field(default_factory=deque)
    # What was answered, as on a bill.
    answered: int = 0
    billed: list[int] = field(default_factory=lambda: [0, 0])
    asked: dict[str, int] = field(default_factory=dict)

    def answer(
        self, body: Any, fault: str | None, authorization: str = ""
    ) -> tuple[Reply, float]:
        """Return the reply, and the seconds after which it is sent."""
        if fault == "key_echo":
            key = authorization.removeprefix("Bearer ")
            return _error(
                400,
                f"Incorrect API key provided: {key}. It was sent as Authorization: {authorization}",
            ), 0.0
        try:
            document = json.loads(_enclosed(body["messages"]))
            asked, findings = document.get("pull_requests", []), document.get("findings", [])
            if not asked and not findings:
                raise KeyError("pull_requests")
        except (KeyError, IndexError, TypeError, ValueError):
            return _error(
                400,
                "This stand-in reads a JSON document with pull_requests or findings in a message.",
            ), 0.0
        if fault in DEMANDS and (refusal := DEMANDS[fault](body, len(asked))) is not None:
            return refusal, 0.0
        spent_in = sum(tokens_of(message["content"]) for message in body["messages"])
        content = _summary(findings, fault) if findings else _content(asked, fault)
        spent_out = tokens_of(content)
        if (wait := self._refused(spent_in + spent_out)) is not None:
            return _error(
                429, "Rate limit reached.", {"retry-after": f"{wait:.2f}"} | self.headers()
            ), 0.0
        for each in asked:
            self.asked[each["title"]] = self.asked.get(each["title"], 0) + 1
        self.answered += 1
        self.billed[0] += spent_in
        self.billed[1] += spent_out
        completion = _completion(body, content, spent_in, spent_out, fault)
        if fault in SHAPES:
            SHAPES[fault](completion)
        reply = Reply(200, completion, self.headers())
        return reply, (FIRST_TOKEN + PER_TOKEN * spent_out) * self.share

    def _refused(self, tokens: int) -> float | None:
        """Return the seconds until a request of so many tokens may be sent. Return None
        if it may be sent now, and count it.
        """
        now, window = time.monotonic(), WINDOW * (self.share or 1.0)
        while self.sent and self.sent[0][0] <= now - window:
            self.sent.popleft()
        if (
            len(self.sent) >= self.requests
            or sum(spent for _, spent in self.sent) + tokens > self.tokens
        ):
            return self.sent[0][0] + window - now if self.sent else window
        self.sent.append((now, tokens))
        return None

    def headers(self) -> dict[str, str]:
        left = max(0, self.tokens - sum(spent for _, spent in self.sent))
        return {
            "x-ratelimit-limit-tokens": str(self.tokens),
            "x-ratelimit-remaining-tokens": str(left),
        }

    def report(self) -> dict[str, Any]:
        return {
            "answered": self.answered,
            "tokens_in": self.billed[0],
            "tokens_out": self.billed[1],
            "asked": self.asked,
        }


def _enclosed(messages: list[dict[str, str]]) -> str:
    """Return the JSON document of the last message that holds one."""
    texts = [
        message["content"] for message in reversed(messages) if "<data-" in message["content"]
    ]
    # The same message may contain instructions before the document.
    text = texts[0][texts[0].rindex("<data-") :] if texts else ""
    return text[text.index("{") : text.rindex("}") + 1]


def _summary(findings: list[dict[str, str]], fault: str | None) -> str:
    """Return the titles of the first two findings as the summary."""
    text = " ".join(one["title"] for one in findings[:2])
    if fault == "invented":
        text += " That is 4,711 % more than anywhere else."
    if fault == "empty":
        return ""
    answer = json.dumps({"summary": text})
    return answer[: len(answer) // 2] if fault == "truncated" else answer


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> Reply:
    return Reply(
        status, {"error": {"message": text, "type": "error", "code": status}}, headers or {}
    )


def _completion(
    body: Any, content: str, spent_in: int, spent_out: int, fault: str | None
) -> dict[str, Any]:
    reason = "length" if fault == "truncated" else "stop"
    if fault == "thinks" and body.get("max_tokens", 0) < 1_000:
        content, reason = "", "length"
    return {
        "id": "chatcmpl-sandbox",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body.get("model", ""),
        "choices": [
            {
                "index": 0,
                "finish_reason": reason,
                "message": {"role": "assistant", "content": content},
            }
        ],
        "usage": {
            "prompt_tokens": spent_in,
            "completion_tokens": spent_out,
            "total_tokens": spent_in + spent_out,
        },
    }


def _content(asked: list[dict[str, Any]], fault: str | None) -> str:
    items = [_item(each) for each in asked]
    if fault == "few":
        items = items[: len(items) // 2]
    elif fault == "many":
        items = [*items, items[0] | {"summary": "Something else altogether."}]
    elif fault == "strangers":
        items = [item | {"ref": f"stranger-{place}"} for place, item in enumerate(items)]
    elif fault == "invalid":
        items = [item | {"risk": "catastrophic"} for item in items]
    elif fault == "huge_key":
        items = [item | {"k" * 300_000: True} for item in items]
    elif fault == "invented":
        items = [
            item | {"ai_disclosed": True, "ai_words": "I confess that a robot wrote this"}
            for item in items
        ]
    text = json.dumps({"pull_requests": items})
    if fault == "empty":
        return ""
    if fault == "malformed":
        return f"Here you are: {text}"
    return text[: len(text) // 2] if fault == "truncated" else text


def _item(each: dict[str, Any]) -> dict[str, Any]:
    title, body = str(each.get("title", "")), str(each.get("description", ""))
    words = title.lower()
    lines = sum(int(number) for number in _DIGITS.findall(str(each.get("size", "")))[:2])
    rounds = int((each.get("reviews") or {}).get("changes_requested", 0))
    text = "\n".join([body, *map(str, each.get("commits", []))])
    said = _DISCLOSURE.search(text)
    subject = _TITLE_PREFIX.sub("", title).strip() or "the code"
    first = next(
        (part.strip() for part in _SENTENCE_END.split(body) if len(part.strip()) > 20), ""
    )
    summary = f"{subject[:1].upper()}{subject[1:]}" + (
        f": {first[:1].lower()}{first[1:140]}" if first else ""
    )
    return {
        "ref": each.get("ref", ""),
        "summary": f"{summary[:240]}.",
        "kind": next((kind for word, kind in _KINDS if word in words), "other"),
        "area": " ".join(_LONG_WORD.findall(subject.lower())[-2:])[:50],
        "risk": "high" if lines > 600 else "medium" if lines > 120 else "low",
        "friction": "high" if rounds > 1 else "medium" if rounds else "low",
        "ai_disclosed": said is not None,
        "ai_words": said.group(0).strip()[:300] if said else "",
    }
