"""The pages that begin and end a sign-in through the provider, and the check of a
session by a visit there.
"""

from typing import Any

from allauth.core import ratelimit
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from apps.users.oidc import admission, config, pages, sessions
from apps.users.oidc.errors import OidcError, Reason, invalid
from apps.users.oidc.forms import CallbackForm, NextForm
from apps.users.oidc.provider import Adapter, Provider


class CallbackView(OAuth2CallbackView):  # type: ignore[misc]  # allauth has no types
    """allauth's view, which hands the kept state to the adapter that needs the nonce in
    it.
    """

    def _get_state(self, request: HttpRequest, provider: Provider) -> tuple[Any, Any]:
        state, response = super()._get_state(request, provider)
        if state is not None:
            self.adapter.state = state
            _check_issuer(request, self.adapter)
        return state, response


def _check_issuer(request: HttpRequest, adapter: Adapter) -> None:
    """Refuse an answer that another provider sent, if providers name themselves (RFC
    9207).
    """
    form = CallbackForm(request.GET)
    given = form.cleaned_data["iss"] if form.is_valid() else "unreadable"
    if given and given != settings.OIDC_ISSUER:
        raise invalid("the answer is from another issuer")
    if not given and "code" in form.data and adapter.endpoints.names_issuer:
        raise invalid("the answer does not name its issuer")


def _provider(request: HttpRequest) -> Provider:
    """Return the operator's provider. Raises Http404 if there is none."""
    provider: Provider = get_adapter(request).get_provider(request, config.PROVIDER)
    return provider


@never_cache
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def login(request: HttpRequest) -> HttpResponse:
    """Send the browser to the provider.

    A GET asks for a click, so that no link can do it.
    """
    _provider(request)
    if request.method == "POST" and (limited := _limited(request)):
        return limited
    try:
        response: HttpResponse = OAuth2LoginView.adapter_view(Adapter(request))(request)
    except OidcError as error:
        pages.log_refusal(error.reason, error)
        return pages.refusal(request, error.reason)
    if request.method == "POST" and response.status_code == 302:
        # Providers redirect on to others that no setting names, which form-action would
        # stop.
        return render(request, "users/oidc/leaving.html", {"address": response["Location"]})
    return response


@never_cache
@login_not_required
@require_safe
def callback(request: HttpRequest) -> HttpResponse:
    """Handle the provider's answer."""
    provider = _provider(request)
    try:
        response: HttpResponse = CallbackView.adapter_view(Adapter(request))(request)
    except OidcError as error:
        try:
            get_adapter(request).on_authentication_error(request, provider, exception=error)
        except ImmediateHttpResponse as answer:
            refused: HttpResponse = answer.response
            return refused
        raise
    return response


@never_cache
@login_not_required
@require_safe
def check(request: HttpRequest) -> HttpResponse:
    """Send the browser to the provider, which confirms the session without showing a
    page.
    """
    form = NextForm(request.GET)
    target = form.cleaned_data["next"] if form.is_valid() else ""
    provider = _provider(request)
    row_id = request.session.get(sessions.KEY)
    if not request.user.is_authenticated or row_id is None:
        return pages.to_log_in(request, target)
    if limited := _limited(request):
        return limited
    state = {admission.RECHECK: row_id, "prompt": "none"}
    try:
        return provider.redirect(request, AuthProcess.LOGIN, target, **state)
    except OidcError as error:
        pages.log_refusal(error.reason, error)
        # The provider is away. A session that is young enough goes on without the
        # check.
        if sessions.is_current(request.session, request.user):
            return pages.go_on(target)
        sessions.end_with_logout(request)
        return pages.refusal(request, Reason.UNREACHABLE)


def _limited(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to a visitor who starts too often: each start asks the
    provider.
    """
    limited: HttpResponse | None = ratelimit.consume_or_429(request, action="oidc_start")
    return limited
