"""The template filter for machine-readable times, available in every template without
`load`.

    <time datetime="{{ run.created_at|machine_time }}">
      {{ run.created_at|date:"j M, H:i" }} UTC
    </time>
"""

from datetime import datetime

from django import template

register = template.Library()


@register.filter
def machine_time(moment: datetime | str | None) -> str:
    """Return a time as ISO 8601 to the second, as HTML requires it; empty without a
    time.

    Args:
        moment: a datetime, or its ISO 8601 text, as projections have it.
    """
    if not moment:
        return ""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.isoformat(timespec="seconds")
