"""Prepare text and counts from outside for the columns of the databases."""

# The most characters of a body or a commit message that are stored. GitHub's own limit
# for bodies is 65,536; a commit message has none. Reading the AI markers of so long a
# text takes about a second.
LONGEST = 2_000_000


def clean(text: str, limit: int | None = None) -> str:
    """Return the text without characters that the databases refuse, cut to `limit`
    characters.

    PostgreSQL refuses NUL, and neither database stores half a surrogate pair.
    """
    if "\x00" in text:
        text = text.replace("\x00", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode()
    return text if limit is None else text[:limit]


def clean_long(text: str) -> str:
    """Return the cleaned text of a body or a commit message; of one over 2,000,000
    characters, its first and last lines.

    AI markers are in the first or last lines, so both ends stay, each with up to half
    of the characters. Fences and comments that begin or end in the removed part are
    replaced, so that the last lines are read as before.
    """
    text = clean(text)
    if len(text) <= LONGEST:
        return text
    # Room for the line breaks, the fence, and the mark of a comment between the two
    # ends.
    half = LONGEST // 2 - 10
    start = max(text.rfind("\n", 0, half), 0) or half
    end = text.find("\n", len(text) - half) + 1 or len(text) - half
    kept = [text[:start], *_boundaries(text[start:end]), text[end:]]
    return "\n".join(kept)


def _boundaries(removed: str) -> list[str]:
    """Return the lines that begin or end code and comments as the removed text did."""
    lines = []
    fences = sum(line.lstrip()[:3] in ("```", "~~~") for line in removed.split("\n"))
    if fences % 2:
        lines.append("```")
    opened, closed = removed.rfind("<!--"), removed.rfind("-->")
    if opened > closed:
        lines.append("<!--")
    elif closed >= 0:
        lines.append("-->")
    return lines


_MOST = 2_147_483_647  # the largest value of an integer column


def line_count(number: int) -> int:
    """Return a count within the limits of its column."""
    return min(max(number, 0), _MOST)
