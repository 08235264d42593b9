"""Check sessions at the provider, and turn other ways of signing in off with
OIDC_ONLY=1.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.urls import reverse

from apps.users.oidc import config, pages, sessions
from apps.users.oidc.errors import Reason
from apps.users.oidc.forms import NextForm
from apps.users.oidc.sessions import Verdict

GetResponse = Callable[[HttpRequest], HttpResponse]

# Pages that a session needs while it is being checked, or to end.
UNCHECKED = ("openid_connect_callback", "openid_connect_check", "account_logout")

# Ways to sign in, and to prepare one, that do not exist with OIDC_ONLY=1. The second
# factor stays, and so do the pages on which people manage it.
OFF_WITH_ONLY = frozenset(
    {
        "account_signup",
        "account_reset_password",
        "account_reset_password_done",
        "account_reset_password_from_key",
        "account_reset_password_from_key_done",
        "account_change_password",
        "account_set_password",
        "account_confirm_login_code",
        "account_request_login_code",
        "account_signup_by_passkey",
        "admin:login",
        "admin:password_change",
        "github_login",
        "github_callback",
        "mfa_login_webauthn",
        "mfa_signup_webauthn",
        "socialaccount_signup",
        "users:sign_in_link",
    }
)


class OidcMiddleware:
    """Let a request pass only with a session that the provider confirmed recently."""

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Requests without a session, like those of the API, cost nothing here.
        if settings.SESSION_COOKIE_NAME in request.COOKIES and self._is_checked(request):
            answer = _answer(request)
            if answer is not None:
                return answer
        return self._get_response(request)

    def _is_checked(self, request: HttpRequest) -> bool:
        if not config.is_on() and sessions.KEY not in request.session:
            return False
        if request.path_info in [reverse(name) for name in UNCHECKED]:
            return False
        return request.user.is_authenticated

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        """Answer in place of views that OIDC_ONLY=1 turns off."""
        if not config.is_only() or request.resolver_match is None:
            return None
        name = request.resolver_match.view_name
        if name == "account_login" and not request.user.is_authenticated:
            return _sign_in_page(request)
        if name in OFF_WITH_ONLY:
            return _away(request)
        return None


def _answer(request: HttpRequest) -> HttpResponse | None:
    """Return the answer to a request whose session can't go on as it is; None if it
    can.
    """
    verdict = sessions.check(request)
    if verdict is Verdict.VALID:
        return None
    is_navigation = _is_navigation(request)
    if verdict is Verdict.VISIT:
        if is_navigation:
            return HttpResponseRedirect(
                reverse("openid_connect_check", query={"next": request.get_full_path()})
            )
        # A script cannot visit the provider. While time is left, it may go on without a
        # check.
        if sessions.is_current(request.session, request.user):
            return None
        return pages.refusal(request, Reason.ENDED)
    # From here on the session has ended, or it is too old to go on without the
    # provider.
    sessions.end_with_logout(request)
    if verdict is Verdict.UNREACHABLE:
        return pages.refusal(request, Reason.UNREACHABLE)
    if is_navigation:
        messages.info(request, "Your session has ended. Sign in again.")
    # The view answers as it answers every visitor who is not signed in.
    return None


def _is_navigation(request: HttpRequest) -> bool:
    """Return whether a browser opens a page, as opposed to a script that asks for a
    fragment.
    """
    if request.method not in ("GET", "HEAD") or "HX-Request" in request.headers:
        return False
    return request.headers.get("Sec-Fetch-Mode", "navigate") == "navigate" and request.accepts(
        "text/html"
    )


def _sign_in_page(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return pages.refusal(request, Reason.ONLY)
    form = NextForm(request.GET)
    target = form.cleaned_data["next"] if form.is_valid() else ""
    action = reverse("openid_connect_login", query={"next": target} if target else None)
    return render(request, "users/oidc/sign_in.html", {"action": action})


def _away(request: HttpRequest) -> HttpResponse:
    """Send a reader to the sign-in page; refuse what was typed into a form."""
    if request.method in ("GET", "HEAD"):
        return HttpResponseRedirect(resolve_url(settings.LOGIN_URL))
    return pages.refusal(request, Reason.ONLY)
