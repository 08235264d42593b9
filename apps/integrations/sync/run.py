"""The sync: one step of a pipeline that reads a team's repositories from their sources
into rows.

    open the sync state -> the newest 90 days of every list (first figures) -> the rest of
    every list (totals are known) -> the details of every repository -> close

A repository that cannot be read is marked with the reason, and the others go on; the
step is then partial. An error that concerns the token or all repositories ends the
step; limits and outages park it. Every attempt continues at the cursors.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import datetime, timedelta
from typing import Protocol

from django.core.exceptions import ObjectDoesNotExist, ObjectNotUpdated
from django.db import DataError, IntegrityError

from apps.integrations.connections.credentials import CredentialError, client_for, keep_fresh
from apps.integrations.models import Connection, ConnectionSource, SyncStatus, TrackedRepository
from apps.integrations.sources.git.source import GitError
from apps.integrations.sources.github.errors import (
    BadCredentials,
    GitHubError,
    MissingCredentials,
    RateLimited,
    Unreachable,
)
from apps.integrations.sources.github.source import GitHubSource
from apps.integrations.sync.fetching import OF_ALL, Fetcher
from apps.integrations.sync.git import GitReader
from apps.integrations.sync.github import GitHubReader
from apps.integrations.sync.outside_window import remove_outside
from apps.integrations.sync.rate_limiter import Allowance, RateLimiter, Unbounded
from apps.integrations.sync.removed import Removed, is_tracked
from apps.integrations.sync.state import SyncState
from apps.integrations.sync.verification import corrected_in
from apps.metrics.models import Source
from apps.pipelines import incidents
from apps.pipelines.context import StepContext
from apps.pipelines.exceptions import Park, Permanent, PipelineError, Retryable
from apps.pipelines.outcomes import Done, Missing, Outcome, Partial, Skipped
from apps.pipelines.portions import Watch
from apps.pipelines.remedy import UNEXPECTED, Remedy

logger = logging.getLogger(__name__)

# This part of every list is read before any list is read further, for the first
# figures.
NEWEST = timedelta(days=90)
# Seconds between two checks whether a token of an app's installation ends soon.
TOKEN_LOOK = 60.0
# The most reasons that the error of a failed sync names; it only counts the others.
NAMED = 5


class Reader(Protocol):
    """Reads repositories of one source.

    Each method continues at the repositories' cursors.
    """

    def list_pass(self, rows: Sequence[TrackedRepository], start: datetime) -> None:
        """Read the lists back to `start`. Once they are read back to the start of the
        window, the totals are known.
        """

    def detail(self, rows: Sequence[TrackedRepository]) -> None:
        """Read the details, and end the repositories in the sync state."""


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
    def alone(tracked: TrackedRepository) -> AbstractContextManager[None]:
        return _failing_alone(sync_state, tracked)

    return {
        Source.GITHUB: GitHubReader(
            sync_state, alone, _once(lambda: _github(sync_state, stack))
        ),
        Source.GIT: GitReader(sync_state, alone),
    }


def _github(sync_state: SyncState, stack: ExitStack) -> tuple[GitHubSource, Fetcher]:
    client = stack.enter_context(client_for(sync_state.team_id))
    # The installation itself serves the sample, so its requests need no limit.
    own = (
        Connection.objects.for_team(sync_state.team_id)
        .filter(source=ConnectionSource.SAMPLE)
        .exists()
    )
    allowance: Allowance = (
        Unbounded() if own else RateLimiter(client.fingerprint, str(sync_state.ctx.run.pk))
    )

    def check() -> None:
        sync_state.check()
        if client.identity and time.monotonic() > looked[0] + TOKEN_LOOK:
            looked[0] = time.monotonic()
            keep_fresh(client, sync_state.team_id)

    looked = [time.monotonic()]
    return GitHubSource(client, Watch(sync_state.ctx)), Fetcher(
        client, allowance, check, sync_state.note_wait
    )


def _once[T](make: Callable[[], T]) -> Callable[[], T]:
    """Return a function that calls `make` once, when its result is first needed: teams
    without GitHub need no token.
    """
    made: list[T] = []

    def get() -> T:
        if not made:
            made.append(make())
        return made[0]

    return get


@contextmanager
def _of_all(sync_state: SyncState) -> Iterator[None]:
    """Turn an error that concerns the token or all repositories into the step's end, or
    into a wait.
    """
    try:
        yield
    except (BadCredentials, MissingCredentials, CredentialError) as error:
        sync_state.fail_all(error)
        raise Permanent.of(error) from None
    except RateLimited as limit:
        sync_state.parked()
        raise Park(limit.until, str(limit), cause=limit.cause) from None
    except Unreachable as error:
        raise Retryable.of(error) from None


@contextmanager
def _failing_alone(sync_state: SyncState, tracked: TrackedRepository) -> Iterator[None]:
    """Turn an error of one repository into its stored error, and go on with the others."""
    try:
        yield
    except (*OF_ALL, MissingCredentials):
        raise
    except (GitHubError, GitError) as error:
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
