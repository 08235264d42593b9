"""What a source's reader does, and what the sync does for it.

    reader = source.reader(sync, alone, stack)
    reader.list_pass(rows, start)     # the lists, back to `start`; then the totals are known
    reader.detail(rows)               # everything else; ends each repository

A reader sends the requests, and hands records over. The sync owns the rows, the units,
and the progress: `apps.integrations.sync.state.SyncState` is the `Sync` that a reader
gets.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import NotRequired, Protocol, TypedDict

from django.db.models import Q, QuerySet

from apps.integrations.models import ApiBudget, SyncStatus, TrackedRepository
from apps.metrics.models import PullRequest
from apps.metrics.records import PullRequestData
from apps.pipelines.context import StepContext, Unit

# A context manager that turns an exception about one repository into its stored error.
Alone = Callable[[TrackedRepository], AbstractContextManager[None]]

# The states of a repository that is still to be read.
OPEN = (SyncStatus.PENDING, SyncStatus.SYNCING)
# What the step's progress counts.
UNIT = "pull requests"
# The most problems that are remembered as counted. A repository with more of them is
# broken.
REMEMBERED = 500
# After so many nightly runs everything has been compared with the source.
NIGHTS = 28


class Problem(TypedDict):
    """One pull request that could not be read, with the reason for users, its address,
    and the error for the log.
    """

    what: str
    why: str
    url: NotRequired[str]
    finding: NotRequired[str]


class Reader(Protocol):
    """Reads repositories of one source.

    Each method continues at the repositories' cursors. Raises an error that concerns
    all repositories; one that concerns a single one goes to `alone`.
    """

    def list_pass(self, rows: Sequence[TrackedRepository], start: datetime) -> None:
        """Read the lists back to `start`. Once they are read back to the start of the
        window, the totals are known.
        """

    def detail(self, rows: Sequence[TrackedRepository]) -> None:
        """Read the details, and end the repositories in the sync state."""


class Sync(Protocol):
    """The sync as a reader sees it."""

    ctx: StepContext
    team_id: int
    # How far back the window reaches.
    since: datetime
    # Whether everything that was read before is compared with the source.
    verify: bool
    # What the credential may still ask, shown on the run's page.
    budget: ApiBudget | None

    def check(self) -> None:
        """Stop if this attempt must. Call it before each outside call."""

    def pending(self, tracked: TrackedRepository) -> QuerySet[PullRequest]:
        """Return the pull requests of the window whose details have to be read."""

    def count(self, tracked: TrackedRepository) -> None:
        """Count the pull requests of a list that has been read. Call it inside a unit."""

    def save(self, tracked: TrackedRepository, unit: Unit, message: str = "") -> None:
        """Write a repository's sync state inside the open unit."""

    def ingest(
        self,
        tracked: TrackedRepository,
        records: Sequence[PullRequestData],
        changed: set[int] | None = None,
        older: set[str] | None = None,
        *,
        read_at: datetime | None = None,
        is_authoritative: bool = False,
    ) -> list[PullRequestData]:
        """Write records inside the open unit, and return those that were left out."""

    def note(self, tracked: TrackedRepository, problems: Iterable[Problem]) -> None:
        """Record what could not be read. Call it inside a unit."""

    def read_after_all(
        self, tracked: TrackedRepository, records: Iterable[PullRequestData]
    ) -> None:
        """Forget problems of pull requests that a later page contained."""

    def note_wait(self, cause: str, reason: str) -> None:
        """Show that the step waits for a permit, and why."""

    def note_continues(self) -> None:
        """Show that the step no longer waits."""

    def end(self, tracked: TrackedRepository) -> None:
        """End the sync of a repository whose window was read."""


def window_of(tracked: TrackedRepository) -> QuerySet[PullRequest]:
    """Return the pull requests of the repository's sync: those created in its window,
    and older ones that were active in it.
    """
    since = tracked.cursor["since"]
    pulls = PullRequest.objects.for_team(tracked.team_id).filter(
        repository_id=tracked.repository_id
    )
    return pulls.filter(Q(created_at__gte=since) | Q(updated_at__gte=since))


def note_corrected(tracked: TrackedRepository, changed: Iterable[int]) -> None:
    """Count pull requests among those that a comparison corrected, each once."""
    state = dict(tracked.cursor["verify"])
    state["corrected"] = sorted({*state["corrected"], *changed})
    tracked.cursor = {**tracked.cursor, "verify": state}


def corrected_in(rows: Sequence[TrackedRepository]) -> int:
    """Return how many pull requests the comparisons of this run corrected."""
    total = 0
    for row in rows:
        corrected = row.cursor.get("verify", {}).get("corrected", ())
        unsigned = row.cursor.get("unsigned", ())
        total += len({*corrected, *unsigned})
    return total
