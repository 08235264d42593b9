"""GitHub's webhooks: a delivery becomes rows through the same ingest as a sync's pages.

A delivery has no commits, and at most one review. Its data is written at once, and the
repository is marked as changed, so that an incremental sync reads the rest within
minutes. Deliveries may get lost, come in any order, and come more than once.
`deliveries` checks their signatures.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from apps.integrations.models import Connection, TrackedRepository
from apps.integrations.sources.github import KEY, credentials, deliveries, fields, rest
from apps.integrations.sources.github.deleted import mark_deleted
from apps.integrations.sources.github.fields import Malformed
from apps.integrations.sources.hooks import BadDelivery, Delivered, Hook
from apps.metrics.cache import touch
from apps.metrics.ingest.writer import ingest_pull_requests
from apps.metrics.models import DetailState, PullRequest, Repository
from apps.metrics.records import PullRequestData, PullRequestState

logger = logging.getLogger(__name__)

# The events whose payload is read. A push that changes a pull request comes with an
# event of that pull request, so `push` is not needed.
EVENTS = ("pull_request", "pull_request_review", "repository", "installation")
PARSED = frozenset(EVENTS)
LONGEST_GUID, LONGEST_EVENT = 64, 60


class GitHubHook(Hook):
    """The webhooks of repositories and organizations, and that of the app."""

    events = EVENTS
    place = "for an organization or a single repository"
    page = "in the organization’s or the repository’s settings, under Webhooks, “Add webhook”"

    def read(self, request: HttpRequest, secret: str) -> Delivered:
        guid = request.headers.get("X-GitHub-Delivery", "")
        event = request.headers.get("X-GitHub-Event", "")
        is_parsed = event in PARSED
        try:
            body = deliveries.read(request, secret, keep=is_parsed)
        except deliveries.BadSignature:
            raise BadDelivery(
                "The signature does not match. Enter the same secret on GitHub and here.", 403
            ) from None
        except deliveries.TooLarge:
            raise BadDelivery(
                "A delivery may have up to 25 MB. This one is larger, and was not read.", 413
            ) from None
        except Malformed as malformed:
            raise BadDelivery(f"Invalid payload: {malformed}.") from None
        if not guid or not event or len(guid) > LONGEST_GUID or len(event) > LONGEST_EVENT:
            raise BadDelivery("X-GitHub-Delivery and X-GitHub-Event are missing.")
        if not is_parsed:
            return Delivered(guid, event, None)
        try:
            return Delivered(guid, event, deliveries.parse(body, request.content_type))
        except Malformed as malformed:
            raise _unusable(guid, event, malformed) from None

    def take(self, team_id: int, delivery: Delivered) -> str:
        try:
            return _handle(team_id, delivery.event, delivery.payload)
        except Malformed as malformed:
            raise _unusable(delivery.guid, delivery.event, malformed) from None

    def secret_of_app(self) -> str:
        return str(settings.GITHUB_APP_WEBHOOK_SECRET)

    def readers_of(self, delivery: Delivered) -> QuerySet[Connection]:
        """Return the connections through the installation of the payload."""
        payload = delivery.payload or {}
        try:
            number = fields.big_number(fields.mapping(payload, "installation"), "id")
        except Malformed as malformed:
            raise _unusable(delivery.guid, delivery.event, malformed) from None
        return Connection.objects.across_teams().filter(installation_id=number)

    def on_app_delivery(self, connection: Connection, delivery: Delivered) -> None:
        """Note on the connection that the app was removed or suspended."""
        action = (delivery.payload or {}).get("action")
        if delivery.event == "installation" and action in ("deleted", "suspend"):
            _lose(connection, str(action))


def _unusable(guid: str, event: str, malformed: Malformed) -> BadDelivery:
    logger.warning("Delivery %s of %s can't be used: %s", guid, event, malformed)
    return BadDelivery(f"Invalid payload: {malformed}.", 422)


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
            credentials.forget_installation(connection.team_id)


def _handle(team_id: int, event: str, payload: Mapping[str, Any] | None) -> str:
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
        .filter(repository__source=KEY)
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
        source=KEY, full_name__iexact=name
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
