"""A trend in a table's cell: bars without axes. Pure."""

from collections.abc import Sequence

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.metrics.charts.frame import number


def spark_bars(
    counts: Sequence[int], *, label: str, width: int = 96, height: int = 20
) -> SafeString:
    """Draw bars up to the highest count, none for zero; the latest one is marked."""
    most, room = max(counts, default=0), width / max(len(counts), 1)
    bars = format_html_join(
        "",
        '<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="0.5"/>',
        (
            (
                "bar now" if index == len(counts) - 1 else "bar",
                number(index * room + room * 0.15),
                number(height - 1 - (height - 1) * count / most),
                number(room * 0.7),
                number((height - 1) * count / most),
            )
            for index, count in enumerate(counts)
            if count
        ),
    )
    return format_html(
        '<svg class="spark" role="img" aria-label="{}: {} first, {} last, at most {}." width="{}" height="{}">'
        '<line class="zero" x1="0" x2="{}" y1="{}" y2="{}"/>{}</svg>',
        *(label, counts[0] if counts else 0, counts[-1] if counts else 0, most, width, height),
        *(width, height - 0.5, height - 0.5, bars),
    )
