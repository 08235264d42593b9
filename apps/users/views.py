"""The page that signs a person in by a link, while DEBUG is on."""

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import REDIRECT_FIELD_NAME, login
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, resolve_url
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from apps.forms import QueryForm
from apps.users.sign_in_links import LinkRefused, is_inside, redeem


class NextQuery(QueryForm):
    """Read the address to go on to after signing in."""

    next = forms.CharField(max_length=2000)


BACKEND = "django.contrib.auth.backends.ModelBackend"


@never_cache
@require_GET
def sign_in_link(request: HttpRequest, token: str) -> HttpResponse:
    """Sign in and go on to `next`. A GET suffices, since the link is opened from a
    terminal.

    Who opens a used link and is signed in as its person goes on all the same; anybody
    else is sent to the log-in page.
    """
    if not settings.DEBUG:
        raise Http404("Sign-in links work only in development.")
    asked = NextQuery(request.GET).values["next"]
    target = asked if is_inside(asked) else resolve_url(settings.LOGIN_REDIRECT_URL)
    try:
        login(request, redeem(token), BACKEND)
    except LinkRefused as refused:
        if refused.user_id is not None and request.user.pk == refused.user_id:
            return redirect(target)
        messages.error(
            request, f"{refused} Sign in below, or print another: manage.py sign_in_link EMAIL"
        )
        return redirect(
            f"{resolve_url(settings.LOGIN_URL)}?{urlencode({REDIRECT_FIELD_NAME: target})}"
        )
    return redirect(target)
