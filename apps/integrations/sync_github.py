"""Reading a repository from GitHub in two passes: skeleton first, so that totals and figures are known early, then the
details (body, commits, reviews), newest first, in units of ids.

A request that GitHub cannot answer is made smaller, down to one pull request. What still fails then is recorded with
its reason; unless GitHub answers nothing at all, which is an outage and nobody's fault.
"""

from collections import deque
from collections.abc import Callable, Sequence

from django.conf import settings

from apps.integrations.github import queries
from apps.integrations.github.errors import BadResponse, Overloaded
from apps.integrations.github.source import DetailPage, GitHubSource, RepositoryFacts, SkeletonPage
from apps.integrations.models import SyncStatus, TrackedRepository
from apps.integrations.sync_ledger import UNIT, Ledger
from apps.metrics.ingest import ingest_pull_requests
from apps.metrics.models import DetailState, PullRequest, Repository
from apps.metrics.records import PullRequestData

# How often what cannot be made smaller is asked for.
TRIES = 3

# (primary key, node id) of a pull request whose details are to be read.
Todo = tuple[int, str]


class GitHubReader:
    """Reads tracked repositories of GitHub into rows, unit by unit. Raises GitHubError."""

    def __init__(self, ledger: Ledger, source: Callable[[], GitHubSource]) -> None:
        self._ledger = ledger
        self._open_source = source

    @property
    def _source(self) -> GitHubSource:
        return self._open_source()

    def outline(self, tracked: TrackedRepository) -> None:
        """The skeleton, page by page, back to the start of the window."""
        size = queries.PAGE_LIMIT
        while tracked.cursor["phase"] == "skeleton":
            page = self._page(tracked, size)
            self._commit_page(tracked, page)
            size = queries.PAGE_LIMIT

    def _page(self, tracked: TrackedRepository, size: int) -> SkeletonPage:
        """The page after the cursor, smaller where GitHub cannot answer, and again where nodes of it are unusable."""
        tries = 0
        while True:
            self._ledger.check()
            try:
                name, after = tracked.repository.full_name, tracked.cursor.get("after")
                page = self._source.skeleton(name, first=size, after=after)
            except (Overloaded, BadResponse):
                tries += size == 1
                size = max(1, size // 2)
                if tries >= TRIES:
                    self._source.ping()
                    raise
                continue
            tries += 1
            if not page.problems or tries >= TRIES:
                return page

    def _commit_page(self, tracked: TrackedRepository, page: SkeletonPage) -> None:
        ledger = self._ledger
        wanted = [record for record in page.records if record.created_at >= ledger.since]
        reached = page.oldest is not None and page.oldest < ledger.since
        name = tracked.repository.full_name
        with ledger.ctx.unit(unit=UNIT) as unit:
            _identify(tracked.repository, page.facts)
            ingest_pull_requests(tracked.repository, _news(tracked.repository, wanted))
            tracked.sync_status = SyncStatus.SYNCING
            tracked.cursor = {
                **tracked.cursor,
                "after": page.end.cursor,
                "found": tracked.cursor.get("found", 0) + len(wanted),
            }
            ledger.note(tracked, page.problems)
            if reached or not page.end.has_next:
                window = ledger.window(tracked)
                tracked.cursor["phase"] = "detail"
                tracked.total = window.count()
                tracked.done = window.exclude(detail_state=DetailState.PENDING).count()
            ledger.save(tracked, unit, f"{name}: {tracked.cursor['found']} pull requests found")

    def detail(self, tracked: TrackedRepository) -> None:
        """The details of all that have none yet, then the repository's end."""
        limit = max(1, int(settings.HISTORICAL_SYNC_CONFIG["GRAPHQL_PAGE_SIZE"]))
        pending = self._ledger.window(tracked).filter(detail_state=DetailState.PENDING)
        todo: deque[Todo] = deque(pending.order_by("-created_at", "-pk").values_list("pk", "external_id"))
        # Those that are asked for alone, with the number of times that they were.
        tries: dict[str, int] = {}
        size = limit
        while todo:
            batch = _take(todo, size, tries)
            page = self._details(batch)
            if page is None:
                todo.extendleft(reversed(batch))
                size = len(batch) // 2
                continue
            again = [item for item in batch if item[1] in page.problems and tries.get(item[1], 0) < TRIES]
            for _, node_id in again:
                tries[node_id] = tries.get(node_id, 0) + 1
            todo.extend(again)
            lost = [(pk, page.problems[node_id]) for pk, node_id in batch
                    if node_id in page.problems and (pk, node_id) not in again]  # fmt: skip
            if page.records or lost:
                self._commit_details(tracked, page.records, lost)
            size = min(limit, size * 2)
        self._ledger.end(tracked)

    def _details(self, batch: Sequence[Todo]) -> DetailPage | None:
        """The details of a batch; None where the batch should be made smaller."""
        self._ledger.check()
        try:
            return self._source.detail([node_id for _, node_id in batch])
        except (Overloaded, BadResponse) as error:
            if len(batch) > 1:
                return None
            self._source.ping()
            return DetailPage((), {batch[0][1]: str(error)})

    def _commit_details(
        self, tracked: TrackedRepository, records: Sequence[PullRequestData], lost: Sequence[tuple[int, str]]
    ) -> None:
        ledger, name = self._ledger, tracked.repository.full_name
        with ledger.ctx.unit(unit=UNIT) as unit:
            ingest_pull_requests(tracked.repository, records)
            for pk, why in lost:
                pull = PullRequest.objects.for_team(ledger.team_id).get(pk=pk)
                pull.detail_state, pull.detail_error = DetailState.DEGRADED, why
                pull.save(update_fields=["detail_state", "detail_error"])
                text = f"{name}: commits and reviews of #{pull.number} could not be read: {why}"
                ledger.ctx.log(text, level="warning")
            tracked.sync_status = SyncStatus.SYNCING
            tracked.done += len(records) + len(lost)
            ledger.save(tracked, unit, f"{name}: details of {tracked.done} of {tracked.total} pull requests")


def _take(todo: deque[Todo], size: int, alone: dict[str, int]) -> list[Todo]:
    """The next batch; one that has failed before goes alone."""
    batch = [todo.popleft()]
    while todo and len(batch) < size and batch[0][1] not in alone and todo[0][1] not in alone:
        batch.append(todo.popleft())
    return batch


def _news(repository: Repository, records: Sequence[PullRequestData]) -> list[PullRequestData]:
    """The records that say more than the rows: what is stored whole, and has not been updated since, is left out."""
    stored = PullRequest.objects.for_team(repository.team_id).filter(
        repository=repository,
        external_id__in=[record.external_id for record in records],
        detail_state=DetailState.COMPLETE,
    )
    known = dict(stored.values_list("external_id", "updated_at"))
    return [
        record for record in records if record.external_id not in known or known[record.external_id] < record.updated_at
    ]


def _identify(repository: Repository, facts: RepositoryFacts) -> None:
    """Keep what GitHub says of the repository itself."""
    values = {"external_id": facts.external_id, "url": facts.url, "default_branch": facts.default_branch}
    changed = [field for field, value in values.items() if getattr(repository, field) != value]
    for field in changed:
        setattr(repository, field, values[field])
    if changed:
        repository.save(update_fields=changed)
