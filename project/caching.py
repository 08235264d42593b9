"""What caches may do with Django's answers.

No cache may store pages of people and teams: neither a proxy nor the disk of a shared
computer. Many addresses have two bodies, the page and, for HTMX, a part of it; `Vary`
keeps a browser from showing one in place of the other.
"""

from collections.abc import Callable

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_vary_headers

GetResponse = Callable[[HttpRequest], HttpResponseBase]
SIGNED_IN = "private, no-store"
SIGNED_OUT = "private, no-cache"


class CachingMiddleware:
    """Sets Vary, and Cache-Control on each answer that doesn't have it: `no-store` for
    users who are signed in.

    It must come after the middleware of static files, which sets its own headers.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        patch_vary_headers(response, ["HX-Request"])
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = (
                SIGNED_IN if _is_signed_in(request) else SIGNED_OUT
            )
        return response


def _is_signed_in(request: HttpRequest) -> bool:
    """Return whether the request has a session or a token of the API.

    The database is not read for that.
    """
    if "Authorization" in request.headers:
        return True
    session = getattr(request, "session", None)
    return session is not None and bool(session.session_key)
