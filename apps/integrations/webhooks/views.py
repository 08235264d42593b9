"""The view that receives GitHub's webhooks."""

import logging
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.integrations.connections.credentials import decrypt
from apps.integrations.models import Webhook
from apps.integrations.sources.github.fields import Malformed
from apps.integrations.webhooks import deliveries, handling

logger = logging.getLogger(__name__)

# A function that gets a delivery's number, event, and payload (None if the event isn't
# read), and returns the result in a word.
Handle = Callable[[str, str, Mapping[str, Any] | None], str]


@csrf_exempt  # GitHub signs what it sends
@require_POST
def receive(request: HttpRequest, key: UUID) -> HttpResponse:
    """Handle one delivery of a team's webhook.

    The signature is checked before anything of the body is parsed.
    """
    webhook = Webhook.objects.across_teams().filter(key=key).first()
    if webhook is None:
        return _answer("There is no webhook at this address.", 404)

    def handle(guid: str, event: str, payload: Mapping[str, Any] | None) -> str:
        return handling.handle(webhook, guid, event, payload)

    return _handle(request, decrypt(webhook.secret), handle)


@csrf_exempt
@require_POST
def receive_of_app(request: HttpRequest) -> HttpResponse:
    """Handle one delivery of the app's own webhook, for each team that reads through
    the installation in it.
    """
    secret = settings.GITHUB_APP_WEBHOOK_SECRET
    if not secret:
        return _answer("No GitHub App is configured on this site.", 404)
    return _handle(request, secret, handling.take_in_of_app)


def _handle(request: HttpRequest, secret: str, handle: Handle) -> HttpResponse:
    guid, event = (
        request.headers.get("X-GitHub-Delivery", ""),
        request.headers.get("X-GitHub-Event", ""),
    )
    is_parsed = event in handling.PARSED
    try:
        body = deliveries.read(request, secret, keep=is_parsed)
    except deliveries.BadSignature:
        return _answer(
            "The signature does not match. Enter the same secret on GitHub and here.", 403
        )
    except deliveries.TooLarge:
        return _answer(
            "A delivery may have up to 25 MB. This one is larger, and was not read.", 413
        )
    except Malformed as malformed:
        return _answer(f"Invalid payload: {malformed}.", 400)
    if not guid or not event or len(guid) > 64 or len(event) > 60:
        return _answer("X-GitHub-Delivery and X-GitHub-Event are missing.", 400)
    try:
        payload = deliveries.parse(body, request.content_type) if is_parsed else None
        return _answer(handle(guid, event, payload))
    except Malformed as malformed:
        logger.warning("Delivery %s of %s can't be used: %s", guid, event, malformed)
        return _answer(f"Invalid payload: {malformed}.", 422)


def _answer(words: str, status: int = 200) -> HttpResponse:
    return HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")
