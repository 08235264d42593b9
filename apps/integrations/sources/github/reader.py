"""Read repositories of GitHub, with the requests of several repositories at once, as
far as the rate limiter allows it.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from datetime import datetime

from apps.integrations.models import TrackedRepository
from apps.integrations.sources.github.client import GitHubClient
from apps.integrations.sources.github.credentials import keep_fresh
from apps.integrations.sources.github.fetching import Fetcher
from apps.integrations.sources.github.pages import GitHubPages
from apps.integrations.sources.github.plan import Job, RepositoryPlan
from apps.integrations.sources.github.rate_limiter import Allowance
from apps.integrations.sources.reading import Alone, Sync
from apps.pipelines.portions import Watch

# Seconds between two checks whether a token of an app's installation ends soon.
TOKEN_CHECK_EVERY = 60.0
PACE_CAUSE = "github_pace"
PACE_REASON = (
    "Reading pauses to keep within GitHub's limits. It continues by itself within a minute."
)


class Access:
    """A team's way to GitHub during one attempt. It is opened when it is first needed,
    because teams without repositories of GitHub need no token.
    """

    def __init__(
        self,
        sync: Sync,
        stack: ExitStack,
        client: Callable[[], GitHubClient],
        allowance: Callable[[GitHubClient], Allowance],
    ) -> None:
        self._sync, self._stack = sync, stack
        self._client, self._allowance = client, allowance
        self._open: tuple[GitHubPages, Fetcher] | None = None
        self._checked_at = time.monotonic()

    @property
    def pages(self) -> GitHubPages:
        return self._opened()[0]

    @property
    def fetcher(self) -> Fetcher:
        return self._opened()[1]

    def _opened(self) -> tuple[GitHubPages, Fetcher]:
        if self._open is None:
            client = self._stack.enter_context(self._client())
            fetcher = Fetcher(
                client, self._allowance(client), lambda: self._check(client), self._note_wait
            )
            self._open = GitHubPages(client, Watch(self._sync.ctx)), fetcher
        return self._open

    def _check(self, client: GitHubClient) -> None:
        self._sync.check()
        if client.identity and time.monotonic() > self._checked_at + TOKEN_CHECK_EVERY:
            self._checked_at = time.monotonic()
            keep_fresh(client, self._sync.team_id)

    def _note_wait(self, waits: bool) -> None:
        if waits:
            self._sync.note_wait(PACE_CAUSE, PACE_REASON)
        else:
            self._sync.note_continues()


class GitHubReader:
    """Reads tracked repositories of GitHub into rows.

    Raises GitHubError if the error concerns all of them.
    """

    def __init__(self, sync: Sync, alone: Alone, access: Access) -> None:
        self._sync, self._alone, self._access = sync, alone, access
        self._plans: dict[int, RepositoryPlan] = {}

    def list_pass(self, rows: Sequence[TrackedRepository], start: datetime) -> None:
        """Read the lists, page by page, back to `start`: one page of each repository in
        turn.
        """
        waiting = [self._plan_of(tracked) for tracked in rows]

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
        plans = [(tracked, self._plan_of(tracked)) for tracked in rows]

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
        fetcher = self._access.fetcher
        for job, answer in fetcher.in_parallel(take, lambda job: job.fetch()):
            self._sync.budget = fetcher.budget
            with self._alone(job.tracked):
                job.handle(answer)

    def _plan_of(self, tracked: TrackedRepository) -> RepositoryPlan:
        if tracked.pk not in self._plans:
            self._plans[tracked.pk] = RepositoryPlan(self._sync, self._access.pages, tracked)
        return self._plans[tracked.pk]
