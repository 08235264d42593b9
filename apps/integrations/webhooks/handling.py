"""Handle what GitHub announces: a delivery becomes rows through the same ingest as a
sync's pages.

A delivery has no commits, and at most one review. Its data is written at once, and the
repository is marked as changed, so that an incremental sync reads the rest within
minutes. Deliveries may get lost, come in any order, and come more than once.
`apps.integrations.webhooks.deliveries` checks their signatures.
"""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from apps.integrations.connections.credentials import encrypt
from apps.integrations.connections.deleted import mark_deleted
from apps.integrations.models import (
    Connection,
    Credential,
    CredentialKind,
    Delivery,
    TrackedRepository,
    Webhook,
)
from apps.integrations.sources.github import fields, rest
from apps.metrics.cache import touch
from apps.metrics.ingest.writer import ingest_pull_requests
from apps.metrics.models import DetailState, PullRequest, Repository, Source
from apps.metrics.records import PullRequestData, PullRequestState
from apps.teams.models import Team

# GitHub lets users send a delivery again for three days. Older ones may be forgotten.
REMEMBERED = timedelta(days=14)
# The events whose payload is read. A push that changes a pull request comes with an
# event of that pull request, so `push` is not needed.
EVENTS = ("pull_request", "pull_request_review", "repository", "installation")
PARSED = frozenset(EVENTS)


def make(team: Team, user: Any) -> tuple[Webhook, str]:
    """Return the team's webhook with a new secret, which is shown only once. An earlier
    secret becomes invalid. Raises CredentialError.
    """
    secret = secrets.token_hex(32)
    webhook, _ = Webhook.objects.across_teams().update_or_create(
        team=team, defaults={"secret": encrypt(secret), "created_by": user}
    )
    return webhook, secret


def handle(webhook: Webhook, guid: str, event: str, payload: Mapping[str, Any] | None) -> str:
    """Write the data of a delivery, and return the result in a word. Raises Malformed,
    with nothing written.

    `payload` is None for an event that isn't read.
    """
    try:
        with transaction.atomic():
            Delivery.objects.create(webhook=webhook, guid=guid, event=event)
            Webhook.objects.across_teams().filter(pk=webhook.pk).update(heard_at=timezone.now())
            return _take_in(webhook.team_id, event, payload)
    except IntegrityError:
        if not Delivery.objects.filter(webhook=webhook, guid=guid).exists():
            raise
        return "repeated"


def take_in_of_app(guid: str, event: str, payload: Mapping[str, Any] | None) -> str:
    """Handle the delivery for each team that reads through the installation of the
    payload.
    """
    if payload is None:
        return "ignored"
    number = fields.big_number(fields.mapping(payload, "installation"), "id")
    said = []
    for connection in (
        Connection.objects.across_teams().filter(installation_id=number).select_related("team")
    ):
        webhook = (
            Webhook.objects.for_team(connection.team).first() or make(connection.team, None)[0]
        )
        said.append(handle(webhook, guid, event, payload))
        if event == "installation" and payload.get("action") in ("deleted", "suspend"):
            _lose(connection, str(payload["action"]))
    return ", ".join(said) or "not followed"


def _lose(connection: Connection, action: str) -> None:
    """Note on the connection that the app was removed or suspended at GitHub, so
    nothing can be read any more. Delete the credential if it was removed.
    """
    words = "removed" if action == "deleted" else "suspended"
    note = (
        f"The GitHub App was {words} on GitHub, so nothing can be read. Install it again, or "
        "use a token."
    )
    with transaction.atomic():
        Connection.objects.for_team(connection.team_id).filter(pk=connection.pk).update(
            notes=[note]
        )
        if action == "deleted":
            kind = CredentialKind.GITHUB_INSTALLATION
            Credential.objects.for_team(connection.team_id).filter(kind=kind).delete()


def forget_old() -> None:
    """Delete deliveries that are too old to be accepted again."""
    Delivery.objects.filter(at__lt=timezone.now() - REMEMBERED).delete()


def _take_in(team_id: int, event: str, payload: Mapping[str, Any] | None) -> str:
    if payload is None or event not in PARSED:
        return "ignored"
    if event == "installation":
        return "noted"
    tracked = _tracked(team_id, fields.mapping(payload, "repository"))
    if tracked is None:
        return "not followed"
    if event == "repository" and payload.get("action") == "deleted":
        # A deleted repository has nothing more to read.
        mark_deleted(tracked)
        return "taken in"
    _HANDLERS[event](tracked, payload)
    # An update and no save, because a user may have stopped tracking it meanwhile.
    TrackedRepository.objects.for_team(team_id).filter(pk=tracked.pk).update(
        changed_at=timezone.now()
    )
    return "taken in"


