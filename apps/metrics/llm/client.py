"""The boundary to the language model: a request goes out, one of four outcomes comes
back, and nothing is raised.

    client = LlmClient()
    match client.ask(messages, pulls=8):
        case Answer(texts=texts): …
        case WaitUntil(pause=pause): …
        case Refused(remedy=remedy): …
        case Broken(reason=reason): …
    client.remember()

Everything that the server sends is bounded, masked, and made storable here, once
(`envelope`, `wire`, `limits`).
"""

import json
import logging
import time
from dataclasses import replace
from typing import Any

from django.conf import settings

from apps.masking import MASK, storable
from apps.metrics.llm import budget, dialect, envelope, prompt
from apps.metrics.llm.answers import schema
from apps.metrics.llm.outcomes import Answer, Broken, Cause, Outcome, Refused
from apps.metrics.llm.wire import Line, NotReceived, Received, exchange
from apps.pipelines.remedy import Remedy

logger = logging.getLogger(__name__)

# Of one answer as a whole, whatever the server does.
ANSWER_SECONDS = 60.0
# With less time than this left, no request is sent.
LEAST_SECONDS = 0.5
# Of one pull request's answer, with some room.
TOKENS_A_PULL = 160
LATE = Broken(Cause.UNREACHABLE, "it did not answer in time")


def is_configured() -> bool:
    """Return whether there is a model to ask: a key, or a server of one's own, and a
    budget above 0.
    """
    return not budget.is_switched_off() and bool(
        settings.GROQ_API_KEY or settings.LLM_BASE_URL_GIVEN
    )


class LlmClient:
    """A client of the server that is set up. `ask` and `send` may be called by several
    threads; they retry only to learn what the server takes. `remember` uses the
    database, so it belongs to the step's own thread.
    """

    def __init__(self, known: dialect.Dialect | None = None) -> None:
        self.model: str = settings.LLM_MODEL
        self._dialect = self._stored = known or dialect.remembered()
        self._line = Line()

    @property
    def learned(self) -> dialect.Dialect:
        """Return how the server is asked now."""
        return self._dialect

    def close(self) -> None:
        """End the requests that are under way, so that no thread waits for them."""
        self._line.cut()

    def remember(self) -> None:
        """Keep what was learned of the server."""
        learned = self._dialect
        if learned.is_known and learned != self._stored:
            dialect.remember(learned)
            self._stored = learned

    def ask(
        self, messages: list[dict[str, str]], pulls: int, seconds: float = ANSWER_SECONDS
    ) -> Outcome:
        """Ask about so many pull requests; otherwise as `send`."""
        return self.send(
            messages, "pull_requests", schema(), TOKENS_A_PULL * pulls + 200, seconds
        )

    def send(
        self,
        messages: list[dict[str, str]],
        name: str,
        form: dict[str, Any],
        most_tokens: int,
        seconds: float = ANSWER_SECONDS,
    ) -> Outcome:
        """Return what came of a request for an answer of a form, a JSON schema; within
        so many seconds.
        """
        try:
            outcome = self._send(messages, name, form, most_tokens, seconds)
        except Exception as error:
            logger.exception(
                "A request to the language model ended in a mistake of this product."
            )
            return Broken(
                Cause.UNEXPECTED,
                "the request failed",
                storable(f"{type(error).__name__}: {error}"),
            )
        return _with_estimate(outcome, messages) if isinstance(outcome, Answer) else outcome

    def _send(
        self,
        messages: list[dict[str, str]],
        name: str,
        form: dict[str, Any],
        most_tokens: int,
        seconds: float,
    ) -> Outcome:
        end = time.monotonic() + min(seconds, ANSWER_SECONDS)
        outcome: Outcome = LATE
        for _ in range(dialect.MOST_TRIES):
            left = end - time.monotonic()
            if left < LEAST_SECONDS:
                return LATE
            used = self._dialect
            outcome = self._once(
                used.request(self.model, messages, name, form, most_tokens), left
            )
            further = _further(used, outcome)
            if further is None:
                self._conclude(used, outcome)
                return outcome
            self._learn(used, further)
        return outcome

    def _conclude(self, used: dialect.Dialect, outcome: Outcome) -> None:
        """Keep what worked. If nothing did, the next request begins with what was known
        before.
        """
        if used.is_known:
            return
        if isinstance(outcome, Answer):
            self._learn(used, replace(used, is_known=True))
        elif isinstance(outcome, Refused) and outcome.cause == Cause.REQUEST:
            self._learn(used, self._stored)

    def _learn(self, used: dialect.Dialect, further: dialect.Dialect) -> None:
        # Another thread may have learned more since this request was sent.
        if self._dialect == used:
            self._dialect = further

    def _once(self, request: dict[str, Any], seconds: float) -> Outcome:
        headers = {
            "authorization": f"Bearer {settings.GROQ_API_KEY or 'none'}",
            "content-type": "application/json",
            "accept": "application/json",
            # A small compressed answer could unpack to gigabytes.
            "accept-encoding": "identity",
        }
        if not headers["authorization"].isascii() or not headers["authorization"].isprintable():
            reason = "The key of the language model can't be used."
            return Refused(
                Cause.SETTINGS,
                reason,
                detail="GROQ_API_KEY has characters that no header can hold.",
            )
        content = json.dumps(request).encode()
        try:
            received: Received = exchange(
                f"{settings.LLM_BASE_URL}/chat/completions",
                headers,
                content,
                seconds,
                self._line,
            )
        except NotReceived as reason:
            return Broken(Cause.UNREACHABLE, str(reason))
        return envelope.read(received.status, received.headers, _without_key(received.body))


def _further(used: dialect.Dialect, outcome: Outcome) -> dialect.Dialect | None:
    """Return the dialect in which to ask again; None if the outcome is not about it."""
    if isinstance(outcome, Refused) and outcome.cause == Cause.REQUEST:
        return used.after(f"{outcome.names} {outcome.detail}".lower())
    if isinstance(outcome, Answer) and outcome.is_cut and not outcome.texts:
        # A model that thinks has used up its room before it began to answer.
        return used.wider()
    return None


def _with_estimate(answer: Answer, messages: list[dict[str, str]]) -> Answer:
    """Return the answer with our own estimate of what the server left out of its cost,
    so that budgets end.
    """
    tokens_in, tokens_out = answer.tokens_in, answer.tokens_out
    if not tokens_in:
        tokens_in = sum(prompt.tokens_of(message["content"]) for message in messages)
    if not tokens_out:
        tokens_out = sum(prompt.tokens_of(text) for text in answer.texts) or 1
    return replace(answer, tokens_in=tokens_in, tokens_out=tokens_out)


def _without_key(body: bytes) -> bytes:
    """Return an answer without our key, which some gateways repeat, whatever shape it
    has.
    """
    key = settings.GROQ_API_KEY.encode("utf-8", "replace")
    return body.replace(key, MASK.encode()) if key else body


def log_refusal(outcome: Refused) -> None:
    """Write for operators what the server refuses, with its own words."""
    if outcome.remedy == Remedy.OPERATOR:
        logger.error(
            "The language model's server refuses requests (%s). %s `manage.py check_model` shows what works.",
            outcome.detail or outcome.cause,
            "Check GROQ_API_KEY, LLM_BASE_URL, and LLM_MODEL.",
        )
