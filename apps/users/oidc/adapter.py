"""Add OpenID Connect to allauth's adapter for sign-in through other sites."""

from typing import Any

from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp, SocialLogin
from allauth.socialaccount.providers.base.constants import AuthError
from django.http import HttpRequest, HttpResponse

from apps.users.oidc import admission, config, pages, sessions
from apps.users.oidc.errors import OidcError, Reason


class OidcHooks(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """The hooks by which the operator's provider is offered, and by which its answers
    are judged.
    """

    def list_apps(
        self, request: HttpRequest, provider: str | None = None, client_id: str | None = None
    ) -> list[SocialApp]:
        """Return the apps on offer: the operator's provider, and others unless it is
        the only one.

        OpenID Connect comes from the environment alone, never from a row of the admin.
        """
        apps = []
        if not config.is_only():
            listed = super().list_apps(request, provider=provider, client_id=client_id)
            apps = [app for app in listed if app.provider != config.PROVIDER]
        if config.is_on():
            own = config.social_app()
            is_meant = provider in (None, own.provider, own.provider_id) and client_id in (
                None,
                own.client_id,
            )
            if is_meant:
                apps.append(own)
        return apps

    def get_app(
        self, request: HttpRequest, provider: str, client_id: str | None = None
    ) -> SocialApp:
        """Return the app of a provider.

        One that was replaced still has a name on people's pages.
        """
        try:
            return super().get_app(request, provider, client_id=client_id)
        except SocialApp.DoesNotExist:
            if not provider.startswith(config.ID_PREFIX):
                raise
        return SocialApp(
            provider=config.PROVIDER, provider_id=provider, name="Former sign-in provider"
        )

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        if _is_oidc(sociallogin.provider):
            admission.admit(request, sociallogin)
        elif config.is_only():
            raise ImmediateHttpResponse(pages.refusal(request, Reason.ONLY))

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        if _is_oidc(sociallogin.provider):
            return True  # decided in pre_social_login
        return bool(super().is_open_for_signup(request, sociallogin))

    def on_authentication_error(
        self,
        request: HttpRequest,
        provider: Any,
        error: str | None = None,
        exception: Exception | None = None,
        extra_context: dict[str, Any] | None = None,
    ) -> None:
        """Answer a refused sign-in with a page that gives the reason.

        Raises ImmediateHttpResponse.
        """
        if not _is_oidc(provider):
            return
        state = (extra_context or {}).get("state")
        reason = _reason(error, exception, state)
        pages.log_refusal(reason, exception)
        if isinstance(state, dict) and state.get(admission.RECHECK):
            raise ImmediateHttpResponse(_end_check(request, reason, state))
        raise ImmediateHttpResponse(pages.refusal(request, reason))


def _end_check(request: HttpRequest, reason: Reason, state: dict[str, Any]) -> HttpResponse:
    """Answer a failed check of a session: it ends, unless the provider was away and its
    time is left.
    """
    if reason is Reason.UNREACHABLE and sessions.is_current(request.session, request.user):
        return pages.go_on(state.get("next"))
    sessions.end_with_logout(request)
    if reason is Reason.CANCELLED:
        return pages.to_log_in(request, state.get("next"))
    return pages.refusal(request, reason)


def _reason(error: str | None, exception: Exception | None, state: Any) -> Reason:
    if isinstance(exception, OidcError):
        return exception.reason
    if exception is not None:
        return Reason.INVALID
    if state is None:
        return Reason.STALE
    return (
        Reason.CANCELLED
        if error in (AuthError.CANCELLED, AuthError.UNKNOWN)
        else Reason.INVALID
    )


def _is_oidc(provider: Any) -> bool:
    return provider is not None and provider.id == config.PROVIDER
