"""Text and counts from outside, made fit for a column."""


def clean(text: str, limit: int | None = None) -> str:
    """The text without what no database column takes, cut to `limit` characters.

    PostgreSQL refuses NUL, and neither database stores half a surrogate pair.
    """
    if "\x00" in text:
        text = text.replace("\x00", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode()
    return text if limit is None else text[:limit]


_MOST = 2_147_483_647  # an integer column's end


def line_count(number: int) -> int:
    """A count within what its column takes."""
    return min(max(number, 0), _MOST)
