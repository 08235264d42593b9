"""How a step can end well.

A body returns one of these, or None for a plain `Done()`.
"""

from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict

from apps.pipelines.models import StepState


class Missing(TypedDict):
    """One thing that could not be done, the reason in words, and its cause and remedy
    (`apps.pipelines.remedy`).
    """

    what: str
    why: str
    cause: NotRequired[str]
    remedy: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Done:
    """All of it. `result` is kept as JSON with the step."""

    result: dict[str, Any] = field(default_factory=dict)
    state = StepState.DONE


@dataclass(frozen=True, slots=True)
class Partial:
    """Some of it: `missing` names what isn't there and why.

    The run goes on and ends as partial.
    """

    missing: list[Missing]
    result: dict[str, Any] = field(default_factory=dict)
    state = StepState.PARTIAL


@dataclass(frozen=True, slots=True)
class Skipped:
    """Nothing more was to be done here, for the reason given. Counts as success."""

    reason: str
    result: dict[str, Any] = field(default_factory=dict)
    state = StepState.SKIPPED


Outcome = Done | Partial | Skipped
