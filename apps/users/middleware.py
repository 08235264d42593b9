"""End the session of an account whose address is not proven: such an account has no
rights.

A sign-in needs the proof, so this concerns only sessions from earlier releases.
"""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import SESSION_KEY, logout
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from apps.users.models import User
from apps.users.proof import is_unproven

PROVEN_SESSION_KEY = "address_proven"


class ProofMiddleware(MiddlewareMixin):
    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Sign out an unproven account; the request goes on as a visitor's."""
        if settings.SESSION_COOKIE_NAME not in request.COOKIES:
            return None
        if SESSION_KEY not in request.session or PROVEN_SESSION_KEY in request.session:
            return None
        user = request.user
        if not isinstance(user, User):
            return None
        if not is_unproven(user):
            request.session[PROVEN_SESSION_KEY] = True
            return None
        logout(request)
        messages.info(request, "Confirm your email address. Sign in, and we send you a link.")
        return None
