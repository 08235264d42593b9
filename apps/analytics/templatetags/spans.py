"""Format durations.

{{ 754|span }}     13 min
"""

from django import template

register = template.Library()

MINUTE, HOUR, DAY = 60, 3600, 86400
NBSP = "\N{NO-BREAK SPACE}"


@register.filter
def span(seconds: float | None) -> str:
    """Format seconds, like `0.4 s`, `12 s`, `3 min`, `2.5 h`, `4 days`; a dash for
    None.
    """
    if seconds is None:
        return "–"
    if seconds < MINUTE:
        return _say(seconds, "s")
    if seconds < HOUR:
        return _say(seconds / MINUTE, "min")
    if seconds < 2 * DAY:
        return _say(seconds / HOUR, "h")
    return _say(seconds / DAY, "days")


def _say(value: float, unit: str) -> str:
    number = f"{value:.1f}".removesuffix(".0") if value < 10 else f"{value:.0f}"
    return f"{number}{NBSP}{unit}"
