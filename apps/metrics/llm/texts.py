"""Other people's text, made fit to be sent: without what nobody can see, without what looks like a key, and cut."""

import re
import unicodedata

MASK = "[masked]"
CUT = " [cut]"

# Each: something secret by its shape. What is kept of a match stands in the group `keep`.
_SECRETS = [
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"\b(?:gh[pousr]_|github_pat_|glpat-|npm_|pypi-|dop_v1_|hf_|gsk_|SG\.)[A-Za-z0-9_.-]{16,}"),
    re.compile(r"\bsk-(?:[a-z]+-)*[A-Za-z0-9_-]{16,}"),
    re.compile(r"\b(?:sk|pk|rk|whsec)_(?:live_|test_)?[A-Za-z0-9]{16,}"),
    re.compile(r"\b(?:AKIA|ASIA|AIza|ya29\.)[A-Za-z0-9_-]{12,}"),
    re.compile(r"\bxox[abeprs]-[A-Za-z0-9-]{10,}"),
    re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"),
    re.compile(r"(?P<keep>\b[a-z][a-z0-9+.-]{1,20}://[^\s:/@]{1,100}:)[^\s/@]{1,200}(?=@)", re.IGNORECASE),
    re.compile(r"(?P<keep>\b(?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{16,}", re.IGNORECASE),
    re.compile(
        r"(?P<keep>\b[\w-]{0,40}(?:api[_-]?key|secret|token|passw(?:or)?d|pwd|access[_-]?key)[\w-]{0,40}[\"']?\s*(?:=|:|=>)\s*[\"']?)"
        r"[^\s\"',;]{8,}",
        re.IGNORECASE,
    ),
    # Long runs of base64 or hex that are no commit's id.
    re.compile(r"\b(?![0-9a-f]{40}\b)(?=[A-Za-z0-9+/_-]*[0-9])(?=[A-Za-z0-9+/_-]*[A-Z])[A-Za-z0-9+_-]{40,}={0,2}"),
]
# Characters that are not seen but read: controls, directions, joiners, tags, private use.
_UNSEEN = {"Cc", "Cf", "Co", "Cs", "Cn"}


def visible(text: str) -> str:
    """The text as a person sees it: composed, without characters that show nothing; line breaks and tabs stay."""
    composed = unicodedata.normalize("NFKC", text)
    return "".join(mark for mark in composed if mark in "\n\t" or unicodedata.category(mark) not in _UNSEEN)


def mask(text: str) -> str:
    """The text with what looks like a key or a password replaced."""
    for pattern in _SECRETS:
        text = pattern.sub(lambda found: f"{found.groupdict().get('keep') or ''}{MASK}", text)
    return text


def fit(text: str, limit: int) -> str:
    """Made visible, masked and cut to about `limit` characters. Masking comes first: a cut may halve a key."""
    # Bodies of megabytes are not read for what is cut off anyway.
    ahead = limit * 2 + 2_000
    whole = mask(visible(text[:ahead])).strip()
    return whole if len(whole) <= limit and len(text) <= ahead else whole[:limit] + CUT
