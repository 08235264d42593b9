"""Read one delivery of GitHub. Its signature is computed while the body arrives, and a
body is kept only if it is needed.

    body = read(request, secret, keep=event in PARSED)    b'{"action": "opened", …}'; empty if it isn't kept
    payload = parse(body, request.content_type)           {"action": "opened", …}

GitHub sends up to 25 MB. A `push` is the only event that gets that large; it is never
kept.
"""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote_to_bytes

from django.http import HttpRequest, UnreadablePostError

from apps.integrations.sources.github.fields import Malformed

# The most bytes of a body, and of one read from it. The web server refuses larger
# bodies before Django starts.
MAX_BYTES = 25 * 1024 * 1024
CHUNK = 64 * 1024
# The most lists, objects, and items of a body. Each takes far more memory than its
# bytes.
MAX_PARTS = 500_000
# A process parses larger bodies one at a time, to limit its memory.
LARGE = 2 * 1024 * 1024

SIGNATURE_START = "sha256="
SIGNATURE_LENGTH = len(SIGNATURE_START) + 64
FORM = "application/x-www-form-urlencoded"
FIELD = b"payload="

_one_at_a_time = threading.Lock()


class BadSignature(Exception):
    """The body isn't signed with the secret."""


class TooLarge(Exception):
    """The body has more than MAX_BYTES."""


def read(request: HttpRequest, secret: str, *, keep: bool) -> bytearray:
    """Return the body of a delivery if `keep` is set, otherwise an empty one.

    Raises BadSignature, TooLarge, and Malformed if the connection ends before the body
    does.
    """
    signature = request.headers.get("X-Hub-Signature-256", "")
    # Checked before the body is read, so that a request without a signature costs
    # nothing.
    if not signature.startswith(SIGNATURE_START) or len(signature) != SIGNATURE_LENGTH:
        raise BadSignature
    digest = hmac.new(secret.encode(), digestmod=hashlib.sha256)
    kept = bytearray()
    size = 0
    try:
        while chunk := request.read(CHUNK):
            size += len(chunk)
            if size > MAX_BYTES:
                raise TooLarge
            digest.update(chunk)
            if keep:
                kept += chunk
    except UnreadablePostError:
        raise Malformed("it is incomplete") from None
    wanted = f"{SIGNATURE_START}{digest.hexdigest()}"
    # In constant time: the duration must not reveal how many characters are right.
    if not hmac.compare_digest(wanted.encode(), signature.encode()):
        raise BadSignature
    return kept


def parse(body: bytearray, content_type: str | None) -> dict[str, Any]:
    """Return the JSON object of a body, which GitHub sends as JSON or in the field of a
    form. Raises Malformed.
    """
    with _turn(len(body)):
        if content_type == FORM:
            body = _from_form(body)
        # An upper bound that is found without parsing.
        parts = body.count(b",") + body.count(b"[") + body.count(b"{")
        if parts > MAX_PARTS:
            raise Malformed(f"it has more than {MAX_PARTS:,} parts")
        try:
            payload = json.loads(body)
        except (ValueError, RecursionError):
            raise Malformed("it is not JSON") from None
    if not isinstance(payload, dict):
        raise Malformed("it is not a JSON object")
    return payload


@contextmanager
def _turn(size: int) -> Iterator[None]:
    if size <= LARGE:
        yield
        return
    with _one_at_a_time:
        yield


def _from_form(body: bytearray) -> bytearray:
    """Return the value of the form's field, decoded piece by piece. The standard
    library would split the text at each escape.
    """
    start = 0 if body.startswith(FIELD) else body.find(b"&" + FIELD) + 1
    if start == 0 and not body.startswith(FIELD):
        raise Malformed("the form has no field “payload”")
    start += len(FIELD)
    end = body.find(b"&", start)
    if end < 0:
        end = len(body)
    value = bytearray()
    while start < end:
        stop = min(start + CHUNK, end)
        # An escape like %7B stays in one piece.
        cut = body.rfind(b"%", stop - 2, stop)
        if stop < end and cut > start:
            stop = cut
        value += unquote_to_bytes(bytes(body[start:stop].replace(b"+", b" ")))
        start = stop
    return value
