"""React when a sign-in is complete, and when a session ends."""

from typing import Any

from allauth.account.signals import user_logged_in
from django.contrib.auth.signals import user_logged_out
from django.dispatch import receiver
from django.http import HttpRequest

from apps.users.models import User
from apps.users.oidc import admission, recovery, sessions


@receiver(user_logged_in, dispatch_uid="users.oidc_session")
def handle_logged_in(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Make the session one of the provider's, or one of a recovery link."""
    login = kwargs.get("sociallogin")
    if login is not None and (row_id := login.state.get(admission.STATE)):
        sessions.bind(request, user, row_id)
    if link_id := kwargs.get("recovery_link"):
        recovery.bind(request, link_id)


@receiver(user_logged_out, dispatch_uid="users.oidc_session_end")
def handle_logged_out(request: HttpRequest, **kwargs: Any) -> None:
    """Forget the provider's session, and with it the refresh token."""
    if getattr(request, "session", None) is not None:
        sessions.end(request)
