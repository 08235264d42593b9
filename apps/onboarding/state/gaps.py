"""Group what is missing, so that one cause is stated once.

gaps_of([{"what": "acme/a", "why": "No access."}, {"what": "acme/b", "why": "No access."}])
# [Gap(what=("acme/a", "acme/b"), reason="No access.", …)]
gaps_of([{"what": "a", "why": "'a' is damaged."}, {"what": "b", "why": "'b' is damaged."}])
# [Gap(what=("a", "b"), reason="'…' is damaged.", …)]
"""

from collections.abc import Iterable, Mapping
from typing import Any

from apps.metrics.llm.outcomes import Cause
from apps.pipelines.remedy import Remedy
from apps.teams.states import Gap

# Causes of gaps that leave the figures complete.
OPTIONAL = frozenset(Cause)


def gaps_of(missing: Iterable[Mapping[str, Any]]) -> list[Gap]:
    """Return the gaps in the order in which their causes first appear.

    Reasons that differ only in the repository's name are one cause, stated without the
    name.

    Args:
        missing: `apps.pipelines.outcomes.Missing`, as runs store them.
    """
    grouped: dict[str, list[Mapping[str, Any]]] = {}
    for item in missing:
        grouped.setdefault(without_name(item["why"], item["what"]), []).append(item)
    return [_gap(reason, items) for reason, items in grouped.items()]


def without_name(reason: str, name: str) -> str:
    """Return the reason with "…" in place of a repository's name.

    A name without a slash or quotes around it could be any word of the sentence, so it
    stays.
    """
    reason = reason.replace(f"'{name}'", "'…'")
    return reason.replace(name, "…") if "/" in name else reason


def are_optional(gaps: Iterable[Gap]) -> bool:
    """Return whether nothing but AI summaries is missing, on which no figure
    depends.
    """
    return all(gap.cause in OPTIONAL for gap in gaps)


def _gap(shared: str, items: list[Mapping[str, Any]]) -> Gap:
    names = tuple(item["what"] for item in items)
    reason = shared if len(set(names)) > 1 else items[0]["why"]
    cause = items[0].get("cause") or "incomplete"
    remedy = Remedy(items[0].get("remedy") or Remedy.RETRY)
    return Gap(names, reason, cause, remedy)


def shared_remedy(gaps: Iterable[Gap]) -> tuple[str, Remedy]:
    """Return the cause and the remedy of several gaps: their own if they share it, else
    "incomplete" and RETRY.
    """
    found = {(gap.cause, gap.remedy) for gap in gaps}
    if len(found) == 1:
        return found.pop()
    return "incomplete", Remedy.RETRY
