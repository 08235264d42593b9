"""Send one question to the model that is set up, for operators: what works, what it
accepts, and what to do.

    trial = ask()
    trial.status         # "works", "waits", "refused", "broken", "nonsense", or "off"
    trial.lines          # (("Server", "https://…"), ("Model", "…"), …)
"""

import time
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from apps.metrics.llm import dialect, prompt
from apps.metrics.llm.answers import check
from apps.metrics.llm.client import LlmClient, is_configured
from apps.metrics.llm.outcomes import Answer, Broken, Refused, WaitUntil

OFF = "No model is set up: set GROQ_API_KEY or LLM_BASE_URL, and a budget above 0."
# Two made-up pull requests, so that nothing of a team is sent.
TITLES = (
    "fix: Carry the total over to the next page",
    "docs: Describe how a backup is restored",
)


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of one question.

    `words` is the result in a sentence, `lines` are names and values.
    """

    status: str
    words: str
    lines: tuple[tuple[str, str], ...]

    @property
    def as_json(self) -> dict[str, Any]:
        """Return the trial for `--json`."""
        details = {name.lower().replace(" ", "_"): value for name, value in self.lines}
        return {"status": self.status, "words": self.words} | details


def ask() -> Trial:
    """Ask the model about two made-up pull requests, beginning with nothing known of
    it, and remember what it takes.
    """
    if not is_configured():
        return Trial("off", OFF, ())
    # It begins without what was learned, because the server may accept more by now.
    client = LlmClient(dialect.Dialect())
    documents = [_document(number, title) for number, title in enumerate(TITLES, 1)]
    messages, refs = prompt.messages(documents)
    began = time.monotonic()
    outcome = client.ask(messages, len(documents))
    seconds = time.monotonic() - began
    client.remember()
    about = [
        ("Server", settings.LLM_BASE_URL),
        ("Model", settings.LLM_MODEL),
        ("Key", "set" if settings.GROQ_API_KEY else "none"),
    ]
    if not isinstance(outcome, Answer):
        return _without_answer(outcome, about, seconds)
    good, bad = check(outcome.texts, refs)
    about += _takes(client.learned)
    about.append(
        ("Answer", f"{len(good)} of {len(refs)} pull requests read in {seconds:.1f} s")
    )
    about.append(("Cost", f"{outcome.tokens_in} tokens sent, {outcome.tokens_out} received"))
    limit = outcome.tokens_a_minute
    about.append(("Limit", f"{limit:,} tokens a minute" if limit else "the server sends none"))
    if bad:
        return Trial(
            "nonsense",
            f"The model answers, but its answers are not usable: {next(iter(bad.values()))}.",
            tuple(about),
        )
    return Trial("works", "The model works.", tuple(about))


def _document(number: int, title: str) -> prompt.Document:
    return prompt.document(
        number,
        title=title,
        body="",
        branch="topic",
        labels=[],
        size=(12, 3, 1),
        messages=[title],
        reviews={},
    )


def _takes(learned: dialect.Dialect) -> list[tuple[str, str]]:
    """Return what the server takes, in lines."""
    return [
        ("Length", learned.limit or "no parameter"),
        ("Format", learned.form or "instructions only"),
        ("Temperature", "yes" if learned.temperature else "no"),
        ("System message", "yes" if learned.system else "no"),
    ]


def _without_answer(
    outcome: WaitUntil | Refused | Broken, about: list[tuple[str, str]], seconds: float
) -> Trial:
    about.append(("Answer", f"none, after {seconds:.1f} s"))
    if outcome.detail:
        about.append(("Detail", outcome.detail))
    if isinstance(outcome, WaitUntil):
        return Trial("waits", outcome.reason, tuple(about))
    if isinstance(outcome, Refused):
        return Trial("refused", outcome.reason, tuple(about))
    return Trial("broken", f"The server does not answer: {outcome.reason}.", tuple(about))
