"""The page that an email's confirmation link opens. A GET changes nothing, because
scanners open links, too.

The owner of the link decides what the page asks for:

- The first proof of an account, in the browser that signed up or gave the password: one
  button.
- The first proof in another browser: a new password. The person who signed up knows the
  old one and may not be the owner of the mailbox.
- A change of address: the account must be signed in. Otherwise a stranger could attach
  the address of a person who clicks without reading.
"""

from typing import Any, cast

from allauth.account import app_settings, signals
from allauth.account.internal.flows.email_verification import login_on_verification
from allauth.account.internal.flows.login import perform_login
from allauth.account.internal.stagekit import unstash_login
from allauth.account.models import EmailAddress, EmailConfirmationHMAC, Login
from allauth.decorators import rate_limit
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth.views import redirect_to_login
from django.core import signing
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render, resolve_url
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from apps.users.forms import NewPasswordForm
from apps.users.models import User
from apps.users.proof import prove

SIGNED_UP_SESSION_KEY = "signed_up_as"


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@rate_limit(action="confirm_email_link")  # type: ignore[untyped-decorator]
def confirm_email(request: HttpRequest, key: str) -> HttpResponse:
    """Show what the link confirms, and confirm it on a POST."""
    link = EmailConfirmationHMAC.from_key(key)
    if link is None:
        return _no_link(request, key)
    address = cast(EmailAddress, link.email_address)
    user = cast(User, address.user)
    if not user.is_active:
        return HttpResponseRedirect(reverse("account_inactive"))
    if address.email.lower() == user.email.lower():
        return _first_proof(request, address, user)
    return _change(request, link, address, user)


def _no_link(request: HttpRequest, key: str) -> HttpResponse:
    """Answer a link that confirms nothing: its address is confirmed already, or it is
    old or incomplete.
    """
    try:
        pk = signing.loads(key, salt=app_settings.SALT)
    except signing.BadSignature:
        return _page(request, "invalid", status=404)
    if EmailAddress.objects.filter(pk=pk, verified=True).exists():
        return _page(request, "confirmed")
    return _page(request, "invalid", status=404)


def _first_proof(request: HttpRequest, address: EmailAddress, user: User) -> HttpResponse:
    if _is_own_browser(request, user):
        if request.method == "POST":
            prove(user, trusts_past=True)
            if request.user.is_authenticated:
                # The proof ends all sessions of the account, but this browser gave its
                # password.
                update_session_auth_hash(request, user)
            return _signed_in(request, address, login_on_verification(request, address))
        return _page(request, "confirm", address)
    form = NewPasswordForm(request.POST if request.method == "POST" else None, user=user)
    if request.method == "POST" and form.is_valid():
        user.set_password(form.cleaned_data["password1"])
        prove(user, trusts_past=False)
        if request.user.is_authenticated:
            # The browser is signed in to another account. That session must not become
            # this one's.
            request.session.flush()
        return _signed_in(
            request, address, perform_login(request, Login(user=user, email=address.email))
        )
    return _page(
        request, "new_password", address, form=form, status=422 if form.is_bound else 200
    )


def _change(
    request: HttpRequest, link: EmailConfirmationHMAC, address: EmailAddress, user: User
) -> HttpResponse:
    if request.user.pk != user.pk:
        if request.user.is_authenticated:
            return _page(request, "other", address, status=403)
        return redirect_to_login(request.get_full_path())
    if User.objects.filter(email__iexact=address.email).exclude(pk=user.pk).exists():
        return _page(request, "taken", address, status=409)
    if request.method != "POST":
        return _page(request, "change", address)
    with transaction.atomic():
        link.confirm(request)
    return HttpResponseRedirect(reverse("account_email"))


def _is_own_browser(request: HttpRequest, user: User) -> bool:
    """Return whether this session signed the account up, is signed in to it, or gave
    its password.
    """
    if request.user.is_authenticated:
        return request.user.pk == user.pk
    login = unstash_login(request, peek=True)
    if login is not None and login.user is not None:
        return bool(login.user.pk == user.pk)
    return bool(request.session.get(SIGNED_UP_SESSION_KEY) == user.pk)


def _signed_in(
    request: HttpRequest, address: EmailAddress, response: HttpResponse | None
) -> HttpResponse:
    """Return the answer to a proof: that of the sign-in, or the sign-in page if its
    time is over.
    """
    address.refresh_from_db()
    signals.email_confirmed.send(sender=EmailAddress, request=request, email_address=address)
    if response is not None:
        return response
    messages.success(request, f"{address.email} is confirmed. Sign in to continue.")
    return HttpResponseRedirect(resolve_url("account_login"))


def _page(
    request: HttpRequest,
    state: str,
    address: EmailAddress | None = None,
    *,
    status: int = 200,
    **context: Any,
) -> HttpResponse:
    context |= {"state": state, "address": address}
    return render(request, "account/email_confirm.html", context, status=status)
