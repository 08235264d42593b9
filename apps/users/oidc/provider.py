"""allauth's OpenID Connect provider with the checks that it lacks.

allauth brings the code flow: state, PKCE, the redirects, and the accounts. Added are a
nonce, complete verification of the ID token, bounded calls, and refusal of parameters
that a link could smuggle into the request to the provider.
"""

import secrets
from typing import Any

from allauth.socialaccount.models import SocialLogin, SocialToken
from allauth.socialaccount.providers.base.constants import AuthProcess
from allauth.socialaccount.providers.oauth2.client import OAuth2Client
from allauth.socialaccount.providers.openid_connect.provider import OpenIDConnectProvider
from allauth.socialaccount.providers.openid_connect.views import OpenIDConnectOAuth2Adapter
from allauth.utils import build_absolute_uri, get_request_param
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from apps.users.oidc import config, exchange
from apps.users.oidc.discovery import Endpoints, discover
from apps.users.oidc.errors import invalid
from apps.users.oidc.exchange import Grant
from apps.users.oidc.http import Deadline


class Client(OAuth2Client):  # type: ignore[misc]  # allauth has no types
    """Redeem the code with one bounded call."""

    def get_access_token(
        self,
        code: str,
        pkce_code_verifier: str | None = None,
        extra_data: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        adapter: Adapter = self.adapter
        grant = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.callback_url,
            "code_verifier": pkce_code_verifier or "",
        }
        return exchange.ask_for_tokens(adapter.deadline, adapter.endpoints, grant)


class Adapter(OpenIDConnectOAuth2Adapter):  # type: ignore[misc]  # allauth has no types
    """The calls of one sign-in. `state` is what was kept when the sign-in began."""

    client_class = Client

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request, config.PROVIDER)
        self.deadline = Deadline()
        self.state: dict[str, Any] = {}
        self._endpoints: Endpoints | None = None

    @property
    def endpoints(self) -> Endpoints:
        """Return the provider's addresses, requested only once. Raises OidcError."""
        if self._endpoints is None:
            self._endpoints = discover(self.deadline)
        return self._endpoints

    @property
    def authorize_url(self) -> str:
        return self.endpoints.authorization

    @property
    def access_token_url(self) -> str:
        return self.endpoints.token

    def get_client(self, request: HttpRequest, app: Any) -> Client:
        client: Client = super().get_client(request, app)
        client.adapter = self
        return client

    @property
    def basic_auth(self) -> bool:
        return self.endpoints.basic_auth

    def get_callback_url(self, request: HttpRequest, app: Any) -> str:
        return str(build_absolute_uri(request, reverse("openid_connect_callback")))

    def parse_token(self, data: dict[str, Any]) -> SocialToken:
        """Return an empty token: allauth would put it into the session in clear
        text.
        """
        return SocialToken(token="", token_secret="")

    def complete_login(
        self, request: HttpRequest, app: Any, token: SocialToken, **kwargs: Any
    ) -> SocialLogin:
        """Return the verified sign-in. Raises OidcError."""
        nonce = self.state.get("nonce")
        # An answer without a sign-in of this browser could be one that an attacker
        # began.
        if not nonce:
            raise invalid("the sign-in began without a nonce")
        grant = exchange.verify_answer(
            self.deadline, self.endpoints, kwargs["response"], nonce=nonce
        )
        login = self.get_provider().sociallogin_from_response(request, _claims(grant))
        login.oidc_grant = grant
        return login


class Provider(OpenIDConnectProvider):  # type: ignore[misc]  # allauth has no types
    """The one provider that the operator has set up."""

    oauth2_adapter_class = Adapter
    package = "apps.users.oidc"
    # Tokens are taken from the provider itself, never from a browser.
    supports_token_authentication = False

    def get_oauth2_adapter(self, request: HttpRequest) -> Adapter:
        return Adapter(request)

    def get_login_url(self, request: HttpRequest, **kwargs: Any) -> str:
        return reverse("openid_connect_login", query=kwargs or None)

    def get_callback_url(self) -> str:
        return reverse("openid_connect_callback")

    def get_scope_from_request(self, request: HttpRequest) -> list[str]:
        return list(self.get_scope())

    def get_scope(self) -> list[str]:
        # Most providers give a refresh token for offline_access only, some need no
        # scope for it.
        return ["openid", "profile", "email"]

    def get_redirect_from_request_kwargs(self, request: HttpRequest) -> dict[str, Any]:
        kwargs: dict[str, Any] = super().get_redirect_from_request_kwargs(request)
        process = get_request_param(request, "process", AuthProcess.LOGIN)
        kwargs["process"] = (
            AuthProcess.CONNECT if process == AuthProcess.CONNECT else AuthProcess.LOGIN
        )
        return kwargs

    def redirect(
        self,
        request: HttpRequest,
        process: str,
        next_url: str | None = None,
        data: Any = None,
        **kwargs: Any,
    ) -> HttpResponse:
        """Send the browser to the provider. `prompt` may be "none", for a check without
        a page.

        Raises OidcError if the provider can't be reached.
        """
        nonce = secrets.token_urlsafe(32)
        # These replace those that allauth takes from the address, by which a link could
        # change our own.
        auth_params = {"nonce": nonce}
        if prompt := kwargs.pop("prompt", ""):
            auth_params["prompt"] = prompt
        response: HttpResponse = super().redirect(
            request,
            process,
            next_url,
            data,
            **{**kwargs, "nonce": nonce, "auth_params": auth_params},
        )
        return response


def _claims(grant: Grant) -> dict[str, Any]:
    """Return the claims for allauth, and for SocialAccount.extra_data: no more than is
    needed.
    """
    identity = grant.identity
    return {
        "userinfo": {
            "sub": identity.subject,
            "email": identity.email,
            "email_verified": identity.is_verified,
            "given_name": identity.first_name,
            "family_name": identity.last_name,
            "name": identity.name,
        }
    }


provider_classes = [Provider]
