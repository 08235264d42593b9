"""Adapt allauth to this product.

- Its emails go through the outbox, and their links start with SITE_URL, whatever host
  the request named.
- There is no session before the address is proven. A password reset goes to proven
  addresses and to the account's own.
- Wrong passwords are counted for each pair of account and IP address, so that a
  stranger cannot lock the owner out. A higher limit for each account slows an attack
  from many addresses; browsers that the owner signed in with before are exempt from it.
"""

import uuid
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.email_verification import send_verification_email_for_user
from allauth.account.internal.flows.signup import prevent_enumeration, send_unknown_account_mail
from allauth.account.models import EmailAddress
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.core.internal import ratelimit
from allauth.socialaccount.models import SocialApp, SocialLogin
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMultiAlternatives
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse

from apps.mail.addresses import InvalidAddress, normalize_address
from apps.mail.letters import KIND_HEADER, preferences_link
from apps.mail.links import without_links
from apps.mail.outbox import queue_mail
from apps.users.devices import is_known_device, remember_device
from apps.users.models import User
from apps.users.oidc import config as oidc
from apps.users.oidc.adapter import OidcHooks
from apps.users.proof import has_proven_address, is_unproven
from apps.users.sign_up import invited_address, is_open_for, may_sign_up

# Emails to people who have no account yet, and so no preferences.
_TO_STRANGERS = ("unknown_account", "email_confirmation_signup")


