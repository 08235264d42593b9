"""Figures as people say them. A no-break space stands between a number and its unit."""

from apps.metrics.models import TeamMember

NBSP = "\N{NO-BREAK SPACE}"


def in_hours(hours: float) -> str:
    """A span of hours: minutes below one hour, days from two days on."""
    if hours < 1:
        return f"{max(1, round(hours * 60))}{NBSP}min"
    if hours < 48:
        return f"{hours:.1f}{NBSP}h" if hours < 10 and round(hours, 1) % 1 else f"{hours:.0f}{NBSP}h"
    return f"{hours / 24:.0f}{NBSP}days"


def in_lines(lines: float) -> str:
    """A number of changed lines."""
    return f"{lines:,.0f}{NBSP}{'line' if round(lines) == 1 else 'lines'}"


def person(member: TeamMember | None) -> str:
    """Who somebody is: the name where the source gives one, else the login."""
    if member is None or member.key == "ghost":
        return "Deleted account"
    return member.name or member.login
