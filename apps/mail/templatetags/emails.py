"""Building blocks of emails that need a computed width or length.

{% load emails %}
{% email_button link %}Open dashboard{% endemail_button %}
{% preheader %}GitHub refused the token.{% endpreheader %}
{% for row in figures|in_pairs %}…{% endfor %}

Outlook renders with Word's engine. It ignores padding, height, and `display` on a link,
so a button is a table cell of a fixed width. See `tests/mail/word.py` for all pitfalls
that are checked.
"""

from collections.abc import Sequence
from itertools import batched
from typing import Any

from django import template
from django.utils.html import format_html, strip_tags
from django.utils.safestring import SafeString

register = template.Library()

BUTTON_HEIGHT = 46
# The width in pixels of one character of a label in 15 px semibold, and of both
# margins. A width that is too large does no harm.
_CHARACTER, _MARGINS = 9, 48
_SHORTEST, _LONGEST = 160, 300
# A preheader with its padding has this many characters, which is more than any mail
# program shows.
PREHEADER_LENGTH = 200
# An invisible letter and a figure space: programs neither draw nor drop them.
_PADDING = "&#847;&#8199;"


@register.simple_block_tag
def email_button(content: str, link: str) -> SafeString:
    """Return a link as a filled table cell, as wide as its label needs."""
    label = SafeString(" ".join(content.split()))
    width = min(_LONGEST, max(_SHORTEST, len(strip_tags(label)) * _CHARACTER + _MARGINS))
    return format_html(
        '<table role="presentation" border="0" cellpadding="0" cellspacing="0"><tr>'
        '<td class="button" width="{width}" height="{height}" align="center" bgcolor="#181a2c" '
        'style="width:{width}px;height:{height}px;border-radius:7px;font-family:{font};font-size:15px;'
        'line-height:22px;font-weight:600;color:#ffffff">'
        '<a class="button-link" href="{link}" style="color:#ffffff;text-decoration:none;font-weight:600">{label}</a>'
        "</td></tr></table>",
        width=width,
        height=BUTTON_HEIGHT,
        font=FONT,
        link=link,
        label=label,
    )


@register.simple_block_tag
def preheader(content: str) -> SafeString:
    """Return the hidden line that mail programs show after the subject, padded so that
    they show nothing else.
    """
    line = SafeString(" ".join(content.split()))
    missing = max(0, PREHEADER_LENGTH - len(strip_tags(line)))
    return format_html(
        '<div class="preheader" style="display:none;mso-hide:all;max-height:0;overflow:hidden;font-size:1px;'
        'line-height:1px;color:#fbfaf7">{}{}</div>',
        line,
        SafeString(_PADDING * (missing // 2)),
    )


@register.filter
def in_pairs(values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Return the values two by two; the last pair may be one value alone."""
    return list(batched(values, 2))


FONT = SafeString("Inter,-apple-system,&#x27;Segoe UI&#x27;,Roboto,Helvetica,Arial,sans-serif")


@register.simple_tag
def email_font() -> SafeString:
    """Return the fonts, for the style of a cell.

    Outlook renders with Word, whose tables do not inherit a font.
    """
    return FONT
