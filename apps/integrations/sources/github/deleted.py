"""Repositories that GitHub reported as deleted.

    mark_deleted(tracked)             a webhook reports it: the page shows it at once, and nothing is read
    error = explain(tracked, error)   a later read finds nothing: the error states the deletion, not "check the name"

A later read that succeeds forgets the deletion (`sync.attempts.succeed`): it was restored.
The nightly run still asks for the repository, with one request, because GitHub restores
repositories for 90 days.
"""

from django.utils import timezone

from apps.integrations.models import SyncStatus, TrackedRepository
from apps.integrations.sources.github.errors import NotFound, RepositoryDeleted


def mark_deleted(tracked: TrackedRepository) -> None:
    """Record that GitHub reported the deletion."""
    tracked.gone_at = tracked.gone_at or timezone.now()
    error = RepositoryDeleted(tracked.gone_at)
    tracked.sync_status, tracked.last_sync_error = SyncStatus.ERROR, str(error)
    tracked.cause, tracked.remedy = error.cause, error.remedy
    columns = ("gone_at", "sync_status", "last_sync_error", "cause", "remedy")
    rows = TrackedRepository.objects.for_team(tracked.team_id).filter(pk=tracked.pk)
    rows.update(**{name: getattr(tracked, name) for name in columns})


def explain(tracked: TrackedRepository, error: Exception) -> Exception:
    """Return the error of a failed read; RepositoryDeleted in place of NotFound if
    GitHub reported the deletion.
    """
    if not isinstance(error, NotFound):
        return error
    rows = TrackedRepository.objects.for_team(tracked.team_id).filter(pk=tracked.pk)
    gone_at = rows.values_list("gone_at", flat=True).first()
    return error if gone_at is None else RepositoryDeleted(gone_at)
