"""A model's answer, compared with what was asked. Its form is read tolerantly, its
content checked strictly.

read_json("<think>Let me see.</think>```json\n{\"a\": 1}\n```")     # {"a": 1}
check(texts, refs)      # items that pass by reference, and for each other reference why not
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from apps.masking import storable
from apps.metrics.llm.json_texts import read_json
from apps.metrics.llm.prompt import KINDS, LEVELS, Document
from apps.metrics.llm.texts import visible

Level = Literal["low", "medium", "high"]
Kind = Literal[
    "feature",
    "fix",
    "refactor",
    "performance",
    "docs",
    "test",
    "build",
    "dependency",
    "revert",
    "other",
]
# An address, a link or an image in Markdown (its target may hold parentheses in pairs),
# or a tag.
_TARGET = r"\([^()]*+(?:\([^()]*+\)[^()]*+)*+\)"
_LINK = re.compile(
    rf"(?:(?<!\w)\w++://|www\.)\S+|!?\[[^\[\]]*+\]{_TARGET}|<[^<>]*+>", re.IGNORECASE
)
_SPACE = re.compile(r"\s+")
# The most objects of an answer that are read.
MOST_ENTRIES = 200
MOST_REF = 18
# Keys that were not requested: up to this many are ignored if their names are short.
MOST_EXTRA, LONGEST_EXTRA = 3, 40
BOOLEANS = {
    "true": True,
    "yes": True,
    "false": False,
    "no": False,
    "": False,
    "none": False,
    "null": False,
}


class Item(BaseModel):
    """Hold the model's answer about one pull request."""

    model_config = ConfigDict(extra="forbid", strict=True)

    ref: Annotated[str, Field(max_length=20)]
    summary: Annotated[str, Field(min_length=3, max_length=500)]
    kind: Kind
    area: Annotated[str, Field(max_length=60)]
    risk: Level
    friction: Level
    ai_disclosed: bool
    ai_words: Annotated[str, Field(max_length=500)]


def schema() -> dict[str, Any]:
    """Return the JSON schema that is sent with each request.

    Every field is required, because strict modes demand it.
    """
    item = {
        "ref": {"type": "string"},
        "summary": {"type": "string"},
        "kind": {"type": "string", "enum": list(KINDS)},
        "area": {"type": "string"},
        "risk": {"type": "string", "enum": list(LEVELS)},
        "friction": {"type": "string", "enum": list(LEVELS)},
        "ai_disclosed": {"type": "boolean"},
        "ai_words": {"type": "string"},
    }
    one = {
        "type": "object",
        "properties": item,
        "required": list(item),
        "additionalProperties": False,
    }
    whole = {"pull_requests": {"type": "array", "items": one}}
    return {
        "type": "object",
        "properties": whole,
        "required": ["pull_requests"],
        "additionalProperties": False,
    }


def check(
    texts: Sequence[str], refs: Mapping[str, Document]
) -> tuple[dict[str, Item], dict[str, str]]:
    """Return the items that pass, and the reason of the refusal for every other
    reference.

    Answers about anything else are left out.

    Args:
        texts: the texts that may hold the answer; the first with a list of objects
            counts.
    """
    raw = next((found for text in texts if (found := _entries(text)) is not None), None)
    if raw is None:
        is_empty = not any(text.strip() for text in texts)
        why = (
            "the model's answer was empty"
            if is_empty
            else "the model's answer was not of the form asked for"
        )
        return {}, dict.fromkeys(refs, why)
    good: dict[str, Item] = {}
    bad = dict.fromkeys(refs, "the model's answer left it out")
    for entry in raw:
        ref = _ref_of(entry)
        if ref not in refs:
            continue
        if ref in good or ref not in bad:
            # Two answers about one pull request: it is unclear which one is meant.
            good.pop(ref, None)
            bad[ref] = "the model answered more than once"
            continue
        try:
            good[ref] = _checked(Item.model_validate(_normalized(entry)), refs[ref])
            del bad[ref]
        except ValidationError as error:
            first = error.errors()[0]
            place = storable(".".join(map(str, first["loc"])), 100)
            bad[ref] = f"the model's answer has a wrong {place}: {storable(first['msg'], 200)}"
        except ValueError as error:
            bad[ref] = str(error)
    return good, bad


def _entries(text: str) -> list[Any] | None:
    """Return the objects of an answer: below the key asked for, below another, or bare.

    None if there are none.
    """
    value = read_json(text)
    if isinstance(value, dict):
        if "ref" in value:
            return [value]
        for name in ("arguments", "parameters", "properties"):
            if isinstance(value.get(name), dict) and "pull_requests" not in value:
                value = value[name]
        inner = value.get("pull_requests")
        if inner is None:
            lists = [each for each in value.values() if isinstance(each, list)]
            inner = lists[0] if len(lists) == 1 else None
        value = inner
    if isinstance(value, dict):
        # Objects by their references.
        value = [each | {"ref": ref} for ref, each in value.items() if isinstance(each, dict)]
    if not isinstance(value, list) or not any(isinstance(each, dict) for each in value):
        return None
    return value[:MOST_ENTRIES]


def _ref_of(entry: Any) -> str:
    ref = entry.get("ref") if isinstance(entry, dict) else None
    if isinstance(ref, int) and abs(ref) < 10**MOST_REF:
        return str(ref)
    return ref.strip() if isinstance(ref, str) else ""


def _normalized(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return an entry without what may be forgiven: case, blanks, an extra key or two,
    a boolean as a text.
    """
    fields = Item.model_fields
    normal: dict[str, Any] = {name: entry[name] for name in fields if name in entry}
    extra = [name for name in entry if name not in fields]
    # With these the validation fails, because extra keys are forbidden.
    if len(extra) > MOST_EXTRA or any(len(name) > LONGEST_EXTRA for name in extra):
        normal |= {name: entry[name] for name in extra}
    normal["ref"] = _ref_of(entry)
    for name in ("kind", "risk", "friction"):
        if isinstance(normal.get(name), str):
            normal[name] = normal[name].strip().lower()
    disclosed = normal.get("ai_disclosed")
    if isinstance(disclosed, str):
        normal["ai_disclosed"] = BOOLEANS.get(disclosed.strip().lower(), disclosed)
    elif isinstance(disclosed, int) and disclosed in (0, 1):
        normal["ai_disclosed"] = bool(disclosed)
    for name in ("area", "ai_words"):
        if normal.get(name, "") is None:
            normal[name] = ""
    return normal


def _checked(item: Item, document: Document) -> Item:
    """Return the item with its texts as plain text.

    Raises ValueError if it quotes words that the pull request does not contain.
    """
    # Without a disclosure there is nothing to quote.
    words = visible(item.ai_words).strip() if item.ai_disclosed else ""
    if item.ai_disclosed and (not words or _plain(words) not in _plain(document.text)):
        raise ValueError("the model quotes words that are not in the text")
    summary = _SPACE.sub(" ", _LINK.sub("", visible(item.summary))).strip()
    if not summary:
        raise ValueError("the model's summary is nothing but links or markup")
    return item.model_copy(
        update={
            "summary": summary,
            "area": _SPACE.sub(" ", _LINK.sub("", visible(item.area))).strip(),
            "ai_words": words,
        }
    )


def _plain(text: str) -> str:
    return _SPACE.sub(" ", text).strip().casefold()
