"""One percentage and one estimate for a run, computed from the rows of its steps.

The functions are pure: they get rows and return numbers.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from apps.pipelines.models import PASSED, Run, StepRun, StepState
from apps.pipelines.outcomes import Missing

# Below these values an estimate would be a guess: seconds of work, and the share of the
# run's weight that is done.
MIN_SECONDS = 2.0
MIN_SHARE = 0.02
# The share of a step that must be done before its pace counts for the rest of it.
MIN_SHARE_OF_STEP = 0.1
# The time of later steps is guessed from their weight. The guess may be at most this
# share of what the running step has left, or it would dominate the estimate.
MOST_GUESSED = 0.5
# The largest factor between the pace of the last part of a step and that of all of it.
STEADY = 1.6


class Part(NamedTuple):
    """The fields of a step's row that the progress of its run is computed from."""

    idx: int
    state: str
    weight: int
    done: int
    total: int | None
    active_seconds: float
    attempt_started_at: datetime | None
    missing: list[Missing]


def fraction(step: Part | StepRun) -> float:
    """Return how much of a step is done, 0 to 1. An unknown total counts as nothing
    done.
    """
    if step.state in PASSED:
        return 1.0
    return min(1.0, step.done / step.total) if step.total else 0.0


def brought(step: Part | StepRun) -> float:
    """Return how much of its requested work a step has really done, 0 to 1.

    It differs from `fraction` for a partial step: its work is over, but a part of the
    request is missing.
    """
    if step.state == StepState.PARTIAL and step.total:
        return min(1.0, step.done / step.total)
    return fraction(step)


def percent(run: Run, steps: Sequence[Part | StepRun]) -> int:
    """Return the weighted share of the requested work: never lower than before, 99 at
    most.

    Later steps use the data of the first one. If the first step could read 62 % of the
    pull requests, all figures are those of 62 %, so the run ends at 62 %.
    """
    if not steps:
        return run.percent
    weight = sum(step.weight for step in steps) or 1
    share = steps[0].weight * brought(steps[0])
    later = sum(step.weight * brought(step) for step in steps[1:])
    share += later * (brought(steps[0]) if steps[0].state == StepState.PARTIAL else 1.0)
    return max(run.percent, min(99, int(share / weight * 100)))


def active_seconds(step: Part | StepRun, now: datetime) -> float:
    """Return the seconds that a step has been worked on, without parked and queued
    time.
    """
    current = 0.0
    if step.state == StepState.RUNNING and step.attempt_started_at:
        current = (now - step.attempt_started_at).total_seconds()
    return step.active_seconds + max(0.0, current)


class Pace:
    """The recent speed of a step, which shows whether its average so far holds for the
    rest.
    """

    def __init__(self) -> None:
        self._samples: list[tuple[float, int]] = []

    def add(self, seconds: float, done: int) -> None:
        """Record that a step had done this much after this many active seconds."""
        if not self._samples or seconds >= self._samples[-1][0] + 0.5:
            self._samples.append((seconds, done))
        # The recent part is the last fifth of the time, and at least five seconds.
        begin = seconds - max(5.0, seconds / 5)
        while len(self._samples) > 2 and self._samples[1][0] <= begin:
            self._samples.pop(0)

    def is_steady(self) -> bool:
        """Return whether the recent pace is about the pace since the beginning."""
        if len(self._samples) < 2:
            return False
        (begin, before), (end, done) = self._samples[0], self._samples[-1]
        if end <= begin or done <= before:
            return False
        lately, overall = (done - before) / (end - begin), done / end
        return overall / STEADY <= lately <= overall * STEADY


def eta_seconds(
    steps: Sequence[Part | StepRun], now: datetime, pace: Pace | None = None
) -> int | None:
    """Return the seconds of work that are left, or None if no estimate is good to a
    factor of two.

    The running step is estimated by its own pace, and the later ones by their weight at
    the pace of the run so far. Time in which the run is parked is not counted, neither
    past nor future.

    Args:
        pace: the running step's, if it is known; an estimate is given only while it is
            steady.
    """
    weight = sum(step.weight for step in steps) or 1
    done = sum(step.weight * fraction(step) for step in steps)
    spent = sum(active_seconds(step, now) for step in steps)
    if spent < MIN_SECONDS or done / weight < MIN_SHARE:
        return None
    own, guessed = 0.0, 0.0
    for step in steps:
        share, seconds = fraction(step), active_seconds(step, now)
        if MIN_SHARE_OF_STEP <= share < 1.0 and seconds >= 1.0:
            own += seconds / share * (1.0 - share)
        else:
            guessed += step.weight * (1.0 - share) * spent / done
    if guessed > own * MOST_GUESSED or (pace is not None and not pace.is_steady()):
        return None
    return round(own + guessed)
