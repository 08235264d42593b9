"""How allauth is fitted to this product: its mails go through the outbox, like all others."""

import uuid
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialApp
from django.core.mail import EmailMultiAlternatives
from django.http import Http404, HttpRequest

from apps.mail.outbox import queue_mail


class QueuedMail(EmailMultiAlternatives):
    """A mail of which `send()` puts one message for each recipient into the outbox."""

    def send(self, fail_silently: bool = False, *, using: str | None = None) -> int:
        # Whoever asks twice for a link gets two: each request is a mail of its own.
        key = f"account:{uuid.uuid4()}"
        html = next((str(content) for content, mimetype in self.alternatives if mimetype == "text/html"), "")
        for recipient in self.recipients():
            queue_mail(dedupe_key=key, recipient=recipient, subject=str(self.subject), text=str(self.body), html=html)
        return len(self.recipients())


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Allauth's adapter, with its mails (confirmation, forgotten password, notices) queued instead of sent."""

    def render_mail(
        self,
        template_prefix: str,
        email: str | list[str],
        context: dict[str, Any],
        headers: dict[str, str] | None = None,
    ) -> QueuedMail:
        """The mail as allauth renders it; the text part that it asks for is there in all of its templates."""
        mail = super().render_mail(template_prefix, email, context, headers)
        queued = QueuedMail(mail.subject, mail.body, mail.from_email, mail.to)
        queued.alternatives = getattr(mail, "alternatives", [])
        return queued


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]  # allauth has no types
    """Allauth's adapter, for which a provider that nobody has configured is a page that does not exist."""

    def get_app(self, request: HttpRequest, provider: str, client_id: str | None = None) -> SocialApp:
        try:
            return super().get_app(request, provider, client_id=client_id)
        except SocialApp.DoesNotExist:
            raise Http404("Signing in this way is not set up here.") from None
