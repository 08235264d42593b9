"""Detect a proxy that is not trusted, behind which all visitors have the same address.

uvicorn replaces a request's address by the one in X-Forwarded-For if the request comes
from a host in FORWARDED_ALLOW_IPS. Otherwise all visitors behind the proxy share the
limits of the proxy's address, so the operator has to know.
"""

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

logger = logging.getLogger(__name__)


class ProxyCheckMiddleware:
    """Logs one warning per process for X-Forwarded-For from a host that is not trusted."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._warned = False

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not self._warned and is_ignored_proxy(request):
            self._warned = True
            logger.warning(
                "X-Forwarded-For from %s was ignored. If that is your proxy, add it to "
                "FORWARDED_ALLOW_IPS; otherwise a visitor tried to forge an address.",
                request.META.get("REMOTE_ADDR", "an unknown address"),
            )
        return self.get_response(request)


def is_ignored_proxy(request: HttpRequest) -> bool:
    """Return whether the request has an X-Forwarded-For that did not become its
    address.
    """
    forwarded = request.headers.get("X-Forwarded-For", "")
    if not forwarded:
        return False
    address = request.META.get("REMOTE_ADDR", "")
    return not any(_is_address(entry, address) for entry in forwarded.split(","))


def _is_address(entry: str, address: str) -> bool:
    """Return whether an entry like `1.2.3.4`, `1.2.3.4:80`, or `[::1]:80` names the
    address.
    """
    entry = entry.strip()
    return address in {entry, entry.rpartition(":")[0].strip("[]"), entry.strip("[]")}
