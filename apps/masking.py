"""Remove secrets from text that leaves the product: log lines, error reports, stored
reasons, emails.

    mask("GET /invitations/Yq3…/")             "GET /invitations/[masked]/"
    mask("redis://:hunter2@redis:6379/0")      "redis://:[masked]@redis:6379/0"
    storable(str(error))                       the same, without NUL, in at most 500 characters

A secret is recognized by its own shape (`ghp_…`, a key in PEM) or by the name in front
of it (`password=`). Every pattern needs linear time on any text: quantifiers are
possessive, or bounded and anchored by a lookbehind.
"""

import re
from collections.abc import Callable

MASK = "[masked]"
CUT = " [cut]"
# Characters that `mask` reads of one text. Nothing that is logged or stored should be
# longer.
LONGEST = 50_000

_PATH_STEP = r"(?:/|%2f)"

type Replacement = str | Callable[[re.Match[str]], str]


def _hide_user(found: re.Match[str]) -> str:
    """Hide the password of an address, or its user if there is no password, as in
    `https://TOKEN@host`.
    """
    address = found[1]
    ends = [at for at in map(address.find, "/?#") if at >= 0]
    host_end = min(ends, default=len(address))
    at = address.rfind("@", 0, host_end)
    if at < 0:
        # A password with a slash, which no server escapes: `:` before the end of the
        # host, but no port after it.
        port = address[:host_end].rpartition(":")[2]
        if ":" not in address[:host_end] or port.isdigit():
            return found[0]
        at = address.rfind("@")
        if at < 0:
            return found[0]
    user, colon, _password = address[:at].partition(":")
    kept = user + colon if colon else ""
    return f"://{kept}{MASK}{address[at:]}"


def _hide_random(found: re.Match[str]) -> str:
    """Hide a run of base64; a commit's hash or a long name, which lacks digits or
    capitals, stays.
    """
    run = found[0]
    has_digit = any(mark.isdigit() for mark in run)
    has_capital = any(mark.isupper() for mark in run)
    return MASK if has_digit and has_capital else run


def _hide_session_key(found: re.Match[str]) -> str:
    """Hide 32 letters and digits, as Django makes session keys; a hash in hexadecimal
    stays.
    """
    run = found[0]
    if run.isdigit() or run.isalpha() or not run.strip("0123456789abcdef"):
        return run
    return MASK


