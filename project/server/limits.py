"""How much one request and one connection may take. Times are in seconds, sizes in
bytes.

>>> body_limit(b"/t/acme/settings/", [])
262144
"""

# Header
URL = 8 * 1024
HEADERS = 32 * 1024
HEADER_COUNT = 100
HEADER_SECONDS = 10.0

# Body. Nothing on the site takes files; the largest form is the choice of some thousand
# repositories.
FORM = 256 * 1024
WEBHOOK = 25 * 1024 * 1024  # the largest that GitHub sends
WEBHOOKS_AT_ONCE = 3
BODY_SECONDS = 20.0
WEBHOOK_SECONDS = 60.0

# Answer
ANSWER_SECONDS = 30.0  # until the answer begins
UNREAD_SECONDS = 60.0  # for which a client may leave an answer unread
LINGER_SECONDS = 2.0  # in which a refused client can read why
# How much of a refused body is read in that time: as much as a proxy in front lets
# through. If the connection is closed while a proxy is still sending, the proxy answers
# 502 in place of the refusal.
LINGER = WEBHOOK

# Connections
IDLE_SECONDS = 10.0
RETRY_AFTER = 2
MOST_FILES = 65_536
LEAST_PER_CLIENT = 64

HOOKS = b"/hooks/"
SIGNATURE = b"x-hub-signature-256"
_SIGNATURE_LENGTH = len("sha256=") + 64


def is_signed_hook(path: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
    """Return whether a request is a webhook delivery with a signature of the right
    form; its value is checked later.
    """
    if not path.startswith(HOOKS):
        return False
    values = [value for name, value in headers if name == SIGNATURE]
    return (
        len(values) == 1
        and values[0].startswith(b"sha256=")
        and len(values[0]) == _SIGNATURE_LENGTH
    )


def body_limit(path: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    """Return how many bytes the body of a request may have."""
    return WEBHOOK if is_signed_hook(path, headers) else FORM
