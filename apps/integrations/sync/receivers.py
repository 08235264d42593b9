"""Integrations' own receivers of the sync's signals. They write the sync's log and the
rows of the repositories.
"""

from datetime import datetime
from typing import Any

from django.utils import timezone

from apps.integrations.models import (
    Connection,
    SyncLog,
    SyncStatus,
    TrackedRepository,
    Webhook,
)
from apps.integrations.signals import (
    onboarding_sync_completed,
    onboarding_sync_started,
    repository_sync_completed,
)
from apps.integrations.sources import base
from apps.integrations.sync.retry import settle
from apps.pipelines.models import Run
from apps.pipelines.signals import is_current, pipeline_cancelled, pipeline_failed
from apps.teams.models import Team
from apps.teams.signals import rights_ended
from apps.users.models import User

WEBHOOK_ENDED = (
    "The webhook was disabled because the person who created it is no longer an owner or admin "
    "of the team. Create a new one, and enter its URL and secret on {name}."
)


def log_sync_started(team_id: int, repo_ids: list[int], **_: Any) -> None:
    SyncLog.objects.create(
        team_id=team_id, signal="onboarding_sync_started", data={"repo_ids": repo_ids}
    )


def log_repository_completed(team_id: int, repo_id: int, prs_synced: int, **_: Any) -> None:
    SyncLog.objects.create(
        team_id=team_id,
        signal="repository_sync_completed",
        repository_id=repo_id,
        data={"prs_synced": prs_synced},
    )


def date_repository(
    team_id: int, repo_id: int, sent_at: datetime | None = None, **_: Any
) -> None:
    at = sent_at or timezone.now()
    tracked = TrackedRepository.objects.for_team(team_id).filter(pk=repo_id)
    tracked.exclude(last_synced_at__gt=at).update(last_synced_at=at)


def log_sync_completed(
    team_id: int, repos_synced: int, total_prs: int, failed_repos: int, **_: Any
) -> None:
    data = {"repos_synced": repos_synced, "total_prs": total_prs, "failed_repos": failed_repos}
    SyncLog.objects.create(team_id=team_id, signal="onboarding_sync_completed", data=data)


def settle_failed(run: Run, error: str, **_: Any) -> None:
    if is_current(run):
        settle(run, SyncStatus.ERROR, error)


def settle_cancelled(run: Run, **_: Any) -> None:
    if is_current(run):
        settle(run, SyncStatus.PENDING, "The run was canceled before this repository was read.")


def end_webhook_of(team: Team, user: User, **_: Any) -> None:
    """Delete the team's webhook when the person who knows its secret loses the rights
    to it.

    The team's Connect page then asks for a new webhook.
    """
    deleted, _rows = Webhook.objects.for_team(team).filter(created_by=user).delete()
    if not deleted:
        return
    for connection in Connection.objects.for_team(team):
        source = base.find(connection.source)
        if source is None or source.hook is None:
            continue
        notes = [*connection.notes, WEBHOOK_ENDED.format(name=source.name)]
        Connection.objects.for_team(team).filter(pk=connection.pk).update(notes=notes)


def connect() -> None:
    """Connect the receivers. Called once, when the app is ready."""
    for signal, receiver in (
        (onboarding_sync_started, log_sync_started),
        (repository_sync_completed, log_repository_completed),
        (repository_sync_completed, date_repository),
        (onboarding_sync_completed, log_sync_completed),
        (pipeline_failed, settle_failed),
        (pipeline_cancelled, settle_cancelled),
        (rights_ended, end_webhook_of),
    ):
        signal.connect(receiver, dispatch_uid=f"integrations.{receiver.__name__}")
