"""The page of a recovery link."""

from allauth.account.adapter import get_adapter
from allauth.account.utils import perform_login
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from apps.users.oidc import recovery


@never_cache
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def recover(request: HttpRequest, token: str) -> HttpResponse:
    """Ask by GET, and sign in by POST. A link that is used or too old is gone (410)."""
    link = recovery.find(token)
    if link is None or link.user is None:
        return render(request, "users/oidc/recover.html", {"link": None}, status=410)
    if request.method != "POST":
        return render(request, "users/oidc/recover.html", {"link": link})
    if not recovery.redeem(link, _address(request)):
        return render(request, "users/oidc/recover.html", {"link": None}, status=410)
    logout(request)
    # The operator's act is the proof of who it is; a second factor is asked for all the
    # same.
    response: HttpResponse = perform_login(
        request, link.user, email_verification="none", signal_kwargs={"recovery_link": link.pk}
    )
    return response


def _address(request: HttpRequest) -> str:
    try:
        return str(get_adapter(request).get_client_ip(request))
    except PermissionDenied:
        return ""
