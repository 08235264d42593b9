"""What GitHub tells by itself: a delivery is checked, remembered and becomes rows by the same ingest as a sync's pages.

A delivery has no commits, and of reviews only one: what it says is written at once, and the repository is marked as
changed, so that an incremental sync reads the rest within minutes. Nothing depends on a delivery arriving.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.integrations.credentials import decrypt, encrypt
from apps.integrations.github import fields, rest
from apps.integrations.models import (
    Connection,
    Credential,
    CredentialKind,
    Delivery,
    SyncStatus,
    TrackedRepository,
    Webhook,
)
from apps.metrics.ingest import ingest_pull_requests
from apps.metrics.models import DetailState, PullRequest, Repository, Source
from apps.metrics.remembered import touch
from apps.teams.models import Team

# GitHub lets people send a delivery again for three days; what is older may be forgotten.
REMEMBERED = timedelta(days=14)
EVENTS = ("pull_request", "pull_request_review", "push", "repository", "installation")


def make(team: Team, user: Any) -> tuple[Webhook, str]:
    """The team's webhook with a new secret, which is shown this once; an earlier secret is void. Raises CredentialError."""
    secret = secrets.token_hex(32)
    webhook, _ = Webhook.objects.across_teams().update_or_create(
        team=team, defaults={"secret": encrypt(secret), "created_by": user}
    )
    return webhook, secret


def is_signed(webhook: Webhook, body: bytes, signature: str) -> bool:
    """Whether the body was signed with the webhook's secret. Raises CredentialError."""
    return fits(decrypt(webhook.secret), body, signature)


def fits(secret: str, body: bytes, signature: str) -> bool:
    """Whether a body was signed with a secret; in a time that tells nothing."""
    wanted = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(f"sha256={wanted}".encode(), signature.encode())


def take_in(webhook: Webhook, guid: str, event: str, payload: Mapping[str, Any]) -> str:
    """Write what a delivery says; in a word what became of it. Raises Malformed, with nothing written."""
    try:
        with transaction.atomic():
            Delivery.objects.create(webhook=webhook, guid=guid, event=event)
            Webhook.objects.across_teams().filter(pk=webhook.pk).update(heard_at=timezone.now())
            return _take_in(webhook.team_id, event, payload)
    except IntegrityError:
        if not Delivery.objects.filter(webhook=webhook, guid=guid).exists():
            raise
        return "repeated"


def take_in_of_app(guid: str, event: str, payload: Mapping[str, Any]) -> str:
    """The same for each team that reads through the installation of the payload."""
    number = fields.big_number(fields.mapping(payload, "installation"), "id")
    said = []
    for connection in Connection.objects.across_teams().filter(installation_id=number).select_related("team"):
        webhook = Webhook.objects.for_team(connection.team).first() or make(connection.team, None)[0]
        said.append(take_in(webhook, guid, event, payload))
        if event == "installation" and payload.get("action") in ("deleted", "suspend"):
            _lose(connection, str(payload["action"]))
    return ", ".join(said) or "not followed"


def _lose(connection: Connection, action: str) -> None:
    """The app was removed or suspended at GitHub: nothing can be read any more, and the team's page says why."""
    words = "removed" if action == "deleted" else "suspended"
    note = f"The GitHub App was {words} at GitHub, so nothing can be read. Install it again, or use a token."
    with transaction.atomic():
        connection.notes = [note]
        connection.save(update_fields=["notes"])
        if action == "deleted":
            kind = CredentialKind.GITHUB_INSTALLATION
            Credential.objects.for_team(connection.team_id).filter(kind=kind).delete()


def forget_old() -> None:
    """Drop deliveries that nobody can send again."""
    Delivery.objects.filter(at__lt=timezone.now() - REMEMBERED).delete()


def _take_in(team_id: int, event: str, payload: Mapping[str, Any]) -> str:
    if event not in EVENTS:
        return "ignored"
    if event == "installation":
        return "noted"
    node_id = fields.text(fields.mapping(payload, "repository"), "node_id")
    rows = TrackedRepository.objects.for_team(team_id).select_related("repository").select_for_update(of=("self",))
    tracked = rows.filter(repository__source=Source.GITHUB, repository__external_id=node_id).first()
    if tracked is None:
        return "not followed"
    _HANDLERS[event](tracked, payload)
    tracked.changed_at = timezone.now()
    tracked.save(update_fields=["changed_at"])
    return "taken in"


def _pull_request(tracked: TrackedRepository, payload: Mapping[str, Any]) -> None:
    record = rest.pull_request(fields.mapping(payload, "pull_request"))
    # Before its first sync is through, a repository's window is the sync's business.
    if tracked.synced_since is not None:
        ingest_pull_requests(tracked.repository, [record])
        _to_be_read(tracked, record.external_id)


def _review(tracked: TrackedRepository, payload: Mapping[str, Any]) -> None:
    _to_be_read(tracked, fields.text(fields.mapping(payload, "pull_request"), "node_id"))


def _to_be_read(tracked: TrackedRepository, external_id: str) -> None:
    """Its commits and reviews may be others now, whatever its own time of change says."""
    pulls = PullRequest.objects.for_team(tracked.team_id).filter(repository_id=tracked.pk, external_id=external_id)
    if pulls.update(detail_state=DetailState.PENDING):
        touch(tracked.team_id)


def _repository(tracked: TrackedRepository, payload: Mapping[str, Any]) -> None:
    """Renamed, transferred: the name; deleted: said, and what was read stays."""
    repository = tracked.repository
    name = fields.text(fields.mapping(payload, "repository"), "full_name")[:300]
    others = Repository.objects.for_team(tracked.team_id).filter(source=Source.GITHUB, full_name__iexact=name)
    if name != repository.full_name and not others.exclude(pk=repository.pk).exists():
        repository.full_name = name
        repository.save(update_fields=["full_name"])
        touch(tracked.team_id)
    if payload.get("action") == "deleted":
        tracked.sync_status = SyncStatus.ERROR
        tracked.last_sync_error = "The repository was deleted on GitHub. What was read of it stays."
        tracked.save(update_fields=["sync_status", "last_sync_error"])


def _push(tracked: TrackedRepository, payload: Mapping[str, Any]) -> None:
    """Of a push there is nothing to write; the sync finds what it brought."""


_HANDLERS = {
    "pull_request": _pull_request,
    "pull_request_review": _review,
    "repository": _repository,
    "push": _push,
}
