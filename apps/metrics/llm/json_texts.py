"""Find the JSON in a model's text, which may have thoughts before it, fences around
it, and words on both sides.

read_json('Here you are:\\n```json\\n{"a": 1}\\n```')      # {"a": 1}
read_json('"{\\"a\\": 1}"')                               # {"a": 1}
read_json('I cannot help with that.')                     # None
"""

import json
from typing import Any

# The most characters of an answer that are read.
LONGEST = 500_000
# The most places that are tried as the beginning of the JSON.
MOST_STARTS = 20
# JSON in a text in JSON, and so on.
_DEEPEST = 3
_THOUGHTS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<reasoning>", "</reasoning>"),
)
_FENCE = "```"
_DECODER = json.JSONDecoder()


def read_json(text: str) -> Any:
    """Return the object or list of a text; None if it has none. Raises nothing."""
    return _read(text[:LONGEST], 0)


def _read(text: str, depth: int) -> Any:
    text = _without_thoughts(text.strip().lstrip("\ufeff\u200b"))
    for part in (text, *_fenced(text)):
        value = _loaded(part.strip())
        if isinstance(value, str) and depth < _DEEPEST:
            value = _read(value, depth + 1)
        if isinstance(value, dict | list):
            return value
    return _embedded(text)


def _without_thoughts(text: str) -> str:
    """Return the text after a model's thoughts; some servers remove the tag that opens
    them.
    """
    for opening, closing in _THOUGHTS:
        _, found, rest = text.rpartition(closing)
        if found and rest.strip():
            text = rest
        elif found:
            text = text.replace(opening, "").replace(closing, "")
    return text


def _fenced(text: str) -> list[str]:
    """Return what is between fences, without the name of the language."""
    parts = text.split(_FENCE, MOST_STARTS)[1::2]
    return [
        part.partition("\n")[2] if part.partition("\n")[0].strip().isalnum() else part
        for part in parts
    ]


def _embedded(text: str) -> Any:
    """Return the longest object or list among the first ones within the text."""
    best, length, at = None, 0, 0
    for _ in range(MOST_STARTS):
        starts = [found for found in (text.find("{", at), text.find("[", at)) if found >= 0]
        if not starts:
            break
        at = min(starts)
        try:
            value, end = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            # No JSON begins here, so the search continues at the next bracket.
            at += 1
            continue
        if isinstance(value, dict | list) and end - at > length:
            best, length = value, end - at
        at = end
    return best


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
