"""Compression of Django's answers by gzip; static files are compressed once, when they
are collected.

An attacker who can make a browser send requests, and see the sizes of answers, can
guess a secret that is in the same body as a text of the attacker's (BREACH). So answers
to forms, which show a new token or secret once, and the pages of accounts stay as they
are; and Django adds a random number of bytes to all others.
"""

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware

PLAIN_BELOW = ("/accounts/", "/admin/")
# An event stream goes through proxies that hold it, and is read as it comes.
PLAIN_TYPES = ("text/event-stream", "application/grip")
METHODS = ("GET", "HEAD")


class CompressionMiddleware(GZipMiddleware):
    """Compresses what may be compressed.

    Belongs behind the middleware of static files.
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
