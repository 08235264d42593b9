"""Where GitHub delivers webhooks."""

import json
import logging
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.integrations import webhooks
from apps.integrations.github.fields import Malformed
from apps.integrations.models import Webhook

logger = logging.getLogger(__name__)


@csrf_exempt  # GitHub signs what it sends
@require_POST
def receive(request: HttpRequest, key: UUID) -> HttpResponse:
    """Take in one delivery. The signature is checked before anything of the body is read."""
    webhook = Webhook.objects.across_teams().filter(key=key).first()
    if webhook is None:
        return _said("There is no webhook at this address.", 404)
    if not webhooks.is_signed(webhook, request.body, request.headers.get("X-Hub-Signature-256", "")):
        return _said("The signature is not of this webhook's secret. Set the secret anew on both sides.", 403)
    guid, event = request.headers.get("X-GitHub-Delivery", ""), request.headers.get("X-GitHub-Event", "")
    if not guid or not event or len(guid) > 64 or len(event) > 60:
        return _said("X-GitHub-Delivery and X-GitHub-Event are missing.", 400)
    try:
        return _said(webhooks.take_in(webhook, guid, event, _payload(request)))
    except Malformed as malformed:
        logger.warning("Delivery %s of %s cannot be used: %s", guid, event, malformed)
        return _said(f"This cannot be used: {malformed}.", 422)


@csrf_exempt
@require_POST
def receive_of_app(request: HttpRequest) -> HttpResponse:
    """One delivery of the app's own webhook: for every team that reads through the installation that it names."""
    secret = settings.GITHUB_APP_WEBHOOK_SECRET
    if not secret:
        return _said("This installation listens to no app.", 404)
    if not webhooks.fits(secret, request.body, request.headers.get("X-Hub-Signature-256", "")):
        return _said("The signature is not of the app's webhook secret.", 403)
    guid, event = request.headers.get("X-GitHub-Delivery", ""), request.headers.get("X-GitHub-Event", "")
    if not guid or not event or len(guid) > 64 or len(event) > 60:
        return _said("X-GitHub-Delivery and X-GitHub-Event are missing.", 400)
    try:
        return _said(webhooks.take_in_of_app(guid, event, _payload(request)))
    except Malformed as malformed:
        logger.warning("Delivery %s of %s cannot be used: %s", guid, event, malformed)
        return _said(f"This cannot be used: {malformed}.", 422)


def _payload(request: HttpRequest) -> dict[str, Any]:
    """The JSON, which GitHub sends as it is or in a form's field."""
    body = request.body
    try:
        if request.content_type == "application/x-www-form-urlencoded":
            body = parse_qs(body.decode())["payload"][0].encode()
        payload = json.loads(body)
    except (ValueError, KeyError, RecursionError):
        raise Malformed("it is no JSON") from None
    if not isinstance(payload, dict):
        raise Malformed("it is no JSON object")
    return payload


def _said(words: str, status: int = 200) -> HttpResponse:
    return HttpResponse(words, status=status, content_type="text/plain; charset=utf-8")
