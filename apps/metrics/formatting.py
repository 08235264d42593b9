"""Format figures for people, with a no-break space between a number and its unit.

in_hours(0.5)   # "30 min"
in_hours(2.5)   # "2.5 h"
in_hours(72)    # "3 days"
"""

from apps.metrics.models import TeamMember

NBSP = "\N{NO-BREAK SPACE}"
MINUS = "\N{MINUS SIGN}"
# Spans from here on are shown in days; in hours.
DAYS_FROM = 48


def in_hours(hours: float) -> str:
    """Return a span of hours in words: minutes below one hour, days from two days on,
    by the value as it is shown.
    """
    minutes = max(1, round(hours * 60))
    if minutes < 60:
        return f"{minutes}{NBSP}min"
    if round(hours) < DAYS_FROM:
        return (
            f"{hours:.1f}{NBSP}h"
            if hours < 10 and round(hours, 1) % 1
            else f"{hours:.0f}{NBSP}h"
        )
    return f"{hours / 24:.0f}{NBSP}days"


def unit_of(typical: float | None, high: float | None) -> str:
    """Return the unit in which a panel shows all its spans: "min", "hours", or "days".

    `typical` is its median and `high` its p75, both in hours. `in_unit` and the charts
    take it.
    """
    if typical is None or (1 <= typical < DAYS_FROM):
        return "hours"
    if typical >= DAYS_FROM:
        return "days"
    return "min" if (high or 0) <= 2 else "hours"


def in_unit(hours: float, unit: str) -> str:
    """Return a span of hours in a unit of `unit_of`."""
    number = hours * {"min": 60, "hours": 1, "days": 1 / 24}[unit]
    text = f"{number:,.1f}" if abs(number) < 10 and round(number, 1) % 1 else f"{number:,.0f}"
    short = {"hours": "h", "days": "day" if text == "1" else "days"}.get(unit, unit)
    return f"{text}{NBSP}{short}"


def in_lines(lines: float) -> str:
    """Return a number of changed lines, like "1,204 lines"."""
    return f"{lines:,.0f}{NBSP}{'line' if round(lines) == 1 else 'lines'}"


def person(member: TeamMember | None) -> str:
    """Return a person's name, or the login if the source has no name."""
    if member is None or member.key == "ghost":
        return "Deleted account"
    return member.name or member.login
