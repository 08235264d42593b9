"""Explain why a pull request is called AI-assisted or is not, by the stored evidence of
`apps.metrics.ai.markers`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.metrics.ai.marker_table import Axis, Tier
from apps.metrics.figures.definitions import Verdict
from apps.metrics.models import Correction, DetailState, PullRequest

WORDS = {
    Verdict.ASSISTED: ("AI-assisted", "state-running"),
    Verdict.NO_MARKER: ("No AI evidence", "state-neutral"),
    Verdict.UNREAD: ("Not read yet", "dashed"),
}

_RULES = {
    "author": "Author",
    "commit-author": "Commit author",
    "trailer": "Trailer",
    "branch": "Branch name",
    "footer-in-words": "Footer text",
    "aider-prefix": "Prefix",
}
# Why evidence is kept but does not count: by what the AI did, or because it only hints.
_NOT_COUNTED = {
    Axis.SUGGESTED: "Applying an AI suggestion doesn't count as AI-assisted.",
    Axis.REVIEWED: "An AI review doesn't count as AI-assisted.",
    Axis.DESCRIBED: "A description written by AI doesn't count as AI-assisted.",
}
_HINT = "Only a hint: people write this, too."


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


def reason(pull: PullRequest, found: Verdict) -> Reason:
    """Return why a pull request has the verdict that was found."""
    word, css = WORDS[found]
    if correction := getattr(pull, "correction", None):
        return Reason(
            found,
            word,
            css,
            "Corrected",
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
    who = correction.by.display_name if correction.by else "A former member"
    said = "AI-assisted" if correction.ai_assisted else "not AI-assisted"
    return f"{who} marked this as {said}. {correction.note}".strip()


def _heading(found: Verdict) -> str:
    match found:
        case Verdict.ASSISTED | Verdict.NO_MARKER:
            return "Evidence"
        case Verdict.UNREAD:
            return "Not read yet"


def _how_sure(found: Verdict, pull: PullRequest) -> str:
    match found:
        case Verdict.ASSISTED:
            tools = ", ".join(pull.ai_tools)
            return f"Confirmed: an explicit marker left by {tools}. How much the tool wrote is unknown."
        case Verdict.NO_MARKER:
            return "Title, description, branch, author, and commits were checked. This doesn't prove that no AI was used."
        case Verdict.UNREAD if pull.detail_state == DetailState.DEGRADED:
            return f"Could not be read completely: {pull.detail_error or 'the source gave no reason'}"
        case Verdict.UNREAD:
            return "Commits and description have not been read yet, so it is not counted."


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
