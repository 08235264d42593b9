"""Read repositories of GitHub, with the requests of several repositories at once, as
far as the rate limiter allows it.
"""

from collections.abc import Callable, Sequence
from datetime import datetime

from apps.integrations.models import TrackedRepository
from apps.integrations.sources.github.source import GitHubSource
from apps.integrations.sync.fetching import Fetcher
from apps.integrations.sync.plan import Job, RepositoryPlan
from apps.integrations.sync.state import Alone, SyncState


class GitHubReader:
    """Reads tracked repositories of GitHub into rows.

    Raises GitHubError if the error concerns all of them.
    """

    def __init__(
        self,
        sync_state: SyncState,
        alone: Alone,
        access: Callable[[], tuple[GitHubSource, Fetcher]],
    ) -> None:
        self._sync_state, self._alone, self._access = sync_state, alone, access
        self._books: dict[int, RepositoryPlan] = {}

    def list_pass(self, rows: Sequence[TrackedRepository], start: datetime) -> None:
        """Read the lists, page by page, back to `start`: one page of each repository in
        turn.
        """
        waiting = [self._book(tracked) for tracked in rows]

        def take() -> Job | None:
            for _ in range(len(waiting)):
                waiting.append(waiting.pop(0))
                if job := waiting[-1].next_of_list(start):
                    return job
            return None

        self._run(rows, take)

    def detail(self, rows: Sequence[TrackedRepository]) -> None:
        """Read the details of all pull requests that have none yet, one repository
        after the other, and what changed meanwhile.
        """
        plans = [(tracked, self._book(tracked)) for tracked in rows]

        def take() -> Job | None:
            for tracked, plan in plans:
                with self._alone(tracked):
                    if job := plan.next_of_details():
                        return job
            return None

        self._run(rows, take)

    def _run(self, rows: Sequence[TrackedRepository], take: Callable[[], Job | None]) -> None:
        if not rows:
            return
        _, fetcher = self._access()
        for job, answer in fetcher.in_parallel(take, lambda job: job.fetch()):
            self._sync_state.budget = fetcher.budget
            with self._alone(job.tracked):
                job.handle(answer)

    def _book(self, tracked: TrackedRepository) -> RepositoryPlan:
        if tracked.pk not in self._books:
            self._books[tracked.pk] = RepositoryPlan(
                self._sync_state, self._access()[0], tracked
            )
        return self._books[tracked.pk]
