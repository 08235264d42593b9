"""React when a person signs up, signs in, or resets the password."""

from email.utils import parseaddr
from typing import Any

from allauth.account.models import EmailAddress
from allauth.account.signals import password_reset, user_signed_up
from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.db import transaction
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from apps.mail.addresses import normalize_address
from apps.mail.letters import queue_letter
from apps.users.confirm import SIGNED_UP_SESSION_KEY
from apps.users.middleware import PROVEN_SESSION_KEY
from apps.users.models import User
from apps.users.proof import is_unproven, prove


@receiver(pre_save, sender=EmailAddress, dispatch_uid="users.normalize_address")
def normalize_row(instance: EmailAddress, **kwargs: Any) -> None:
    """Give a new row of allauth the spelling that `User.email` has.

    Raises InvalidAddress.
    """
    if instance.pk is None:
        instance.email = normalize_address(instance.email)


@receiver(user_signed_up, dispatch_uid="users.mail_admins")
def handle_user_signed_up(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Email the admins (settings.ADMINS) about a new account, once for each account."""
    url = settings.SITE_URL + reverse("admin:users_user_change", args=[user.pk])
    with transaction.atomic():
        for admin in settings.ADMINS:
            recipient = parseaddr(admin)[1]
            queue_letter(
                "users/email/user_signed_up",
                dedupe_key=f"user-signed-up:{user.pk}",
                recipient=recipient,
                subject=f"{user.email} signed up",
                context={"user": user, "link": url, "recipient": {"email": recipient}},
                to_account=False,
            )


@receiver(user_signed_up, dispatch_uid="users.note_sign_up")
def note_sign_up(user: User, **kwargs: Any) -> None:
    """Record that the person made the account, so that it is deleted if it is never
    confirmed.
    """
    user.signed_up_at = timezone.now()
    user.save(update_fields=["signed_up_at"])


@receiver(user_signed_up, dispatch_uid="users.remember_browser")
def remember_browser(request: HttpRequest | None, user: User, **kwargs: Any) -> None:
    """Keep in the session that this browser knows the account's password."""
    if request is not None:
        request.session[SIGNED_UP_SESSION_KEY] = user.pk


@receiver(user_logged_in, dispatch_uid="users.note_proof")
def note_proof(request: HttpRequest | None, user: User, **kwargs: Any) -> None:
    """Keep in a new session that the address is proven, so that no request has to
    ask.
    """
    if request is not None and not is_unproven(user):
        request.session[PROVEN_SESSION_KEY] = True


@receiver(password_reset, dispatch_uid="users.prove_by_reset")
def prove_by_reset(user: User, **kwargs: Any) -> None:
    """Take a completed reset as a proof: its link goes to no other address before the
    first one.
    """
    prove(user, trusts_past=False)
