"""Define what the rules share: a finding, the number of cases that it needs, and the
formats of numbers.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from apps.metrics.insights.dataset import Dataset, Pull

CHANCE = 0.001  # for tests that give a probability; `apps.metrics.figures.significance` has the rule for the others

MIN_RATIO = 1.3
MIN_HOURS = 1.0
MOST_SHOWN = 50  # pull requests named as evidence


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found about a subject ("team" or "repository:<pk>").

    `effect` ranks findings, from 0 to 1.
    """

    rule: str
    subject: str
    title: str
    body: str
    advice: str
    evidence: dict[str, Any]
    effect: float


class Ranked(Protocol):
    """An insight, as a rule found it or as it is stored."""

    @property
    def rule(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def effect(self) -> float: ...


Rule = Callable[[Dataset], Iterable[Finding]]


def split(
    dataset: Dataset, pulls: Iterable[Pull], moment: Callable[[Pull], datetime | None]
) -> tuple[list[Pull], list[Pull]]:
    """Return the pull requests of the 18 weeks before, and those of the recent 8
    weeks.
    """
    before: list[Pull] = []
    after: list[Pull] = []
    for pull in pulls:
        at = moment(pull)
        if at is not None and dataset.before_from < at <= dataset.until:
            (after if at > dataset.recent_from else before).append(pull)
    return before, after


def by_repository(pulls: Iterable[Pull]) -> dict[int, list[Pull]]:
    """Group pull requests by repository, in the order of the repositories' keys."""
    groups: dict[int, list[Pull]] = defaultdict(list)
    for pull in pulls:
        groups[pull.repository].append(pull)
    return dict(sorted(groups.items()))


def shown(pulls: Sequence[Pull]) -> list[int]:
    """Return the keys of those that a finding names as its evidence."""
    return [pull.pk for pull in pulls[:MOST_SHOWN]]


# A number and its unit are joined by a no-break space.


def percent(share: float) -> str:
    return f"{share * 100:.0f}\u00a0%"


def times(ratio: float) -> str:
    return "twice" if 1.95 <= ratio < 2.05 else f"{ratio:.1f} times"


def in_order[T: Ranked](found: Iterable[T]) -> list[T]:
    """Sort insights as every page, email, and answer of the API lists them.

    The one with the largest effect comes first, then the strongest of each other rule,
    then the second of each rule.
    """
    by_effect = sorted(found, key=lambda one: (-one.effect, one.rule, one.title, one.subject))
    seen: Counter[str] = Counter()
    turns: list[tuple[int, T]] = []
    for one in by_effect:
        turns.append((seen[one.rule], one))
        seen[one.rule] += 1
    # Sorting keeps the order by effect within each turn.
    return [one for _, one in sorted(turns, key=lambda turn: turn[0])]


def recent(dataset: Dataset) -> str:
    return f"the 8 weeks to {dataset.until.day} {dataset.until:%B %Y}"
