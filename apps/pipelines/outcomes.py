"""How a step can end well.

A body returns one of these, or None for a plain `Done()`.
"""

from dataclasses import dataclass, field
from typing import Any, NotRequired, TypedDict

from apps.pipelines.models import StepState


class Missing(TypedDict):
    """One thing that could not be done, with the reason for users, and its cause and
    remedy (`apps.pipelines.remedy`).
    """

    what: str
    why: str
    cause: NotRequired[str]
    remedy: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Done:
    """The step did everything. `result` is stored as JSON with the step."""

    result: dict[str, Any] = field(default_factory=dict)
    state = StepState.DONE


@dataclass(frozen=True, slots=True)
class Partial:
    """The step did a part: `missing` lists what is lacking, with the reasons.

    The run goes on and ends as partial.
    """

    missing: list[Missing]
    result: dict[str, Any] = field(default_factory=dict)
    state = StepState.PARTIAL


@dataclass(frozen=True, slots=True)
class Skipped:
    """The step had nothing to do, for the reason given. That counts as success."""

    reason: str
    result: dict[str, Any] = field(default_factory=dict)
    state = StepState.SKIPPED


Outcome = Done | Partial | Skipped
