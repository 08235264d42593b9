"""The answers of sign-in through OpenID Connect that are not the provider's."""

import logging
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.utils.http import urlencode

from apps.masking import storable
from apps.users.oidc.errors import Reason
from apps.users.sign_in_links import is_inside

logger = logging.getLogger("apps.users.oidc")


def refusal(request: HttpRequest, reason: Reason) -> HttpResponse:
    """Return the page that gives the reason of a refusal."""
    response = render(
        request, "users/oidc/refused.html", {"words": reason.value}, status=reason.value.status
    )
    response["Cache-Control"] = "no-store"
    return response


def log_refusal(reason: Reason, error: Any) -> None:
    """Write one line about a refused sign-in, without a token or an address."""
    logger.warning(
        "Sign-in through OpenID Connect refused (%s): %s",
        reason.name.lower(),
        storable(str(error or "")),
    )


def go_on(target: Any) -> HttpResponse:
    """Redirect to a page of this site, or to the start page."""
    inside = isinstance(target, str) and is_inside(target)
    return HttpResponseRedirect(target if inside else resolve_url(settings.LOGIN_REDIRECT_URL))


def to_log_in(request: HttpRequest, target: Any) -> HttpResponse:
    """Redirect to the sign-in page, and back to `target` afterwards."""
    messages.info(request, "Your session has ended. Sign in again.")
    address = resolve_url(settings.LOGIN_URL)
    if isinstance(target, str) and is_inside(target):
        address += "?" + urlencode({REDIRECT_FIELD_NAME: target})
    return HttpResponseRedirect(address)
