"""Count the requests of this process by route and status, with their latency, for
`/metrics`.

    firstlight_http_request_duration_seconds_count{method="GET",route="t/<slug:slug>/",status="200"} 12

A route is the pattern of the address, so it contains neither a team nor a token.
Streams are left out, because they last as long as their page is open. Probes are left
out, too.
"""

import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from prometheus_client import Histogram

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
REQUESTS = Histogram(
    "firstlight_http_request_duration_seconds",
    "Seconds until the answer of this process was ready.",
    ["method", "route", "status"],
    buckets=(0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    registry=None,
)
GetResponse = Callable[[HttpRequest], HttpResponse]


class RequestMetricsMiddleware:
    """Measures each request. It is the first middleware after that of the probes."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        began = time.monotonic()
        response = self.get_response(request)
        route = request.resolver_match.route if request.resolver_match else "unmatched"
        method = request.method if request.method in METHODS else "other"
        REQUESTS.labels(method, route, str(response.status_code)).observe(
            time.monotonic() - began
        )
        return response