_KEEP = r"\g<keep>" + MASK
# Each secret that is known by its shape or its place, and what replaces it.
SHAPES: tuple[tuple[re.Pattern[str], Replacement], ...] = (
    # A private key in PEM, also one without its end.
    (
        re.compile(
            r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----(?:[^-]++|-(?!----END ))*+(?:-----END [A-Z ]{0,40}-----)?"
        ),
        MASK,
    ),
    # User and password in an address.
    (re.compile(r"""://([^\s"'<>]++)"""), _hide_user),
    # The product's own links: password reset, confirmation, invitation, sign-in,
    # recovery, unsubscribing, webhooks.
    (
        re.compile(
            rf"(?P<keep>{_PATH_STEP}(?:key|confirm-email|invitations|sign-in|recovery|weekly-mail|stop|unsubscribe"
            rf"|hooks{_PATH_STEP}github|hooks){_PATH_STEP})[^\s/?#\"'<>&%]{{8,}}+",
            re.IGNORECASE,
        ),
        _KEEP,
    ),
    # Tokens with a prefix of their issuer, and this product's own `fl_…`.
    (
        re.compile(
            r"(?<![A-Za-z0-9])(?:gh[a-z]_|github_pat_|glpat-|npm_|pypi-|dop_v1_|hf_|gsk_|fl_|whsec_|[spr]k_|sk-|SG\.|ya29\."
            r"|AKIA|ASIA|AIza|xox[a-z]-)[A-Za-z0-9_.-]{12,}+"
        ),
        MASK,
    ),
    # JSON web tokens.
    (
        re.compile(
            r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}+\.[A-Za-z0-9_-]{8,}+(?:\.[A-Za-z0-9_-]*+)?"
        ),
        MASK,
    ),
    # The time and signature of a value that Django signed.
    (re.compile(r":[A-Za-z0-9]{6,7}:[A-Za-z0-9_-]{27,43}(?![A-Za-z0-9_-])"), ":" + MASK),
    (
        re.compile(
            r"(?P<keep>(?<![A-Za-z0-9])(?:bearer|basic)\s{1,5})[A-Za-z0-9+/=._~-]{16,}+",
            re.IGNORECASE,
        ),
        _KEEP,
    ),
    # The one-time values of OpenID Connect and OAuth in an address.
    (
        re.compile(
            r"(?P<keep>[?&;](?:code|state|key|sig|ticket|nonce|id_token_hint)=)[^\s&\"'<>;#]{1,}+",
            re.IGNORECASE,
        ),
        _KEEP,
    ),
    # Long random runs: Fernet keys, secret keys, invitation tokens; then session keys.
    (re.compile(r"(?<![A-Za-z0-9+_-])[A-Za-z0-9+_-]{40,}+={0,2}"), _hide_random),
    (re.compile(r"(?<![A-Za-z0-9_-])[a-z0-9]{32}(?![A-Za-z0-9_-])"), _hide_session_key),
)
# A name and what separates it from its value, also in JSON and in a repr: `'name':
# ['value']`, `(b'name', b'value')`.
NAME = re.compile(
    r"""(?<![\w-])([\w-]{3,}+)(?:\\?["'])?(?:\s{0,5}(?:=>|[:=])|\s{0,5},(?=\s{0,5}b?\\?["']))\s{0,5}[\[(]?b?"""
)
SECRET_NAME = re.compile(
    r"passw(?:or)?d|passphrase|pwd|secret|token(?!s)|api[_-]?key|access[_-]?key|private[_-]?key|credential[_-]?key"
    r"|session[_-]?(?:id|key)|csrf|signature|otp$|cookies?$|authorization$"
)
QUOTED = re.compile(r"""\\?(["'])(?:(?!\\?\1)[^\r\n]){1,500}+""")
UNQUOTED = re.compile(r"""[^\s"'\\,;&)\]}\[]{4,}+""")
# The values of these are whole lines: `Cookie: a=1; b=2`.
HEADERS = {"cookie", "set-cookie", "authorization", "proxy-authorization"}
REST_OF_LINE = re.compile(r"[^\r\n\"']{1,4000}+")
# Names longer than this are read from their end.
_LONGEST_NAME = 100
_UNSTORABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def mask(text: str) -> str:
    """Return the text with each secret replaced by `[masked]`.

    Reads the first 50,000 characters; if the text is longer, the rest is replaced by `
    [cut]`.
    """
    masked = text[:LONGEST]
    for pattern, replacement in SHAPES:
        masked = pattern.sub(replacement, masked)
    masked = _mask_named(masked)
    return masked + CUT if len(text) > LONGEST else masked


def storable(text: str, limit: int = 500) -> str:
    """Return the masked text in at most `limit` characters, fit for a column of any
    database.

    NUL and other control characters, which PostgreSQL or a terminal refuse, and lone
    surrogates are removed. Masking comes before the cut, because half a secret no
    longer has its shape.
    """
    # The rest would be cut off anyway, and may have megabytes.
    ahead = text[: 2 * limit + 2_000]
    clean = _UNSTORABLE.sub("", mask(ahead)).strip()
    if len(clean) <= limit and len(text) <= len(ahead):
        return clean
    return clean[: limit - 1] + "…"


def _mask_named(text: str) -> str:
    """Return the text with the value after each secret's name replaced."""
    kept: list[str] = []
    start = 0
    while named := NAME.search(text, start):
        name = named[1][-_LONGEST_NAME:].lower()
        kept.append(text[start : named.end()])
        start = named.end()
        if not SECRET_NAME.search(name):
            continue
        is_header = name in HEADERS and ":" in named[0]
        value = QUOTED.match(text, start)
        if value:
            kept.append(value[0][: value.start(1) + 1 - start])
        else:
            value = (REST_OF_LINE if is_header else UNQUOTED).match(text, start)
        if value:
            kept.append(MASK)
            start = value.end()
    return "".join(kept) + text[start:]
