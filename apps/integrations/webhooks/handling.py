"""Handle what a source announces: each delivery once, in one transaction with its rows.

    webhook, secret = make(team, user)        # the team's webhook; the secret is shown once
    handle(webhook, hook, delivery)           # "taken in"; "repeated" the second time

The source's own `Hook` reads the request and writes the rows.
"""

import secrets
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.integrations.encryption import encrypt
from apps.integrations.models import Delivery, Webhook
from apps.integrations.sources.hooks import Delivered, Hook
from apps.teams.models import Team

# Sources let users send a delivery again for some days, GitHub for three. Older ones
# may be forgotten.
REMEMBERED = timedelta(days=14)


def make(team: Team, user: Any) -> tuple[Webhook, str]:
    """Return the team's webhook with a new secret, which is shown only once. An earlier
    secret becomes invalid. Raises CredentialError.
    """
    secret = secrets.token_hex(32)
    webhook, _ = Webhook.objects.across_teams().update_or_create(
        team=team, defaults={"secret": encrypt(secret), "created_by": user}
    )
    return webhook, secret


def handle(webhook: Webhook, hook: Hook, delivery: Delivered) -> str:
    """Write the data of a delivery, and return the result in a word. Raises
    BadDelivery, with nothing written.
    """
    try:
        with transaction.atomic():
            Delivery.objects.create(webhook=webhook, guid=delivery.guid, event=delivery.event)
            Webhook.objects.across_teams().filter(pk=webhook.pk).update(heard_at=timezone.now())
            return hook.take(webhook.team_id, delivery)
    except IntegrityError:
        if not Delivery.objects.filter(webhook=webhook, guid=delivery.guid).exists():
            raise
        return "repeated"


def handle_of_app(hook: Hook, delivery: Delivered) -> str:
    """Handle a delivery of the app's own webhook for each team that it applies to."""
    if delivery.payload is None:
        return "ignored"
    results = []
    for connection in hook.readers_of(delivery).select_related("team"):
        team = connection.team
        webhook = Webhook.objects.for_team(team).first() or make(team, None)[0]
        results.append(handle(webhook, hook, delivery))
        hook.on_app_delivery(connection, delivery)
    return ", ".join(results) or "not followed"


def forget_old() -> None:
    """Delete deliveries that are too old to be accepted again."""
    Delivery.objects.filter(at__lt=timezone.now() - REMEMBERED).delete()
