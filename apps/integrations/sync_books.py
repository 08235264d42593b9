"""One repository of GitHub under way: which request comes next, and what its answer means for the rows.

    skeleton   pages by creation, newest first, back to the start of the window: totals and first figures
    update     pages by last change, back to the watermark, or else to the start: older ones that were active since
    detail     bodies, commits and reviews, newest first, in batches of ids
    settle     pages by last change, back to where this sync began: what changed meanwhile; until nothing has
    end

The phase and the place in it stand in the repository's cursor and are committed with the rows. A request that GitHub
cannot answer is made smaller, down to one pull request. What still fails then is recorded with its reason; unless
GitHub answers nothing at all, which is an outage and nobody's fault.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Q

from apps.integrations.github import queries
from apps.integrations.github.errors import BadResponse, Overloaded, SameRepository
from apps.integrations.github.source import DetailPage, GitHubSource, RepositoryFacts, SkeletonPage
from apps.integrations.models import SyncStatus, TrackedRepository
from apps.integrations.sync_ledger import OPEN, UNIT, Ledger, is_later, known_updates
from apps.metrics.ingest import ingest_pull_requests
from apps.metrics.models import DetailState, PullRequest, Repository
from apps.metrics.records import PullRequestData
from apps.metrics.remembered import touch
from apps.pipelines.context import Unit

# How often what cannot be made smaller is asked for.
TRIES = 3
# How often the list is looked through for what changed while the details were read.
ROUNDS = 5
# Changes that lie so close before what was seen last are read again: GitHub's lists are not always up to date.
OVERLAP = timedelta(minutes=10)
# Few have changed since the last look, as a rule.
FIRST_CHANGES = 25

# (primary key, node id) of a pull request whose details are to be read.
Todo = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Job:
    """A request of one repository. `fetch` does HTTP and nothing else; `take_in` gets a function with its result."""

    tracked: TrackedRepository
    fetch: Callable[[], Any]
    take_in: Callable[[Callable[[], Any]], None]


@dataclass(slots=True)
class _Details:
    """What is left to read. `tries` counts, for those that are asked for alone, how often they were."""

    todo: deque[Todo]
    limit: int
    size: int
    tries: dict[str, int] = field(default_factory=dict)
    flying: int = 0

    def take(self) -> list[Todo]:
        """The next batch; one that has failed before goes alone."""
        batch = [self.todo.popleft()]
        alone = self.tries
        while self.todo and len(batch) < self.size and batch[0][1] not in alone and self.todo[0][1] not in alone:
            batch.append(self.todo.popleft())
        return batch


class Book:
    """The requests of one repository. Raises GitHubError where it cannot be read."""

    def __init__(self, ledger: Ledger, source: GitHubSource, tracked: TrackedRepository) -> None:
        self._ledger, self._source, self._tracked = ledger, source, tracked
        self._size: int | None = None
        self._tries = 0
        self._listing = False
        self._details: _Details | None = None

    def next_of_list(self, start: datetime) -> Job | None:
        """The next page towards `start`; None where that is reached, or a page is under way."""
        cursor = self._tracked.cursor
        if not self._open or self._listing:
            return None
        if cursor["phase"] == "skeleton":
            oldest = cursor.get("oldest")
            return self._page() if oldest is None or datetime.fromisoformat(oldest) > start else None
        if cursor["phase"] == "update" and start <= self._ledger.since:
            return self._page()
        return None

    def next_of_details(self) -> Job | None:
        """The next batch or page of what follows the lists; None where what is under way has to come first."""
        if not self._open or self._listing:
            return None
        if self._tracked.cursor["phase"] == "detail":
            details = self._details = self._details or self._pending()
            if details.todo:
                return self._batch(details)
            if details.flying:
                return None
            self._details_done()
        return self._page() if self._open else None

    @property
    def _open(self) -> bool:
        return self._tracked.sync_status in OPEN

    # Pages of a list

    def _page(self) -> Job:
        """The page after the cursor, smaller where GitHub could not answer, and again where nodes were unusable."""
        cursor, name = self._tracked.cursor, self._tracked.repository.full_name
        by_creation = cursor["phase"] == "skeleton"
        if self._size is None:
            self._size = queries.PAGE_LIMIT if by_creation or not self._is_look() else FIRST_CHANGES
        size, after, document = self._size, cursor.get("after"), queries.SKELETON if by_creation else queries.UPDATED
        last_try = size == 1 and self._tries + 1 >= TRIES
        self._listing = True

        def fetch() -> SkeletonPage:
            try:
                return self._source.skeleton(name, first=size, after=after, document=document)
            except (Overloaded, BadResponse):
                if last_try:
                    self._source.ping()
                raise

        return Job(self._tracked, fetch, self._take_page)

    def _is_look(self) -> bool:
        """Whether the page is the first of a look at what has changed since the last one."""
        cursor = self._tracked.cursor
        return cursor.get("after") is None and (cursor["phase"] == "settle" or bool(self._tracked.watermark))

    def _take_page(self, answer: Callable[[], SkeletonPage]) -> None:
        self._listing = False
        size = self._size or queries.PAGE_LIMIT
        try:
            page = answer()
        except (Overloaded, BadResponse):
            self._tries += size == 1
            self._size = max(1, size // 2)
            if self._tries >= TRIES:
                raise
            return
        self._tries += 1
        if page.problems and self._tries < TRIES:
            return
        self._tries, self._size = 0, queries.PAGE_LIMIT
        if self._commit_page(page):
            self._ledger.end(self._tracked)

    def _commit_page(self, page: SkeletonPage) -> bool:
        """Whether the repository is read to its end with it."""
        ledger, tracked = self._ledger, self._tracked
        by_creation = tracked.cursor["phase"] == "skeleton"
        floor = _floor(tracked)
        wanted = [r for r in page.records if (r.created_at if by_creation else r.updated_at) >= floor]
        edge = page.oldest if by_creation else page.stalest
        with ledger.ctx.unit(unit=UNIT, last=True) as unit:
            _identify(tracked, page.facts)
            known = known_updates(tracked.repository, [record.external_id for record in wanted])
            news = [record for record in wanted if is_later(record, known)]
            ingest_pull_requests(tracked.repository, news)
            tracked.sync_status = SyncStatus.SYNCING
            self._turn(page, news, len(wanted))
            ledger.read_after_all(tracked, wanted)
            ledger.note(tracked, page.problems)
            over = not page.end.has_next or (edge is not None and edge < floor)
            end = over and self._list_over(whole=not page.end.has_next)
            name = tracked.repository.full_name
            ledger.save(tracked, unit, f"{name}: {tracked.cursor.get('found', 0)} pull requests found")
        return end

    def _turn(self, page: SkeletonPage, news: Sequence[PullRequestData], wanted: int) -> None:
        """Note in the cursor how far the list is read, and what is needed to know later what was missed."""
        cursor = self._tracked.cursor = dict(self._tracked.cursor)
        newest = max((record.updated_at for record in page.records), default=None)
        if cursor.get("after") is None and newest is not None:
            # The newest change known: by the first page of a list by change, exactly; by creation, at least.
            cursor["top"] = newest.isoformat()
            cursor.setdefault("began", newest.isoformat())
        if cursor["phase"] == "skeleton":
            cursor["found"] = cursor.get("found", 0) + wanted
            cursor["before"] = cursor.get("after")
            if page.oldest is not None:
                cursor["oldest"] = page.oldest.isoformat()
        cursor["changed"] = cursor.get("changed", 0) + len(news)
        cursor["after"] = page.end.cursor

    def _list_over(self, *, whole: bool) -> bool:
        """Go on to the next phase; True where there is nothing more to do."""
        tracked, cursor = self._tracked, self._tracked.cursor
        phase, changed = cursor["phase"], cursor.pop("changed", 0)
        before = cursor.pop("before", None)
        cursor["after"] = None
        if phase == "skeleton":
            # Where a wider window would go on: at the page that reaches past this one's start, unless that is the last.
            cursor["deep"] = {"whole": whole, "after": before}
            # Of a list that was read to its end, nothing older is left that might have been active.
            cursor["phase"] = "detail" if whole and tracked.watermark is None else "update"
        elif phase == "update":
            quiet = not changed and "oldest" not in cursor
            if quiet and not self._ledger.pending(tracked).exists():
                self._ledger.count(tracked)
                return True
            cursor["phase"] = "detail"
        elif not changed:
            return True
        else:
            cursor["phase"], cursor["rounds"], cursor["began"] = "detail", cursor.get("rounds", 0) + 1, cursor["top"]
        if cursor["phase"] == "detail":
            self._ledger.count(tracked)
        return False

    # Details

    def _pending(self) -> _Details:
        limit = max(1, int(settings.HISTORICAL_SYNC_CONFIG["GRAPHQL_PAGE_SIZE"]))
        pending = self._ledger.pending(self._tracked).order_by("-created_at", "-pk")
        return _Details(deque(pending.values_list("pk", "external_id")), limit, limit)

    def _batch(self, details: _Details) -> Job:
        batch = details.take()
        details.flying += 1

        def fetch() -> DetailPage:
            try:
                return self._source.detail([node_id for _, node_id in batch])
            except (Overloaded, BadResponse) as error:
                if len(batch) > 1:
                    raise
                self._source.ping()
                return DetailPage((), {batch[0][1]: str(error)})

        return Job(self._tracked, fetch, lambda answer: self._take_batch(details, batch, answer))

    def _take_batch(self, details: _Details, batch: Sequence[Todo], answer: Callable[[], DetailPage]) -> None:
        details.flying -= 1
        try:
            page = answer()
        except (Overloaded, BadResponse):
            if len(batch) == 1:
                raise
            details.todo.extendleft(reversed(batch))
            details.size = max(1, min(details.size, len(batch) // 2))
            return
        tries = details.tries
        again = [item for item in batch if item[1] in page.problems and tries.get(item[1], 0) < TRIES]
        for _, node_id in again:
            tries[node_id] = tries.get(node_id, 0) + 1
        details.todo.extend(again)
        lost = [(pk, page.problems[node_id]) for pk, node_id in batch
                if node_id in page.problems and (pk, node_id) not in again]  # fmt: skip
        if page.records or lost:
            self._commit_details(page.records, lost)
        details.size = min(details.limit, details.size * 2)

    def _commit_details(self, records: Sequence[PullRequestData], lost: Sequence[tuple[int, str]]) -> None:
        ledger, tracked, name = self._ledger, self._tracked, self._tracked.repository.full_name
        with ledger.ctx.unit(unit=UNIT, last=True) as unit:
            ingest_pull_requests(tracked.repository, records)
            for pk, why in lost:
                pull = PullRequest.objects.for_team(ledger.team_id).get(pk=pk)
                pull.detail_state, pull.detail_error = DetailState.DEGRADED, why
                pull.save(update_fields=["detail_state", "detail_error"])
                text = f"{name}: commits and reviews of #{pull.number} could not be read: {why}"
                ledger.ctx.log(text, level="warning")
            if lost:
                touch(ledger.team_id)
            tracked.sync_status = SyncStatus.SYNCING
            tracked.done += len(records) + len(lost)
            self._save_details(unit)

    def _save_details(self, unit: Unit) -> None:
        tracked = self._tracked
        text = f"{tracked.repository.full_name}: details of {tracked.done} of {tracked.total} pull requests"
        self._ledger.save(tracked, unit, text)

    def _details_done(self) -> None:
        """Everything known is read: look for what changed meanwhile, or end where that was done often enough."""
        self._details = None
        if self._tracked.cursor.get("rounds", 0) >= ROUNDS:
            self._ledger.end(self._tracked)
            return
        self._size = None
        with self._ledger.ctx.unit(unit=UNIT, last=True) as unit:
            self._tracked.cursor = {**self._tracked.cursor, "phase": "settle"}
            self._save_details(unit)


def _floor(tracked: TrackedRepository) -> datetime:
    """How far back the present list is read: a creation or a change."""
    cursor = tracked.cursor
    since = datetime.fromisoformat(cursor["since"])
    if cursor["phase"] == "skeleton":
        return since
    if cursor["phase"] == "update":
        return tracked.watermark - OVERLAP if tracked.watermark else since
    return datetime.fromisoformat(cursor["began"]) - OVERLAP if "began" in cursor else since


def _identify(tracked: TrackedRepository, facts: RepositoryFacts) -> None:
    """Keep what GitHub says of the repository itself; its name, too: GitHub answers to former names."""
    repository = tracked.repository
    values = {
        "external_id": facts.external_id,
        "url": facts.url,
        "default_branch": facts.default_branch,
        "full_name": facts.full_name,
    }
    changed = [name for name, value in values.items() if getattr(repository, name) != value]
    if not changed:
        return
    others = Repository.objects.for_team(repository.team_id).filter(source=repository.source).exclude(pk=repository.pk)
    for other in others.filter(Q(external_id=facts.external_id) | Q(full_name__iexact=facts.full_name)):
        if TrackedRepository.objects.for_team(repository.team_id).filter(pk=other.pk).exists():
            raise SameRepository(repository.full_name, other.full_name)
        changed = [name for name in changed if name != "full_name"]
    for name in changed:
        setattr(repository, name, values[name])
    repository.save(update_fields=changed)
    touch(repository.team_id)
