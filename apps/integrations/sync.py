"""The sync: a team's repositories read from their sources into rows, as one step of a pipeline.

    open the books -> the outline of every repository (totals are known) -> the details of every repository -> close

A repository that cannot be read is marked with the reason and leaves the others running; the step is then partial. What
concerns the token or all repositories ends the step; limits and outages park it. Every attempt goes on at the cursors.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Protocol

from django.db import DataError

from apps.integrations.credentials import CredentialError, client_for
from apps.integrations.git.source import GitError
from apps.integrations.github.errors import (
    BadCredentials,
    GitHubError,
    MissingCredentials,
    RateLimited,
    Unreachable,
)
from apps.integrations.github.source import GitHubSource
from apps.integrations.models import SyncStatus, TrackedRepository
from apps.integrations.sync_git import GitReader
from apps.integrations.sync_github import GitHubReader
from apps.integrations.sync_ledger import Ledger
from apps.metrics.models import Source
from apps.pipelines.context import StepContext
from apps.pipelines.exceptions import Park, Permanent, Retryable
from apps.pipelines.outcomes import Done, Missing, Outcome, Partial, Skipped

logger = logging.getLogger(__name__)

# Causes that a failed sync names before it only counts them.
NAMED = 5


class Reader(Protocol):
    """Reads repositories of one source. Each method goes on at the repository's cursor."""

    def outline(self, tracked: TrackedRepository) -> None:
        """Read as much as is needed to know the total."""

    def detail(self, tracked: TrackedRepository) -> None:
        """Read the rest and end the repository in the ledger."""


def sync_repositories(ctx: StepContext, *, team_id: int, repo_ids: Sequence[int] | None, since: datetime) -> Outcome:
    """The body of the sync step: all repositories that the team follows, or those named, back to `since`."""
    ledger = Ledger(ctx, team_id)
    ledger.open(repo_ids, since)
    if not ledger.rows:
        return Skipped("The team follows no repository. Choose some, then start again.")
    with ExitStack() as stack:
        readers = _readers(ledger, stack)
        for tracked in ledger.unfinished():
            with _failing_alone(ledger, tracked):
                readers[tracked.repository.source].outline(tracked)
        ledger.outlined()
        for tracked in ledger.unfinished():
            with _failing_alone(ledger, tracked):
                readers[tracked.repository.source].detail(tracked)
    return _outcome(ledger)


def _readers(ledger: Ledger, stack: ExitStack) -> dict[str, Reader]:
    return {
        Source.GITHUB: GitHubReader(ledger, _once(lambda: _github(ledger.team_id, stack))),
        Source.GIT: GitReader(ledger),
    }


def _github(team_id: int, stack: ExitStack) -> GitHubSource:
    return GitHubSource(stack.enter_context(client_for(team_id)))


def _once[T](make: Callable[[], T]) -> Callable[[], T]:
    """`make`, called when its result is first asked for: teams without GitHub need no token."""
    made: list[T] = []

    def get() -> T:
        if not made:
            made.append(make())
        return made[0]

    return get


@contextmanager
def _failing_alone(ledger: Ledger, tracked: TrackedRepository) -> Iterator[None]:
    """Turn what can go wrong with one repository into its error, and what concerns all of them into the step's end."""
    try:
        yield
    except (BadCredentials, MissingCredentials, CredentialError) as error:
        ledger.fail_all(str(error))
        raise Permanent(str(error)) from None
    except RateLimited as limit:
        raise Park(limit.until, str(limit)) from None
    except Unreachable as error:
        raise Retryable(str(error)) from None
    except (GitHubError, GitError) as error:
        ledger.fail(tracked, str(error))
    except (DataError, ValueError) as error:
        logger.exception("%s could not be stored.", tracked)
        ledger.fail(tracked, f"What the source says could not be stored ({type(error).__name__}). The log has more.")


def _outcome(ledger: Ledger) -> Outcome:
    failed = [row for row in ledger.rows if row.sync_status == SyncStatus.ERROR]
    if len(failed) == len(ledger.rows):
        raise Permanent(_shared_cause(failed))
    ledger.close()
    good = [row for row in ledger.rows if row.sync_status != SyncStatus.ERROR]
    result = {"repositories": len(good), "pull_requests": sum(row.done for row in good)}
    missing = [
        Missing(what=row.repository.full_name, why=row.last_sync_error)
        for row in ledger.rows
        if row.sync_status != SyncStatus.COMPLETE
    ]
    return Partial(missing, result) if missing else Done(result)


def _shared_cause(failed: Sequence[TrackedRepository]) -> str:
    causes = list(dict.fromkeys(row.last_sync_error for row in failed))
    if len(causes) == 1:
        return causes[0]
    more = f" And {len(causes) - NAMED} more." if len(causes) > NAMED else ""
    return f"None of the {len(failed)} repositories could be read. {' '.join(causes[:NAMED])}{more}"
