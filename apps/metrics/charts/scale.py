"""Choose the axes of the charts: round ticks from zero, the unit that fits the values,
and the names of months. Pure.

    scale_for([2.5, 30.0], "h").label(26.0)   # "26 h"
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import ceil, floor, log10

NBSP = "\u00a0"

_MOST_STEPS = 4
_NAME = 30  # The width of a month's name, in px.
_WEEKS_IN_MONTH = 4.3
_SPANS = ("min", "hours", "days")
_ROUND = (1.0, 2.0, 2.5, 5.0, 10.0)
# Durations have round numbers of their own.
_ROUND_MINUTES = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0)
_ROUND_HOURS = (1.0, 2.0, 5.0, 6.0, 10.0, 12.0, 20.0, 24.0)


@dataclass(frozen=True, slots=True)
class Scale:
    """A zero-based axis up to `top`.

    `factor` turns a value into what is shown, in `short` (axis) or `long` (labels).
    """

    top: float
    step: float
    factor: float = 1.0
    short: str = ""
    long: str = ""

    @property
    def ticks(self) -> list[float]:
        """Return the values at which a line is drawn, from zero to the top."""
        return [self.step * n for n in range(round(self.top / self.step) + 1)]

    def tick(self, value: float) -> str:
        """Return a tick's label; zero has no unit."""
        return _with_unit(value * self.factor, self.short if value else "")

    def bare(self, value: float) -> str:
        """Return a value without its unit."""
        return _with_unit(value * self.factor, "")

    def label(self, value: float) -> str:
        """Return a value with its unit."""
        return _with_unit(value * self.factor, self.long)


def scale_for(values: Sequence[float], unit: str) -> Scale:
    """Return the axis for these values.

    Args:
        unit: "h" picks minutes, hours, or days for values in hours. "min", "hours", and
            "days" show values in hours in that unit. "lines", "%", and "" are shown as
            they are.
    """
    most = max(values, default=0.0)
    if unit not in ("h", *_SPANS):
        step = _step(most, _ROUND, whole=unit != "%")
        return Scale(_top(most, step), step, short=unit if unit == "%" else "", long=unit)
    chosen = _fitting(most) if unit == "h" else unit
    if chosen == "min":
        step = _step(most * 60, _ROUND_MINUTES, whole=True) / 60
        return Scale(_top(most, step), step, 60, "min", "min")
    if chosen == "hours":
        step = _step(most, _ROUND_HOURS, whole=True)
        return Scale(_top(most, step), step, 1, "h", "h")
    step = _step(most / 24, _ROUND, whole=True) * 24
    return Scale(_top(most, step), step, 1 / 24, "d", "days")


def _fitting(most: float) -> str:
    """Return the unit for spans of up to so many hours."""
    if most <= 2:
        return "min"
    return "hours" if most <= 96 else "days"


def _top(most: float, step: float) -> float:
    # The tolerance keeps a rounding error from adding a step.
    return step * max(1, ceil(most / step - 1e-9))


def _step(most: float, round_numbers: Sequence[float], *, whole: bool) -> float:
    """Return the smallest round step that reaches `most` in at most four.

    A `whole` step has no fraction.
    """
    least = max(most / _MOST_STEPS, 1.0 if whole else 1e-9)
    power = 10.0 ** floor(log10(least))
    decades = [number * power for number in _ROUND if not (whole and number * power % 1)]
    steps = round_numbers if round_numbers[0] <= least <= round_numbers[-1] else decades
    return next(step for step in steps if step >= least - 1e-9)


def _with_unit(number: float, unit: str) -> str:
    shown = f"{number:,.1f}" if abs(number) < 10 and round(number, 1) % 1 else f"{number:,.0f}"
    if unit == "days" and shown == "1":
        unit = "day"
    return f"{shown}{NBSP}{unit}" if unit else shown


@dataclass(frozen=True, slots=True)
class Month:
    """Hold a month's name and the index of its first week. `minor` months are left out
    if there is little room.
    """

    index: int
    name: str
    minor: bool


def months(weeks: Sequence[date], *, room: float) -> list[Month]:
    """Return the labels of the months among consecutive weeks, thinned evenly.

    The first label is at the first week, unless the next month begins too soon after
    it.

    Args:
        weeks: the Mondays of the weeks.
        room: the width of a week in px.
    """
    starts = [
        index
        for index, week in enumerate(weeks)
        if not index or week.month != weeks[index - 1].month
    ]
    if len(starts) > 1 and starts[1] * room < _NAME:
        starts = starts[1:]
    every = max(1, ceil(_NAME / (room * _WEEKS_IN_MONTH)))
    kept = starts[::every]
    return [
        # Of many names, a narrow box hides every second one.
        Month(index, f"{weeks[index]:%b}", len(kept) > 6 and bool(n % 2))
        for n, index in enumerate(kept)
    ]


def day(week: date) -> str:
    """Return a day like `7 September`."""
    return f"{week.day} {week:%B}"
