"""Compression of Django's answers by gzip. Static files are compressed once, when they
are collected.

An attacker who can make a browser send requests, and see the sizes of answers, can
guess a secret that is in the same body as text of the attacker (BREACH). Therefore
answers to forms, which show a new token or secret once, and the pages of accounts are
not compressed, and Django adds a random number of bytes to all others.
"""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

PLAIN_BELOW = ("/accounts/", "/admin/")
# Proxies hold an event stream, and clients read it while it arrives.
PLAIN_TYPES = ("text/event-stream", "application/grip")
METHODS = ("GET", "HEAD")


class CompressionMiddleware(GZipMiddleware):
    """Compresses the answers that may be compressed.

    It must come after the middleware of static files.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if not _may_compress(request, response):
            return response
        compressed: HttpResponseBase = super().process_response(request, response)
        return compressed


def _may_compress(request: HttpRequest, response: HttpResponseBase) -> bool:
    if request.method not in METHODS or request.path.startswith(PLAIN_BELOW):
        return False
    return not response.headers.get("Content-Type", "").startswith(PLAIN_TYPES)
