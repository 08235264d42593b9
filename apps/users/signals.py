"""What follows when somebody signs up."""

from email.utils import parseaddr
from typing import Any

from allauth.account.signals import user_signed_up
from django.conf import settings
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse

from apps.mail.outbox import queue_mail
from apps.users.models import User


@receiver(user_signed_up, dispatch_uid="users.mail_admins")
def handle_user_signed_up(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Tell the admins (settings.ADMINS), once for each account."""
    url = settings.SITE_URL + reverse("admin:users_user_change", args=[user.pk])
    text = render_to_string("users/email/user_signed_up.txt", {"user": user, "url": url})
    with transaction.atomic():
        for admin in settings.ADMINS:
            queue_mail(
                dedupe_key=f"user-signed-up:{user.pk}",
                recipient=parseaddr(admin)[1],
                subject=f"{user.email} signed up",
                text=text,
            )
