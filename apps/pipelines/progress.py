"""One percentage and one estimate for a run, from the rows of its steps. Pure: rows in, numbers out."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from apps.pipelines.models import PASSED, Run, StepRun, StepState
from apps.pipelines.outcomes import Missing

# Below these an estimate would be a guess: seconds of work seen, and share of the run's weight that is done.
MIN_SECONDS = 2.0
MIN_SHARE = 0.02


class Part(NamedTuple):
    """What a step says of its run's progress; the fields are those of its row."""

    idx: int
    state: str
    weight: int
    done: int
    total: int | None
    active_seconds: float
    attempt_started_at: datetime | None
    missing: list[Missing]


def fraction(step: Part | StepRun) -> float:
    """How much of a step is done, 0 to 1. An unknown total counts as nothing done."""
    if step.state in PASSED:
        return 1.0
    return min(1.0, step.done / step.total) if step.total else 0.0


def percent(run: Run, steps: Sequence[Part | StepRun]) -> int:
    """The weighted share of the work that is done: never lower than before, 100 only for a run that ended well."""
    weight = sum(step.weight for step in steps) or 1
    share = sum(step.weight * fraction(step) for step in steps) / weight
    return max(run.percent, min(99, int(share * 100)))


def active_seconds(step: Part | StepRun, now: datetime) -> float:
    """Seconds that a step has been worked on: parked and queued time is left out."""
    current = 0.0
    if step.state == StepState.RUNNING and step.attempt_started_at:
        current = (now - step.attempt_started_at).total_seconds()
    return step.active_seconds + max(0.0, current)


def eta_seconds(steps: Sequence[Part | StepRun], now: datetime) -> int | None:
    """Seconds of work that are left, None while too little has been seen to say.

    The running step is judged by its own pace, the later ones by their weight at the pace of the run so far.
    Time in which the run is parked is not counted, neither behind nor ahead.
    """
    weight = sum(step.weight for step in steps) or 1
    done = sum(step.weight * fraction(step) for step in steps)
    spent = sum(active_seconds(step, now) for step in steps)
    if spent < MIN_SECONDS or done / weight < MIN_SHARE:
        return None
    left = 0.0
    for step in steps:
        share, seconds = fraction(step), active_seconds(step, now)
        if 0.05 <= share < 1.0 and seconds >= 1.0:
            left += seconds / share * (1.0 - share)
        else:
            left += step.weight * (1.0 - share) * spent / done
    return round(left)