class QueuedMail(EmailMultiAlternatives):
    """An email whose `send()` puts one message for each recipient into the outbox."""

    def send(self, fail_silently: bool = False, *, using: str | None = None) -> int:
        # A user who requests a link twice gets two: each request is an email of its
        # own.
        key = f"account:{uuid.uuid4()}"
        html = next(
            (
                str(content)
                for content, mimetype in self.alternatives
                if mimetype == "text/html"
            ),
            "",
        )
        for recipient in self.recipients():
            queue_mail(
                dedupe_key=key,
                recipient=recipient,
                subject=str(self.subject),
                text=str(self.body),
                html=html,
                headers={str(name): str(value) for name, value in self.extra_headers.items()},
            )
        return len(self.recipients())


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    error_messages = DefaultAccountAdapter.error_messages | {
        "rate_limited": "Too many attempts. Try again in a few minutes.",
        "too_many_login_attempts": "Too many failed attempts. Try again in a few minutes.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return whether this visitor may see the sign-up form; the form checks the
        address.
        """
        return is_open_for(request)

    def clean_email(self, email: str) -> str:
        """Return the address in the one form that is stored. Raises ValidationError."""
        try:
            return normalize_address(email)
        except InvalidAddress as error:
            raise ValidationError(str(error)) from None

    def is_safe_url(self, url: str) -> bool:
        """Return whether a redirect may go to `url`; False for a text that is no
        address at all.
        """
        try:
            return bool(super().is_safe_url(url))
        except ValueError:
            return False

    def is_email_verified(self, request: HttpRequest, email: str) -> bool:
        """Return whether an invitation whose link this visitor opened proves the
        address.
        """
        return email.lower() == invited_address(request)

    def login(self, request: HttpRequest, user: User) -> None:
        """Sign in, but never to an unproven account, whatever other address of it was
        used.
        """
        if is_unproven(user):
            send_verification_email_for_user(request, user)
            raise ImmediateHttpResponse(self.respond_email_verification_sent(request, user))
        super().login(request, user)

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        response = cast(HttpResponse, super().post_login(request, user, **kwargs))
        remember_device(response, user)
        return response

    def send_password_reset_mail(self, user: User, email: str, context: dict[str, Any]) -> None:
        """Send the link to the account's own address, or to another one once the own
        one is proven.
        """
        if email.lower() != user.email.lower():
            verified = EmailAddress.objects.filter(
                user=user, email__iexact=email, verified=True
            )
            if not has_proven_address(user) or not verified.exists():
                send_unknown_account_mail(context["request"], email)
                return
        super().send_password_reset_mail(user, email, context)

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the attempt. Raises ValidationError when there were too many."""
        super().pre_authenticate(request, **credentials)
        account = str(credentials.get("email", "")).lower()
        if is_known_device(request, account):
            return
        self._account_usage = ratelimit.consume(
            request, app="allauth.account", action="login_failed_account", key=account
        )
        if not self._account_usage:
            raise self.validation_error("too_many_login_attempts")

    def _rollback_login_failed_rl_usage(self) -> None:
        """Forget the attempt, because it succeeded."""
        super()._rollback_login_failed_rl_usage()
        if usage := getattr(self, "_account_usage", None):
            usage.rollback()

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Return what allauth counts wrong passwords by: the account and the visitor's
        IP address.
        """
        account = super()._get_login_attempts_cache_key(request, **credentials)
        return f"{ratelimit.get_ip(request)}:{account}"

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send with links that start with SITE_URL. allauth builds them from the
        request's Host header.
        """
        request = context.get("request") or self.request
        if request is not None:
            asked = request.build_absolute_uri("/")
            for name, value in context.items():
                if isinstance(value, str) and value.startswith(asked):
                    context[name] = f"{settings.SITE_URL}/{value.removeprefix(asked)}"
        super().send_mail(template_prefix, email, context)

    def render_mail(
        self,
        template_prefix: str,
        email: str | list[str],
        context: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> QueuedMail:
        """Return the email as allauth renders it, with this site's name in place of the
        request's host.
        """
        context["current_site"] = SimpleNamespace(
            domain=urlsplit(settings.SITE_URL).netloc, name="Firstlight"
        )
        # A header cannot have line breaks, which templates often end with.
        context["subject"] = " ".join(
            render_to_string(f"{template_prefix}_subject.txt", context).split()
        )
        context["heading"] = context["subject"]
        context["site"] = settings.SITE_URL
        # The provider's people have no password here.
        context["password_page"] = (
            None if oidc.is_only() else settings.SITE_URL + reverse("account_reset_password")
        )
        if "user_agent" in context:
            # A header is free text of the visitor, who may not be the owner of the
            # account.
            context["user_agent"] = without_links(context["user_agent"])
        name = template_prefix.rpartition("/")[2]
        context["preferences"] = "" if name in _TO_STRANGERS else preferences_link()
        mail = super().render_mail(
            template_prefix, email, context, {**(headers or {}), KIND_HEADER: name}
        )
        queued = QueuedMail(
            mail.subject, mail.body, mail.from_email, mail.to, headers=mail.extra_headers
        )
        queued.alternatives = getattr(mail, "alternatives", [])
        return queued


class SocialAccountAdapter(OidcHooks):
    """Apply the sign-up modes. The pages of a provider that is not configured do not
    exist.
    """

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Return whether an account may be created for the address that the provider
        states.
        """
        email = sociallogin.user.email
        if not email or sociallogin.provider.id == oidc.PROVIDER:
            return super().is_open_for_signup(request, sociallogin)
        return may_sign_up(email, invited=email.lower() == invited_address(request))

    def save_user(
        self, request: HttpRequest, sociallogin: SocialLogin, form: Any = None
    ) -> User:
        """Create the account; of two at once for one address, the second is answered as
        if it existed.
        """
        try:
            with transaction.atomic():
                return cast(User, super().save_user(request, sociallogin, form))
        except IntegrityError:
            raise ImmediateHttpResponse(
                prevent_enumeration(request, email=sociallogin.user.email)
            ) from None

    def get_app(
        self, request: HttpRequest, provider: str, client_id: str | None = None
    ) -> SocialApp:
        try:
            return super().get_app(request, provider, client_id=client_id)
        except SocialApp.DoesNotExist:
            raise Http404("Signing in this way is not set up here.") from None
