"""The views that receive the webhooks of sources."""

from collections.abc import Callable
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.integrations.encryption import decrypt
from apps.integrations.models import Webhook
from apps.integrations.sources import base
from apps.integrations.sources.hooks import BadDelivery, Delivered, Hook
from apps.integrations.webhooks import handling


@csrf_exempt  # the source signs what it sends
@require_POST
def receive(request: HttpRequest, source: str, key: UUID) -> HttpResponse:
    """Handle one delivery of a team's webhook.

    The signature is checked before anything of the body is parsed.
    """
    hook = _hook_of(source)
    webhook = Webhook.objects.across_teams().filter(key=key).first()
    if hook is None or webhook is None:
        return _answer("There is no webhook at this address.", 404)

    def handle(delivery: Delivered) -> str:
        return handling.handle(webhook, hook, delivery)

    return _handle(request, hook, decrypt(webhook.secret), handle)


@csrf_exempt
@require_POST
def receive_of_app(request: HttpRequest, source: str) -> HttpResponse:
    """Handle one delivery of the webhook of a source's app, for each team that it
    applies to.
    """
    hook = _hook_of(source)
    secret = "" if hook is None else hook.secret_of_app()
    if hook is None or not secret:
        return _answer("No app is configured on this site.", 404)

    def handle(delivery: Delivered) -> str:
        return handling.handle_of_app(hook, delivery)

    return _handle(request, hook, secret, handle)


def _hook_of(source: str) -> Hook | None:
    found = base.find(source)
    return None if found is None else found.hook


def _handle(
    request: HttpRequest, hook: Hook, secret: str, handle: Callable[[Delivered], str]
) -> HttpResponse:
    try:
        return _answer(handle(hook.read(request, secret)))
    except BadDelivery as refusal:
        return _answer(str(refusal), refusal.status)


def _answer(words: str, status: int = 200) -> HttpResponse:
    return HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")
