"""Draw the frame of a chart: grid, months, labels at the right end, and the svg element
itself.

The svg's content box is the plot; ticks and end labels lie over its padding, which the
style sheet sets.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.text import slugify

from apps.metrics.charts.scale import Scale, months

LEFT, TOP, BOTTOM = 44, 10, 24
# Room next to the plot, for ticks and for the labels at the right end: the padding of
# the svg in charts.css.
RIGHT = {"lines": 72, "bars": 56, "shares": 104}
_LABEL_HEIGHT = 15
_BAR = 0.64  # the share of a week's width

# A label's text, its class, and the y of what it belongs to.
Label = tuple[str, str, float]
# The address that a week leads to; empty for none.
Link = Callable[[date], str]


def join(marks: Iterable[SafeString]) -> SafeString:
    """Return the pieces of markup as one."""
    return format_html_join("", "{}", ((mark,) for mark in marks))


def number(value: float) -> str:
    """Return a coordinate with at most two decimals."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


@dataclass(frozen=True)
class Frame:
    """A chart's box. `kind` names its margins; `weeks` are the ascending Mondays that
    it spans, gaps included.
    """

    kind: str
    label: str
    width: int
    height: int
    weeks: Sequence[date]
    link: Link | None = None

    def linked(self, week: date, mark: SafeString) -> SafeString:
        """Return a week's mark as a link to its pull requests.

        The link cannot be focused: the table below the chart has the links for
        keyboards.
        """
        address = self.link(week) if self.link else ""
        return (
            format_html('<a href="{}" tabindex="-1">{}</a>', address, mark) if address else mark
        )

    @cached_property
    def span(self) -> list[date]:
        """Return every week from the first to the last."""
        if not self.weeks:
            return []
        first = self.weeks[0].toordinal()
        return [
            date.fromordinal(day) for day in range(first, self.weeks[-1].toordinal() + 1, 7)
        ]

    @property
    def base(self) -> float:
        """Return the y of zero."""
        return self.height - BOTTOM

    @property
    def plot(self) -> float:
        """Return the height between zero and the top."""
        return self.base - TOP

    @property
    def pattern(self) -> str:
        """Return the id of the hatching."""
        return f"hatch-{slugify(self.label)}"

    def y(self, axis: Scale, value: float) -> float:
        return self.base - self.plot * value / axis.top

    def index(self, week: date) -> int:
        return (week - self.span[0]).days // 7

    def point(self, week: date) -> float:
        """Return the x of a week on a line, in % of the plot."""
        # A single week is at the right end, next to its label.
        return self.index(week) * 100 / (len(self.span) - 1) if len(self.span) > 1 else 100.0

    @property
    def slot(self) -> float:
        """Return the width that a week's bar has, in % of the plot."""
        return 100 / len(self.span)

    def bar(self, week: date, css: str, top: float, bottom: float, title: str) -> SafeString:
        """Return a bar or a part of one; `missing` and `unknown` ones are hatched."""
        fill = f"url(#{self.pattern})" if css in ("missing", "unknown") else ""
        mark = format_html(
            '<rect class="{}" x="{}%" y="{}" width="{}%" height="{}" rx="1.5"{}><title>{}</title></rect>',
            css,
            number((self.index(week) + (1 - _BAR) / 2) * self.slot),
            number(top),
            number(self.slot * _BAR),
            number(max(bottom - top, 0)),
            format_html(' fill="{}"', fill) if fill else "",
            title,
        )
        return self.linked(week, mark)

    def grid(self, axis: Scale) -> SafeString:
        """Return dotted lines at the ticks and a plain one at zero, with labels to the
        left.
        """
        rows = [
            (number(self.y(axis, tick)), "grid" if tick else "zero", axis.tick(tick))
            for tick in axis.ticks
        ]
        return format_html_join(
            "",
            '<line class="{}" x1="0" x2="100%" y1="{}" y2="{}"/><text class="tick" x="-8" y="{}" dy="4">{}</text>',
            ((css, y, y, y, text) for y, css, text in rows),
        )

    def months(self) -> SafeString:
        """Return the names of the months below the plot, as many as fit into the usual
        width.
        """
        room = (self.width - LEFT - RIGHT[self.kind]) / len(self.span)
        return format_html_join(
            "",
            '<text class="{}" x="{}%" y="{}">{}</text>',
            (
                (
                    "month minor" if month.minor else "month",
                    number(
                        self.point(self.span[month.index])
                        if self.kind == "lines"
                        else (month.index + (1 - _BAR) / 2) * self.slot
                    ),
                    self.height - 6,
                    month.name,
                )
                for month in months(self.span, room=room)
            ),
        )

    def hovers(self, titles: Iterable[tuple[date, str]]) -> SafeString:
        """Return invisible columns that show their week's numbers under the pointer."""
        half = 50 / max(len(self.span) - 1, 1)
        return join(
            self.linked(
                week,
                format_html(
                    '<rect class="hover" x="{}%" y="{}" width="{}%" height="{}"><title>{}</title></rect>',
                    *(
                        number(self.point(week) - half),
                        TOP,
                        number(2 * half),
                        number(self.plot),
                        title,
                    ),
                ),
            )
            for week, title in titles
        )

    def stretched(self, marks: Iterable[SafeString]) -> SafeString:
        """Return lines and areas, whose x goes from 0 to 100, stretched over the
        plot.
        """
        return format_html(
            '<svg class="stretched" width="100%" height="{}" viewBox="0 0 100 {}" preserveAspectRatio="none">{}</svg>',
            self.height,
            self.height,
            join(marks),
        )

    def labels(self, labels: Sequence[Label]) -> SafeString:
        """Return the texts at the right end, from the top, moved apart if they would
        overlap.
        """
        places: list[float] = []
        # Move each text down until it does not overlap the one above it.
        for _, _, y in labels:
            places.append(max(y, places[-1] + _LABEL_HEIGHT if places else TOP))
        # Move texts up again if the lowest one would be below the plot.
        for n in range(len(places) - 1, -1, -1):
            below = places[n + 1] - _LABEL_HEIGHT if n + 1 < len(places) else self.base
            places[n] = min(places[n], below)
        return format_html_join(
            "",
            '<text class="{}" x="100%" y="{}" dx="10" dy="4">{}</text>',
            ((css, number(y), text) for (text, css, _), y in zip(labels, places, strict=True)),
        )

    def svg(self, sentence: str, marks: Iterable[SafeString], labels: SafeString) -> SafeString:
        """Return the whole chart. `sentence` describes it to screen readers."""
        return format_html(
            '<svg class="chart {}" role="{}" aria-label="{}" width="{}" height="{}">'
            '<defs><pattern id="{}" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
            '<rect class="hatch-ground" width="6" height="6"/><line class="hatch" x1="1" y1="0" x2="1" y2="6"/>'
            "</pattern></defs>{}{}</svg>",
            *(self.kind, "group" if self.link else "img", sentence, self.width, self.height),
            *(self.pattern, join(marks), labels),
        )

    def empty(self, words: str = "Nothing to show yet") -> SafeString:
        """Return a box of the chart's size with a message that there is no data."""
        return format_html(
            '<svg class="chart nothing" role="img" aria-label="{}: {}" width="{}" height="{}">'
            '<line class="zero" x1="0" x2="100%" y1="{}" y2="{}"/>'
            '<text class="soft" x="50%" y="{}" text-anchor="middle">{}</text></svg>',
            *(self.label, words[0].lower() + words[1:], self.width, self.height),
            *(number(self.base), number(self.base), number(self.height / 2), words),
        )
