"""A developer's mailbox: the outbox's emails, readable without a mail server.

Emails contain links that open accounts and teams. These pages therefore exist only
while DEBUG is on, and only for this machine: there every user may read them, with or
without a login.
"""

import re
from collections.abc import Callable
from functools import wraps
from ipaddress import ip_address
from typing import Any

from django.conf import settings
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.csp import CSP
from django.views.decorators.cache import never_cache
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.csp import csp_override
from django.views.decorators.http import require_safe

from apps.forms import NumberField, QueryForm
from apps.mail.models import OutboxMessage, OutboxState

PER_PAGE = 50
# The colored disc that shows each state.
DISCS = {
    OutboxState.PENDING: "waiting",
    OutboxState.SENDING: "running",
    OutboxState.SENT: "done",
    OutboxState.FAILED: "failed",
    OutboxState.UNCERTAIN: "partial",
    OutboxState.KEPT: "skipped",
}
# An email's page frames its HTML part, a document of its own. That document may contain
# styles, as emails do, and nothing else: no script, no form, no request elsewhere. The
# sandbox also applies if the document is opened by itself; links open in a new tab.
FRAMING: dict[str, list[str]] = {**settings.SECURE_CSP, "frame-src": [CSP.SELF]}
FRAMED: dict[str, list[str]] = {
    "default-src": [CSP.NONE],
    "style-src": [CSP.UNSAFE_INLINE],
    "img-src": ["data:"],
    "form-action": [CSP.NONE],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.SELF],
    "sandbox": ["allow-popups", "allow-popups-to-escape-sandbox"],
}
_HEAD = re.compile(r"<head[^<>]*+>", re.IGNORECASE)
_LINKS_OPEN_BESIDE = '<base target="_blank">'


def _developers_only(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @never_cache
    @require_safe
    @wraps(view)
    def gated(request: HttpRequest, **rest: Any) -> HttpResponse:
        if not (settings.DEBUG and _is_on_this_machine(request)):
            raise Http404("Emails can be read here only in development, on the machine itself.")
        return view(request, **rest)

    return gated


def _is_on_this_machine(request: HttpRequest) -> bool:
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return address.is_loopback


class PageQuery(QueryForm):
    page = NumberField(most=1_000_000)


@_developers_only
def mailbox(request: HttpRequest) -> HttpResponse:
    messages = OutboxMessage.objects.order_by("-created_at", "-pk").defer("text", "html")
    page = Paginator(messages, PER_PAGE).get_page(PageQuery(request.GET).values["page"])
    rows = [(row, DISCS[OutboxState(row.state)]) for row in page]
    return render(
        request,
        "mail/list.html",
        {"page": page, "rows": rows, "configured": settings.EMAIL_CONFIGURED},
    )


@_developers_only
@csp_override(FRAMING)
def message(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(OutboxMessage, pk=pk)
    return render(
        request, "mail/detail.html", {"mail": row, "disc": DISCS[OutboxState(row.state)]}
    )


@_developers_only
@xframe_options_sameorigin
@csp_override(FRAMED)
def html_part(request: HttpRequest, pk: int) -> HttpResponse:
    row = get_object_or_404(OutboxMessage.objects.exclude(html=""), pk=pk)
    head = _HEAD.search(row.html)
    at = head.end() if head else 0
    return HttpResponse(row.html[:at] + _LINKS_OPEN_BESIDE + row.html[at:])