def _tracked(team_id: int, repository: Mapping[str, Any]) -> TrackedRepository | None:
    """Return the tracked repository that a delivery is about, locked.

    The number identifies a repository. The node id is only an address: it is used for a
    row without a number, and for a delivery without one.
    """
    rows = (
        TrackedRepository.objects.for_team(team_id)
        .filter(repository__source=Source.GITHUB)
        .order_by("pk")
    )
    rows = rows.select_related("repository").select_for_update(of=("self",))
    node_id, number = fields.text(repository, "node_id"), fields.big_number(repository, "id")
    by_node_id = rows.filter(repository__external_id=node_id)
    if number is None:
        return by_node_id.first()
    by_number = rows.filter(repository__github_id=number).first()
    return by_number or by_node_id.filter(repository__github_id=None).first()


def _pull_request(tracked: TrackedRepository, payload: Mapping[str, Any]) -> None:
    record = rest.pull_request(fields.mapping(payload, "pull_request"))
    stored = _stored(tracked, record.number)
    if stored is not None:
        # Webhooks may name an old pull request by an id of GitHub's former format.
        record = replace(record, external_id=stored.external_id)
    elif _has_address(tracked, record.external_id):
        # The address now belongs to a pull request with another number. The next sync
        # finds out which one has it.
        return
    elif _is_outside(tracked, record):
        return
    # Until its first sync is complete, only the sync writes a repository's rows.
    if tracked.synced_since is not None and not _is_overtaken(record, stored):
        ingest_pull_requests(tracked.repository, [record])
    _read_again(tracked, number=record.number)


def _is_outside(tracked: TrackedRepository, record: PullRequestData) -> bool:
    """Return whether a first read would leave a pull request out: it was last active
    before the window.
    """
    since = tracked.synced_since
    return since is not None and max(record.created_at, record.updated_at) < since


def _is_overtaken(record: PullRequestData, stored: PullRequest | None) -> bool:
    """Return whether a delivery came after a later one of the same second. A merged
    pull request must stay merged.
    """
    if stored is None or stored.state != PullRequestState.MERGED:
        return False
    return record.state != PullRequestState.MERGED


def _review(tracked: TrackedRepository, payload: Mapping[str, Any]) -> None:
    pull = fields.mapping(payload, "pull_request")
    if "number" in pull:
        _read_again(tracked, number=fields.count(pull, "number"))
    else:
        _read_again(tracked, external_id=fields.text(pull, "node_id"))


def _stored(tracked: TrackedRepository, number: int | None) -> PullRequest | None:
    pulls = PullRequest.objects.for_team(tracked.team_id).filter(
        repository_id=tracked.pk, number=number
    )
    return pulls.order_by("pk").first()


def _has_address(tracked: TrackedRepository, node_id: str) -> bool:
    """Return whether a stored pull request of the repository has this node id."""
    pulls = PullRequest.objects.for_team(tracked.team_id).filter(
        repository_id=tracked.repository_id
    )
    return pulls.filter(external_id=node_id).exists()


def _read_again(tracked: TrackedRepository, **which: object) -> None:
    """Mark a pull request so that the sync reads its commits and reviews, which may
    have changed without a new `updated_at`.
    """
    pulls = PullRequest.objects.for_team(tracked.team_id).filter(
        repository_id=tracked.pk, **which
    )
    if pulls.update(detail_state=DetailState.PENDING):
        touch(tracked.team_id)


def _repository(tracked: TrackedRepository, payload: Mapping[str, Any]) -> None:
    """Store the new name of a renamed repository."""
    repository = tracked.repository
    name = fields.text(fields.mapping(payload, "repository"), "full_name")[:300]
    others = Repository.objects.for_team(tracked.team_id).filter(
        source=Source.GITHUB, full_name__iexact=name
    )
    if name != repository.full_name and not others.exclude(pk=repository.pk).exists():
        repository.full_name = name
        Repository.objects.for_team(tracked.team_id).filter(pk=repository.pk).update(
            full_name=name
        )
        touch(tracked.team_id)


_HANDLERS = {
    "pull_request": _pull_request,
    "pull_request_review": _review,
    "repository": _repository,
}
