"""Integrations' own receivers: the log of what the sync told, and the rows of the repositories."""

from typing import Any

from django.utils import timezone

from apps.integrations.models import SyncLog, SyncStatus, TrackedRepository
from apps.integrations.retry import settle
from apps.integrations.signals import onboarding_sync_completed, onboarding_sync_started, repository_sync_completed
from apps.pipelines.models import Run
from apps.pipelines.signals import pipeline_cancelled, pipeline_failed


def log_sync_started(team_id: int, repo_ids: list[int], **_: Any) -> None:
    SyncLog.objects.create(team_id=team_id, signal="onboarding_sync_started", data={"repo_ids": repo_ids})


def log_repository_completed(team_id: int, repo_id: int, prs_synced: int, **_: Any) -> None:
    SyncLog.objects.create(
        team_id=team_id, signal="repository_sync_completed", repository_id=repo_id, data={"prs_synced": prs_synced}
    )


def date_repository(team_id: int, repo_id: int, **_: Any) -> None:
    TrackedRepository.objects.for_team(team_id).filter(pk=repo_id).update(last_synced_at=timezone.now())


def log_sync_completed(team_id: int, repos_synced: int, total_prs: int, failed_repos: int, **_: Any) -> None:
    data = {"repos_synced": repos_synced, "total_prs": total_prs, "failed_repos": failed_repos}
    SyncLog.objects.create(team_id=team_id, signal="onboarding_sync_completed", data=data)


def settle_failed(run: Run, error: str, **_: Any) -> None:
    settle(run, SyncStatus.ERROR, error)


def settle_cancelled(run: Run, **_: Any) -> None:
    settle(run, SyncStatus.PENDING, "The run was cancelled before this repository was read.")


def connect() -> None:
    """Called once, when the app is ready."""
    for signal, receiver in (
        (onboarding_sync_started, log_sync_started),
        (repository_sync_completed, log_repository_completed),
        (repository_sync_completed, date_repository),
        (onboarding_sync_completed, log_sync_completed),
        (pipeline_failed, settle_failed),
        (pipeline_cancelled, settle_cancelled),
    ):
        signal.connect(receiver, dispatch_uid=f"integrations.{receiver.__name__}")
