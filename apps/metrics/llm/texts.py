"""Prepare text by users to be sent to a model: remove invisible characters, mask what
looks like a key, and shorten it.
"""

import re
import unicodedata
from functools import lru_cache

MASK = "[masked]"
CUT = " [cut]"

# Patterns of secrets. The group `keep` of a match stays in the text.
_SECRETS = [
    re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
        re.DOTALL,
    ),
    re.compile(
        r"\b(?:gh[pousr]_|github_pat_|glpat-|npm_|pypi-|dop_v1_|hf_|gsk_|SG\.)[A-Za-z0-9_.-]{16,}"
    ),
    re.compile(r"\bsk-(?:[a-z]+-)*[A-Za-z0-9_-]{16,}"),
    re.compile(r"\b(?:sk|pk|rk|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,}"),
    re.compile(r"\b(?:AKIA|ASIA|AIza|ya29\.)[A-Za-z0-9_-]{12,}"),
    re.compile(r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
    re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]*"),
    re.compile(
        r"(?P<keep>\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,100}:)[^\s/@]{1,200}(?=@)",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<keep>\b(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{16,}", re.IGNORECASE),
    re.compile(
        r"(?P<keep>(?:api[_-]?key|secret|token|passw(?:or)?d|pwd|access[_-]?key)[\w-]{0,40}+[\"']?\s*+(?:=>|=|:)\s*+[\"']?)"
        r"[^\s\"',;]{8,}",
        re.IGNORECASE,
    ),
]
# Long runs of base64 or hex. A run is a key if it holds a digit and a capital letter;
# the id of a commit does not.
_LONG_RUN = re.compile(
    r"(?<![A-Za-z0-9+_-])[+-]*+(?P<run>[A-Za-z0-9_][A-Za-z0-9+_-]{39,})={0,2}"
)
_DIGIT, _CAPITAL = re.compile(r"[0-9]"), re.compile(r"[A-Z]")
# The most combining marks in a row, as in Unicode's Stream-Safe Text Format (UAX #15).
# To put a run of marks in their order, `normalize` needs the square of its length:
# 20,000 marks take seconds.
MOST_MARKS = 30
# Characters that are not seen but read: controls, directions, joiners, tags, private
# use.
_UNSEEN = {"Cc", "Cf", "Co", "Cs", "Cn"}


def visible(text: str) -> str:
    """Return the text as a person sees it: composed, without invisible characters, and
    with line breaks and tabs.
    """
    composed = unicodedata.normalize("NFKC", without_stacks(text))
    return "".join(
        mark for mark in composed if mark in "\n\t" or unicodedata.category(mark) not in _UNSEEN
    )


def without_stacks(text: str) -> str:
    """Return the text with at most 30 combining marks in a row; the further marks of a
    run are removed.
    """
    if text.isascii():
        return text
    kept: list[str] = []
    marks = 0
    for character in text:
        marks = marks + 1 if _is_mark(character) else 0
        if marks <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)


@lru_cache(maxsize=4096)
def _is_mark(character: str) -> bool:
    """Return whether the character, once decomposed, begins with a combining mark."""
    return unicodedata.combining(unicodedata.normalize("NFKD", character)[0]) != 0


def mask(text: str) -> str:
    """Return the text with `[masked]` in place of what looks like a key or a
    password.
    """
    for pattern in _SECRETS:
        text = pattern.sub(lambda found: f"{found.groupdict().get('keep') or ''}{MASK}", text)
    return _LONG_RUN.sub(_masked_run, text)


def _masked_run(found: re.Match[str]) -> str:
    """Return a long run as it is, or the mask if it looks like a key."""
    run = found["run"]
    if _DIGIT.search(run) and _CAPITAL.search(run):
        return MASK
    return found[0]


def fit(text: str, limit: int) -> str:
    """Return the text made visible, masked, and cut to about `limit` characters.

    It is masked before it is cut, because half a key would not look like one.
    """
    # The rest would be cut off anyway, and may have megabytes.
    ahead = limit * 2 + 2_000
    whole = mask(visible(text[:ahead])).strip()
    return whole if len(whole) <= limit and len(text) <= ahead else whole[:limit] + CUT
