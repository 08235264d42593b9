"""How a server that speaks OpenAI's interface wants to be asked: learned from its
refusals, and remembered.

    dialect = Dialect()                                 # max_tokens, json_schema, temperature, system
    dialect.after("unsupported parameter: 'max_tokens'. use 'max_completion_tokens' instead.")
    # Dialect(limit="max_completion_tokens", …)

Each refusal takes one thing away, so that a server is asked at most MOST_TRIES times.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.conf import settings

from apps.metrics.llm_models import LlmDialect

LIMITS = ("max_tokens", "max_completion_tokens", "")
FORMS = ("json_schema", "json_object", "tools", "")
# The tries that take everything away, and one more.
MOST_TRIES = 9
# The most that an answer's room is widened for a model that thinks before it answers.
MOST_ROOM = 8

_OF_FORM = (
    "response_format",
    "json_schema",
    "json_object",
    "structured output",
    "json mode",
    "guided",
    "schema",
)
_OF_TOOLS = ("tool", "function")
_OF_LIMIT = ("max_tokens", "max_completion_tokens", "maxtokens", "max_output_tokens")
_OF_ROLE = (
    "system role",
    "system message",
    "'system'",
    '"system"',
    "developer instruction",
    "system instruction",
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """The parameters that a server takes.

    Attributes:
        limit: the parameter that bounds an answer, empty for none.
        form: what makes the answer JSON: a response format, a tool's arguments, or only
            the instructions.
        temperature: whether it takes one.
        system: whether it takes a system message.
        room: by how much the bound is multiplied.
        is_known: whether a request in this dialect has been answered.
    """

    limit: str = LIMITS[0]
    form: str = FORMS[0]
    temperature: bool = True
    system: bool = True
    room: int = 1
    is_known: bool = False

    def request(
        self,
        model: str,
        messages: Sequence[dict[str, str]],
        name: str,
        schema: dict[str, Any],
        most_tokens: int,
    ) -> dict[str, Any]:
        """Return the JSON object of a request for an answer of a schema."""
        asked = [dict(message) for message in messages]
        # The server does not take the schema as a parameter, or does not enforce it, so
        # the instructions contain it.
        if self.form != "json_schema":
            asked[0]["content"] += (
                f"\nAnswer with one JSON object of this JSON schema:\n{json.dumps(schema)}"
            )
        if not self.system:
            # The instructions are put before the first message of the user instead.
            first = asked.pop(0)
            asked[0]["content"] = f"{first['content']}\n\n{asked[0]['content']}"
        request: dict[str, Any] = {"model": model, "messages": asked}
        if self.temperature:
            request["temperature"] = 0
        if self.limit:
            request[self.limit] = most_tokens * self.room
        if self.form == "json_schema":
            wanted = {"name": name, "strict": True, "schema": schema}
            request["response_format"] = {"type": "json_schema", "json_schema": wanted}
        elif self.form == "json_object":
            request["response_format"] = {"type": "json_object"}
        elif self.form == "tools":
            request["tools"] = [
                {"type": "function", "function": {"name": name, "parameters": schema}}
            ]
            request["tool_choice"] = {"type": "function", "function": {"name": name}}
        return request

    def after(self, refusal: str) -> "Dialect | None":
        """Return what to try after a refusal with these words, in lower case; None if
        there is nothing left to try.
        """
        if self.limit and _has(refusal, _OF_LIMIT):
            return replace(self, limit=_next(LIMITS, self.limit), is_known=False)
        if self.temperature and "temperature" in refusal:
            return replace(self, temperature=False, is_known=False)
        if self.form in FORMS[:2] and _has(refusal, _OF_FORM):
            return replace(self, form=_next(FORMS, self.form), is_known=False)
        if self.form == "tools" and _has(refusal, _OF_TOOLS):
            return replace(self, form="", is_known=False)
        if self.system and _has(refusal, _OF_ROLE):
            return replace(self, system=False, is_known=False)
        if self.is_known or not self.form:
            # It answered in this dialect before, so the words are about this request.
            return None
        return replace(self, form=_next(FORMS, self.form))

    def wider(self) -> "Dialect | None":
        """Return the dialect with more room for answers; None if there is no more."""
        return (
            replace(self, room=self.room * 2) if self.limit and self.room < MOST_ROOM else None
        )


def _has(text: str, words: tuple[str, ...]) -> bool:
    return any(word in text for word in words)


def _next(choices: tuple[str, ...], now: str) -> str:
    return choices[choices.index(now) + 1]


def _key() -> str:
    """Return the name of a server and a model."""
    return hashlib.sha256(f"{settings.LLM_BASE_URL}\0{settings.LLM_MODEL}".encode()).hexdigest()


def remembered() -> Dialect:
    """Return what is known of the server and model that are set up."""
    row = LlmDialect.objects.filter(pk=_key()).first()
    # Another release may have stored a value that this one does not know.
    if row is None or row.limit not in LIMITS or row.form not in FORMS:
        return Dialect()
    return Dialect(
        row.limit,
        row.form,
        row.temperature,
        row.system,
        min(max(row.room, 1), MOST_ROOM),
        is_known=True,
    )


def remember(dialect: Dialect) -> None:
    """Keep a dialect in which the server has answered."""
    values = asdict(dialect)
    del values["is_known"]
    LlmDialect.objects.update_or_create(pk=_key(), defaults=values)


def forget() -> None:
    """Begin again with the server and model that are set up."""
    LlmDialect.objects.filter(pk=_key()).delete()
