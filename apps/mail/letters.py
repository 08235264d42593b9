"""Render an email from a template, as text and as HTML with the same frame, and queue
it in the outbox.

    queue_letter(
        "onboarding/email/welcome",      # welcome.txt and welcome.html, of `email/base.txt` and `email/base.html`
        dedupe_key="team:7:welcome:12",
        recipient="ada@example.com",
        subject="Welcome",
        context={"heading": "Welcome", "link": "https://…"},
    )

The header X-Firstlight-Email of each message has the template's name, here `welcome`.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.urls import reverse

from apps.mail.models import OutboxMessage
from apps.mail.outbox import queue_mail

KIND_HEADER = "X-Firstlight-Email"
# The page on which a person chooses which emails to get.
PREFERENCES = "teams:email_preferences"


def queue_letter(
    template: str,
    *,
    dedupe_key: str,
    recipient: str,
    subject: str,
    context: Mapping[str, Any],
    stop: str = "",
    to_account: bool = True,
    headers: Mapping[str, str] | None = None,
) -> OutboxMessage:
    """Queue one email in the caller's transaction; see `queue_mail`.

    Args:
        template: the templates' name without `.txt` and `.html`.
        context: what they show; `link` makes a button.
        stop: the address that ends emails of this kind without signing in. Mail
            programs offer it, too (RFC 8058).
        to_account: whether the recipient has an account, and so preferences.
        headers: further headers of the message.
    """
    values = {
        "subject": subject,
        "heading": subject,
        "site": settings.SITE_URL,
        **context,
        "stop": stop,
    }
    values["preferences"] = preferences_link() if to_account else ""
    all_headers = {KIND_HEADER: template.rpartition("/")[2], **(headers or {})}
    if stop:
        all_headers["List-Unsubscribe"] = f"<{stop}>"
        all_headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return queue_mail(
        dedupe_key=dedupe_key,
        recipient=recipient,
        subject=subject,
        text=render_to_string(f"{template}.txt", values).strip() + "\n",
        html=render_to_string(f"{template}.html", values),
        headers=all_headers,
    )


def preferences_link() -> str:
    """Return the address of the page on which a person chooses which emails to get."""
    return settings.SITE_URL + reverse(PREFERENCES)
