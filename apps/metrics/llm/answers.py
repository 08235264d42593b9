"""A model's answer, held against what was asked. What does not pass is not stored, whatever the model calls it."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from apps.metrics.llm.prompt import KINDS, LEVELS, Document
from apps.metrics.llm.texts import visible

Level = Literal["low", "medium", "high"]
Kind = Literal["feature", "fix", "refactor", "performance", "docs", "test", "build", "dependency", "revert", "other"]
_LINK = re.compile(r"(?:\w+://|www\.)\S+|!?\[[^\]]*\]\([^)]*\)|<[^>]*>", re.IGNORECASE)
_SPACE = re.compile(r"\s+")


class Item(BaseModel):
    """What is said of one pull request."""

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
    """The JSON schema that goes with each request; every field is required, as strict modes demand."""
    item = {
        "ref": {"type": "string"}, "summary": {"type": "string"}, "kind": {"type": "string", "enum": list(KINDS)},
        "area": {"type": "string"}, "risk": {"type": "string", "enum": list(LEVELS)},
        "friction": {"type": "string", "enum": list(LEVELS)}, "ai_disclosed": {"type": "boolean"},
        "ai_words": {"type": "string"},
    }  # fmt: skip
    one = {"type": "object", "properties": item, "required": list(item), "additionalProperties": False}
    whole = {"pull_requests": {"type": "array", "items": one}}
    return {"type": "object", "properties": whole, "required": ["pull_requests"], "additionalProperties": False}


def check(text: str, refs: Mapping[str, Document]) -> tuple[dict[str, Item], dict[str, str]]:
    """The items that pass, and why not for every other reference. Answers about anything else are left out."""
    try:
        raw = list(json.loads(text)["pull_requests"])
    except (ValueError, KeyError, TypeError, RecursionError):
        why = "the model's answer was empty" if not text.strip() else "the model's answer was not of the form asked for"
        return {}, dict.fromkeys(refs, why)
    good: dict[str, Item] = {}
    bad = dict.fromkeys(refs, "the model's answer left it out")
    for entry in raw:
        ref = entry.get("ref") if isinstance(entry, dict) else None
        if not isinstance(ref, str) or ref not in refs:
            continue
        if ref in good or ref not in bad:
            # Two answers for one: nobody knows which is meant.
            good.pop(ref, None)
            bad[ref] = "the model answered more than once"
            continue
        try:
            good[ref] = _checked(Item.model_validate(entry), refs[ref])
            del bad[ref]
        except ValidationError as error:
            first = error.errors()[0]
            bad[ref] = f"the model's answer has a wrong {'.'.join(map(str, first['loc']))}: {first['msg']}"
        except ValueError as error:
            bad[ref] = str(error)
    return good, bad


def _checked(item: Item, document: Document) -> Item:
    """With texts made plain. Raises ValueError for words that nobody wrote."""
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
