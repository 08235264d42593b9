"""The sync: one step of a pipeline that reads a team's repositories from their sources
into rows.

    open the sync state -> the newest 90 days of every list (first figures) -> the rest of
    every list (totals are known) -> the details of every repository -> close

A repository that cannot be read is marked with the reason, and the others go on; the
step is then partial. An error that concerns the token or all repositories ends the
step; limits and outages park it. Every attempt continues at the cursors.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timedelta

from django.core.exceptions import ObjectDoesNotExist, ObjectNotUpdated
from django.db import DataError, IntegrityError

from apps.integrations.encryption import CredentialError
from apps.integrations.models import SyncStatus, TrackedRepository
from apps.integrations.sources.errors import Away, CredentialsFailed, Limited, SourceError
from apps.integrations.sources.reading import Reader, corrected_in
from apps.integrations.sync.outside_window import remove_outside
from apps.integrations.sync.removed import Removed, is_tracked
from apps.integrations.sync.state import SyncState
from apps.pipelines import incidents
from apps.pipelines.context import StepContext
from apps.pipelines.exceptions import Park, Permanent, PipelineError, Retryable
from apps.pipelines.outcomes import Done, Missing, Outcome, Partial, Skipped
from apps.pipelines.remedy import UNEXPECTED, Remedy

logger = logging.getLogger(__name__)

# This part of every list is read before any list is read further, for the first
# figures.
NEWEST = timedelta(days=90)
# These errors concern all repositories of a source.
OF_ALL = (CredentialsFailed, Limited, Away)
# The most reasons that the error of a failed sync names; it only counts the others.
NAMED = 5


def sync_repositories(
    ctx: StepContext,
    *,
    team_id: int,
    repo_ids: Sequence[int] | None,
    since: datetime,
    verify: bool = False,
    nights: int = 0,
) -> Outcome:
    """Run the body of the sync step: all repositories that the team tracks, or those
    named, back to `since`.

    Args:
        verify: compare everything with the source.
        nights: compare a share of it, so that this many runs compare all; 0 for none.
    """
    sync_state = SyncState(ctx, team_id, verify=verify, nights=nights)
    sync_state.open(repo_ids, since)
    if not sync_state.rows and not sync_state.removed:
        return Skipped("No repositories are selected. Choose some, then start again.")
    remove_outside(sync_state)
    with ExitStack() as stack, _of_all(sync_state):
        readers = _readers(sync_state, stack)
        newest = max(sync_state.since, ctx.run.created_at - NEWEST)
        for start in dict.fromkeys((newest, sync_state.since)):
            for source, reader in readers.items():
                reader.list_pass(sync_state.unfinished(source), start)
            sync_state.on_listed(start)
        for source, reader in readers.items():
            reader.detail(sync_state.unfinished(source))
    return _outcome(sync_state)


def _readers(sync_state: SyncState, stack: ExitStack) -> dict[str, Reader]:
    """Return a reader for each source of the repositories, by the source of their
    rows.
    """

    def alone(tracked: TrackedRepository) -> AbstractContextManager[None]:
        return _failing_alone(sync_state, tracked)

    return {
        rows: source.reader(sync_state, alone, stack)
        for rows, source in sync_state.sources.items()
    }


@contextmanager
def _of_all(sync_state: SyncState) -> Iterator[None]:
    """Turn an error that concerns the token or all repositories into the step's end, or
    into a wait.
    """
    try:
        yield
    except (CredentialsFailed, CredentialError) as error:
        sync_state.fail_all(error)
        raise Permanent.of(error) from None
    except Limited as limit:
        sync_state.parked()
        raise Park(limit.until, str(limit), cause=limit.cause) from None
    except Away as error:
        raise Retryable.of(error) from None


@contextmanager
def _failing_alone(sync_state: SyncState, tracked: TrackedRepository) -> Iterator[None]:
    """Turn an error of one repository into its stored error, and go on with the others."""
    try:
        yield
    except OF_ALL:
        raise
    except SourceError as error:
        sync_state.fail(tracked, error)
    except Removed as error:
        sync_state.fail(tracked, error)
    except (ObjectNotUpdated, ObjectDoesNotExist, IntegrityError):
        # A missing row, for example of a pull request, may be a sign that the
        # repository's own row was deleted with everything that belongs to it.
        if is_tracked(tracked):
            raise
        sync_state.fail(tracked, Removed())
    except (DataError, ValueError) as error:
        words = incidents.record(error, f"{tracked} could not be stored", sync_state.ctx.run.pk)
        unexpected = PipelineError(
            f"What the source sent could not be stored. {words}",
            cause=UNEXPECTED,
            remedy=Remedy.OPERATOR,
        )
        sync_state.fail(tracked, unexpected)


def _outcome(sync_state: SyncState) -> Outcome:
    failed = [row for row in sync_state.rows if row.sync_status == SyncStatus.ERROR]
    if not sync_state.rows:
        raise Permanent(
            "All repositories of this run were removed from Firstlight.", cause=Removed.cause
        )
    if len(failed) == len(sync_state.rows):
        raise _shared_cause(failed)
    sync_state.close()
    good = [row for row in sync_state.rows if row.sync_status != SyncStatus.ERROR]
    result = {
        "repositories": len(good),
        "pull_requests": sum(row.done for row in good),
        "corrected": corrected_in(sync_state.rows),
    }
    missing = [
        Missing(
            what=row.repository.full_name,
            why=row.last_sync_error,
            cause=row.cause,
            remedy=row.remedy,
        )
        for row in sync_state.rows
        if row.sync_status != SyncStatus.COMPLETE
    ]
    gone = Removed()
    missing += [
        Missing(what=name, why=str(gone), cause=gone.cause, remedy=gone.remedy)
        for name in sync_state.removed
    ]
    return Partial(missing, result) if missing else Done(result)


def _shared_cause(failed: Sequence[TrackedRepository]) -> Permanent:
    """Return the error of a sync that could read nothing.

    It contains each reason once. Reasons that differ only in the repository's name
    count as one.
    """
    alike: dict[str, str] = {}
    for row in failed:
        alike.setdefault(
            row.last_sync_error.replace(row.repository.full_name, ""), row.last_sync_error
        )
    reasons = list(alike.values())
    causes = {(row.cause, row.remedy) for row in failed}
    cause, remedy = causes.pop() if len(causes) == 1 else ("repositories", Remedy.RETRY)
    if len(failed) == 1:
        text = f"{failed[0].repository.full_name} could not be read. {reasons[0]}"
        return Permanent(text, cause=cause, remedy=Remedy(remedy))
    more = f" And {len(reasons) - NAMED} more." if len(reasons) > NAMED else ""
    text = f"None of the {len(failed)} repositories could be read. {' '.join(reasons[:NAMED])}{more}"
    return Permanent(text, cause=cause, remedy=Remedy(remedy))
