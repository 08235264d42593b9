"""Explain why a pull request is called AI-assisted or is not, by the stored evidence of
`apps.metrics.ai.markers`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.metrics.ai.marker_table import Axis, Tier
from apps.metrics.figures.definitions import Verdict, verdict
from apps.metrics.models import Correction, DetailState, PullRequest

WORDS = {
    Verdict.ASSISTED: ("AI-assisted", "state-running"),
    Verdict.NO_MARKER: ("No marker", "state-neutral"),
    Verdict.UNREAD: ("Not read yet", "dashed"),
}

_RULES = {
    "author": "Author",
    "commit-author": "Commit author",
    "trailer": "Trailer",
    "branch": "Branch name",
    "footer-in-words": "Footer in words",
    "aider-prefix": "Prefix",
}
# Why evidence is kept but does not count: by what the AI did, or because it only hints.
_NOT_COUNTED = {
    Axis.SUGGESTED: "A suggestion that somebody applied is not the work itself.",
    Axis.REVIEWED: "Reviewing is not writing.",
    Axis.DESCRIBED: "Describing a change is not writing it.",
}
_HINT = "A hint and no proof: people write this, too."


@dataclass(frozen=True, slots=True)
class Mark:
    """Hold one piece of evidence for the page that explains a verdict.

    `why_not` is the reason why it does not count; it is empty if it counts.
    """

    rule: str
    tool: str
    where: str
    line: str
    why_not: str

    @property
    def counts(self) -> bool:
        return not self.why_not


@dataclass(frozen=True, slots=True)
class Reason:
    """A verdict and the evidence for it."""

    verdict: Verdict
    word: str
    css: str
    heading: str
    how_sure: str
    marks: Sequence[Mark]


def reason(pull: PullRequest) -> Reason:
    found = verdict(pull.ai_assisted, pull.detail_state == DetailState.COMPLETE)
    word, css = WORDS[found]
    if correction := getattr(pull, "correction", None):
        return Reason(
            found,
            word,
            css,
            "Corrected by a person",
            _corrected(correction),
            [_mark(one) for one in pull.ai_evidence],
        )
    return Reason(
        found,
        word,
        css,
        _heading(found),
        _how_sure(found, pull),
        [_mark(one) for one in pull.ai_evidence],
    )


def _corrected(correction: Correction) -> str:
    who = correction.by.display_name if correction.by else "Somebody who has left"
    said = "AI helped to write this" if correction.ai_assisted else "no AI wrote this"
    return f"{who} says that {said}. {correction.note}".strip()


def _heading(found: Verdict) -> str:
    match found:
        case Verdict.ASSISTED:
            return "Why we say AI-assisted"
        case Verdict.NO_MARKER:
            return "No marker found"
        case Verdict.UNREAD:
            return "Not read yet"


def _how_sure(found: Verdict, pull: PullRequest) -> str:
    match found:
        case Verdict.ASSISTED:
            tools = ", ".join(pull.ai_tools)
            return f"An explicit marker, which the tool itself leaves: {tools}. How much it wrote is not known."
        case Verdict.NO_MARKER:
            return "Title, description, branch, author and commits were read. No marker does not mean that no AI was used."
        case Verdict.UNREAD if pull.detail_state == DetailState.DEGRADED:
            return f"Not all of it could be read: {pull.detail_error or 'the source did not say why'}"
        case Verdict.UNREAD:
            return "Its commits and description have not been read yet, so it counts on neither side."


def _mark(stored: Mapping[str, Any]) -> Mark:
    tier, axis = stored.get("tier", ""), stored.get("axis", "")
    why_not = _NOT_COUNTED.get(axis, "")
    if not why_not and tier != Tier.EXPLICIT:
        why_not = _HINT
    return Mark(
        _rule(stored.get("rule", "")),
        stored.get("tool", ""),
        _where(stored),
        stored.get("line", ""),
        why_not,
    )


def _rule(rule: str) -> str:
    return _RULES.get(rule) or rule.replace("-", " ").capitalize()


def _where(stored: Mapping[str, Any]) -> str:
    match stored.get("where", ""):
        case "body":
            return "in the description"
        case "author" | "branch":
            return ""
        case where:
            return f"in {where}"
