"""Make text that users wrote safe for emails: it is shown unchanged, but mail programs
turn no part of it into a link.

    without_links("Win at https://evil.example/x")
    # the same letters, with invisible joiners at "://" and the dots
"""

import re

# An invisible character that breaks what mail programs recognize as a link. Unlike a
# zero-width space it allows no line break.
_JOINER = "\u2060"
_ADDRESS = re.compile(r"://|www\.|mailto:|[\w-]\.[\w-]+[/?#:]", re.IGNORECASE)
_MARKS = re.compile(r"(?<=\S)(\.|@|:(?=//))(?=\S)")


def has_address(text: str) -> bool:
    """Return whether the text has a web address in it.

    A bare name with a dot, like Node.js, is not one.
    """
    return _ADDRESS.search(text) is not None


def without_links(text: str) -> str:
    """Return the text on one line, with a joiner after each character that marks an
    address.
    """
    return _MARKS.sub(rf"\1{_JOINER}", " ".join(text.split()))
