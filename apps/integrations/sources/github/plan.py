"""The repository plan: which request of one GitHub repository comes next, and what its
answer means for the rows.

    skeleton   pages by creation, newest first, back to the start of the window: totals and first figures
    update     pages by last change, back to the watermark, or else to the start: older ones that were active since
    detail     bodies, commits and reviews, newest first, in batches of ids
    settle     pages by last change, back to where this sync began: changes meanwhile; repeated until there are none
    verify     if it is due, what is stored compared with GitHub (see `verification`); then settle again
    end

The phase and the position in it are in the repository's cursor and are committed with
the rows. A request that GitHub cannot answer is made smaller, down to one pull request.
A pull request that still fails is recorded with its reason, unless GitHub answers no
query at all, which is an outage.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.utils import timezone

from apps.integrations.models import SyncStatus, TrackedRepository
from apps.integrations.sources.github import identity, queries, verification
from apps.integrations.sources.github.changes import lacking, news_of, unsettled, unsigned_of
from apps.integrations.sources.github.errors import (
    AccessDenied,
    BadResponse,
    GitHubError,
    NameTaken,
    NotFound,
    Overloaded,
    StaleCursor,
)
from apps.integrations.sources.github.pages import DetailPage, GitHubPages, SkeletonPage
from apps.integrations.sources.reading import OPEN, REMEMBERED, UNIT, Sync, note_corrected
from apps.masking import storable
from apps.metrics.cache import touch
from apps.metrics.models import DetailState, PullRequest
from apps.pipelines.context import Unit

# How often a request that cannot be made smaller is sent.
TRIES = 3
# After this many answers in a row without a single pull request, the remaining details
# are not requested.
MOST_IN_VAIN = 20
GIVEN_UP_AT_ONCE = 500
# How often the list is read again for what changed while the details were read.
ROUNDS = 5
# Changes this long before the newest known one are read again, because GitHub's lists
# may lag behind.
OVERLAP = timedelta(minutes=10)
# The size of the first page: usually few pull requests have changed since the last
# sync.
FIRST_CHANGES = 25

# (primary key, node id) of a pull request whose details are to be read.
Todo = tuple[int, str]


@dataclass(frozen=True, slots=True)
class Job:
    """A request of one repository.

    `fetch` does HTTP and nothing else; `handle` gets a function with its result.
    """

    tracked: TrackedRepository
    fetch: Callable[[], Any]
    handle: Callable[[Callable[[], Any]], None]


@dataclass(slots=True)
class _Details:
    """The pull requests whose details are left to read.

    `tries` counts the attempts of those that are requested alone.
    """

    todo: deque[Todo]
    limit: int
    size: int
    tries: dict[str, int] = field(default_factory=dict)
    flying: int = 0
    # Answers in a row without a single pull request.
    in_vain: int = 0
    # The last primary key, if these details are compared with stored ones.
    last: int = 0

    def try_again(self, batch: Sequence[Todo], unread: Set[str]) -> list[Todo]:
        """Put the pull requests of a batch that were not read back, each for a request
        of its own, unless that was tried often enough. Returns those that were put
        back.
        """
        again = [
            item for item in batch if item[1] in unread and self.tries.get(item[1], 0) < TRIES
        ]
        for _, node_id in again:
            self.tries[node_id] = self.tries.get(node_id, 0) + 1
        self.todo.extend(again)
        return again

    def take(self) -> list[Todo]:
        """Return the next batch. A pull request whose request has failed before gets a
        batch of its own.
        """
        batch = [self.todo.popleft()]
        alone = self.tries
        while (
            self.todo
            and len(batch) < self.size
            and batch[0][1] not in alone
            and self.todo[0][1] not in alone
        ):
            batch.append(self.todo.popleft())
        return batch


class RepositoryPlan:
    """The requests of one repository. Raises GitHubError if it cannot be read."""

    def __init__(self, sync: Sync, source: GitHubPages, tracked: TrackedRepository) -> None:
        self._sync, self._source, self._tracked = sync, source, tracked
        self._size: int | None = None
        self._tries = 0
        self._listing = False
        self._details: _Details | None = None
        self._lists = verification.Lists(sync, tracked)
        # Why the repository can't be read, once a thread has found out.
        self._lost: GitHubError | None = None
        self._confirming = threading.Lock()

    def next_of_list(self, start: datetime) -> Job | None:
        """Return the next page towards `start`; None if the list has reached it, or
        while a page is under way.
        """
        cursor = self._tracked.cursor
        if not self._open or self._listing:
            return None
        if cursor["phase"] == "skeleton":
            oldest = cursor.get("oldest")
            return (
                self._page()
                if oldest is None or datetime.fromisoformat(oldest) > start
                else None
            )
        if cursor["phase"] == "update" and start <= self._sync.since:
            return self._page()
        return None

    def next_of_details(self) -> Job | None:
        """Return the next batch or page of what follows the lists; None if requests
        that are under way must end first.
        """
        if not self._open or self._listing:
            return None
        cursor = self._tracked.cursor
        if cursor["phase"] == "verify" and cursor["verify"]["stage"] != "details":
            return self._page_to_compare()
        if cursor["phase"] in ("detail", "verify"):
            details = self._details = self._details or self._pending()
            if details.todo:
                return self._batch(details)
            if details.flying:
                return None
            self._details_done()
            return self.next_of_details()
        return self._page() if self._open else None

    @property
    def _open(self) -> bool:
        return self._tracked.sync_status in OPEN

    # Pages of a list

    def _page(self) -> Job:
        """Return the request of the page after the cursor. It asks for fewer entries
        after GitHub failed to answer, and asks again after unusable nodes.
        """
        cursor, address = self._tracked.cursor, identity.address_of(self._tracked.repository)
        by_creation = cursor["phase"] == "skeleton"
        if self._size is None:
            self._size = (
                queries.PAGE_LIMIT if by_creation or not self._is_look() else FIRST_CHANGES
            )
        size, after, document = (
            self._size,
            cursor.get("after"),
            queries.SKELETON if by_creation else queries.UPDATED,
        )
        last_try = size == 1 and self._tries + 1 >= TRIES
        self._listing = True

        def fetch() -> SkeletonPage:
            try:
                return identity.read_list(
                    self._source, address, first=size, after=after, document=document
                )
            except StaleCursor:
                # GitHub answers, but not from this position.
                raise
            except (Overloaded, BadResponse):
                # Smaller pages do not help if GitHub answers no query at all.
                if last_try or not self._source.has_answered:
                    self._source.ping()
                raise

        return Job(self._tracked, fetch, self._take_page)

    def _is_look(self) -> bool:
        """Return whether the page is the first of a check for changes since the last
        reading.
        """
        cursor = self._tracked.cursor
        return cursor.get("after") is None and (
            cursor["phase"] == "settle" or bool(self._tracked.watermark)
        )

    def _take_page(self, answer: Callable[[], SkeletonPage]) -> None:
        self._listing = False
        size = self._size or queries.PAGE_LIMIT
        try:
            page = answer()
        except NameTaken:
            self._lose_name()
            raise
        except StaleCursor:
            if self._tracked.cursor.get("refused", 0) >= verification.MOST_REFUSED:
                raise
            self._forget_place()
            return
        except (Overloaded, BadResponse):
            # Only attempts that a smaller page cannot help count.
            self._tries += size == 1
            self._size = max(1, size // 2)
            if self._tries >= TRIES:
                raise
            return
        self._tries += 1
        # Unusable nodes are often a temporary fault, so the page is read again.
        if page.problems and self._tries < TRIES:
            return
        self._tries, self._size = 0, queries.PAGE_LIMIT
        if self._commit_page(page):
            self._finish()

    def _forget_place(self) -> None:
        """Start the list at its top again.

        GitHub does not know the position from which it should continue. The first page
        is smaller than the last time, so that the pages end at other positions.
        """
        refused = self._tracked.cursor.get("refused", 0) + 1
        self._size = max(1, queries.PAGE_LIMIT >> refused)
        with self._sync.ctx.unit(unit=UNIT, last=True) as unit:
            # What was counted on the way is counted again from the top.
            cursor = {**self._tracked.cursor, "after": None, "refused": refused}
            for name in ("before", "oldest", "found", "upper"):
                cursor.pop(name, None)
            self._tracked.cursor = cursor
            name = self._tracked.repository.full_name
            self._sync.save(
                self._tracked,
                unit,
                f"{name}: GitHub lost the position in its list; reading it again",
            )

    def _lose_name(self) -> None:
        with self._sync.ctx.unit(unit=UNIT, last=True):
            identity.free_name(self._tracked)

    def _identify(self, page: SkeletonPage) -> None:
        """Store the repository's own facts from a page. Call it inside a unit."""
        for line in identity.identify(self._tracked, page):
            self._sync.ctx.log(line, level="warning")

    def _commit_page(self, page: SkeletonPage) -> bool:
        """Write the rows of a page. Return whether the repository has now been read to
        its end.
        """
        sync, tracked = self._sync, self._tracked
        by_creation = tracked.cursor["phase"] == "skeleton"
        floor = _floor(tracked)
        wanted = [
            r for r in page.records if (r.created_at if by_creation else r.updated_at) >= floor
        ]
        edge = page.oldest if by_creation else page.stalest
        with sync.ctx.unit(unit=UNIT, last=True) as unit:
            self._identify(page)
            news = news_of(tracked.repository, wanted, page.at)
            unsigned = unsigned_of(tracked.repository, news)
            left_out = sync.ingest(tracked, news, read_at=page.at)
            asked = 0 if by_creation or page.problems else self._ask_again(page, floor)
            tracked.sync_status = SyncStatus.SYNCING
            self._turn(page, len(news) + asked, len(wanted))
            verification.note_unsigned(tracked, unsigned)
            sync.read_after_all(
                tracked, [record for record in wanted if record not in left_out]
            )
            sync.note(tracked, page.problems)
            reached = edge is not None and edge < floor
            over = not page.end.has_next or reached
            # A page that reaches past the window contains older pull requests, which a
            # wider window would read.
            end = over and self._list_over(whole=not page.end.has_next and not reached)
            name = tracked.repository.full_name
            sync.save(
                tracked, unit, f"{name}: {tracked.cursor.get('found', 0)} pull requests found"
            )
        return end

    def _ask_again(self, page: SkeletonPage, floor: datetime) -> int:
        """Mark rows that a page by last change should contain but does not, so that
        their details are read. Returns how many.
        """
        repository, upper = self._tracked.repository, self._tracked.cursor.get("upper")
        keys = lacking(
            repository, page, datetime.fromisoformat(upper) if upper else None, floor
        )
        pulls = PullRequest.objects.for_team(self._sync.team_id).filter(pk__in=keys)
        return pulls.filter(detail_state=DetailState.COMPLETE).update(
            detail_state=DetailState.PENDING
        )

    def _turn(self, page: SkeletonPage, changed: int, wanted: int) -> None:
        """Record in the cursor how far the list is read, and what a later page needs to
        find out what was missed.
        """
        cursor = self._tracked.cursor = dict(self._tracked.cursor)
        newest = page.newest
        if cursor.get("after") is None and newest is not None:
            # The newest known change. The first page of a list by change has exactly
            # that; the first page by creation has at least a recent one.
            cursor["top"] = newest.isoformat()
            cursor.setdefault("began", newest.isoformat())
        if cursor["phase"] == "skeleton":
            cursor["found"] = cursor.get("found", 0) + wanted
            cursor["before"] = cursor.get("after")
            if page.oldest is not None:
                cursor["oldest"] = page.oldest.isoformat()
        if page.counts is not None:
            cursor["counts"] = dict(page.counts)
        if cursor["phase"] != "skeleton" and page.stalest is not None:
            cursor["upper"] = page.stalest.isoformat()
        cursor["changed"] = cursor.get("changed", 0) + changed
        cursor["after"] = page.end.cursor

    def _list_over(self, *, whole: bool) -> bool:
        """Go on to the next phase. Return True if there is nothing more to do."""
        tracked, cursor = self._tracked, self._tracked.cursor
        phase, changed = cursor["phase"], cursor.pop("changed", 0)
        before = cursor.pop("before", None)
        cursor.pop("upper", None)
        cursor.pop("refused", None)
        cursor["after"] = None
        if phase == "skeleton":
            # Remember the page that a wider window would continue from: the one that
            # reaches past this window's start, unless that is the last page.
            cursor["deep"] = {"whole": whole, "after": before}
            # A list that was read to its end contains every pull request, so no older
            # ones can have been active.
            cursor["phase"] = "detail" if whole and tracked.watermark is None else "update"
        elif phase == "update":
            quiet = not changed and "oldest" not in cursor
            if quiet and not self._sync.pending(tracked).exists():
                self._sync.count(tracked)
                return True
            cursor["phase"] = "detail"
        elif not changed:
            return True
        else:
            cursor["phase"], cursor["rounds"] = "detail", cursor.get("rounds", 0) + 1
            if "top" in cursor:
                cursor["began"] = cursor["top"]
        if cursor["phase"] == "detail":
            self._sync.count(tracked)
        return False

    # Details

    def _finish(self) -> None:
        """End the repository, or compare it with GitHub first if that is due.
        Everything known has been read.
        """
        if verification.begin(self._sync, self._tracked):
            return
        self._sync.end(self._tracked)

    def _page_to_compare(self) -> Job:
        """Return the request of the next page of the comparison's lists."""
        lists, after = self._lists, self._tracked.cursor["verify"]["after"]
        address = identity.address_of(self._tracked.repository)
        size, document = lists.size, lists.document
        self._listing = True

        def take(answer: Callable[[], SkeletonPage]) -> None:
            self._listing = False
            lists.take(answer, self._identify)

        def fetch() -> SkeletonPage:
            return identity.read_list(
                self._source, address, first=size, after=after, document=document
            )

        return Job(self._tracked, fetch, take)

    @property
    def _compares(self) -> bool:
        return bool(self._tracked.cursor["phase"] == "verify")

    def _pending(self) -> _Details:
        limit = max(1, int(settings.HISTORICAL_SYNC_CONFIG["GRAPHQL_PAGE_SIZE"]))
        if self._compares:
            todo = verification.pending(self._tracked)
            return _Details(
                deque(todo),
                limit,
                limit,
                last=todo[-1][0] if todo else self._tracked.cursor["verify"]["to"],
            )
        pending = self._sync.pending(self._tracked).order_by("-created_at", "-pk")
        return _Details(deque(pending.values_list("pk", "external_id")), limit, limit)

    def _batch(self, details: _Details) -> Job:
        batch = details.take()
        details.flying += 1
        address = identity.address_of(self._tracked.repository)

        def fetch() -> DetailPage:
            try:
                page = self._source.detail([node_id for _, node_id in batch])
                if page.gone or (len(batch) > 1 and not page.records):
                    # Check that the repository still exists. Otherwise all of its pull
                    # requests would seem to be deleted, or be requested in vain.
                    self._confirm(address)
                return page
            except (Overloaded, BadResponse) as error:
                if len(batch) > 1:
                    raise
                self._source.ping()
                return DetailPage((), {batch[0][1]: str(error)}, timezone.now())

        return Job(
            self._tracked, fetch, lambda answer: self._take_batch(details, batch, answer)
        )

    def _confirm(self, address: identity.Address) -> None:
        """Raise GitHubError if the repository can't be read.

        Threads that ask at the same time share one answer.
        """
        with self._confirming:
            if self._lost is not None:
                raise self._lost
            try:
                identity.confirm(self._source, address)
            except (NotFound, AccessDenied) as error:
                self._lost = error
                raise

    def _take_batch(
        self, details: _Details, batch: Sequence[Todo], answer: Callable[[], DetailPage]
    ) -> None:
        details.flying -= 1
        if not self._open:
            # The repository failed while this request was under way.
            return
        try:
            page = answer()
        except (Overloaded, BadResponse):
            if len(batch) == 1:
                raise
            details.todo.extendleft(reversed(batch))
            details.size = max(1, min(details.size, len(batch) // 2))
            return
        details.in_vain = 0 if page.records or page.gone else details.in_vain + 1
        if self._compares:
            # If the comparison has started again at its lists meanwhile, this answer is
            # out of date.
            if details is self._details:
                self._compare(details, batch, page)
            return
        gone = {node_id for node_id in page.gone if self._is_address_of_today(node_id)}
        again = details.try_again(batch, page.problems.keys() - gone)
        lost = [
            (pk, page.problems[node_id])
            for pk, node_id in batch
            if node_id in page.problems and node_id not in gone and (pk, node_id) not in again
        ]
        if page.gone - gone:
            # The lists of the comparison contain the present node ids. A row that they
            # lack was deleted.
            self._tracked.cursor = {**self._tracked.cursor, "doubtful": True}
        if page.records or lost or gone:
            self._commit_details(page, lost, gone)
        if page.records:
            details.size = min(details.limit, details.size * 2)
        elif details.in_vain >= MOST_IN_VAIN and page.problems:
            self._give_up(details, next(iter(page.problems.values())))

    def _give_up(self, details: _Details, why: str) -> None:
        """Record that the remaining details cannot be read, without a request for each
        of what may be thousands.
        """
        sync, tracked, name = (
            self._sync,
            self._tracked,
            self._tracked.repository.full_name,
        )
        left = [pk for pk, _ in details.todo]
        details.todo.clear()
        pulls = PullRequest.objects.for_team(sync.team_id)
        for first in range(0, len(left), GIVEN_UP_AT_ONCE):
            some = left[first : first + GIVEN_UP_AT_ONCE]
            with sync.ctx.unit(unit=UNIT, last=True) as unit:
                pulls.filter(pk__in=some).update(
                    detail_state=DetailState.DEGRADED, detail_error=storable(why)
                )
                text = f"{name}: commits and reviews of {len(some)} more pull requests could not be read: {why}"
                sync.ctx.log(text, level="warning")
                touch(sync.team_id)
                tracked.done += len(some)
                self._save_details(unit)

    def _compare(self, details: _Details, batch: Sequence[Todo], page: DetailPage) -> None:
        """Correct rows that differ from GitHub. If a pull request can't be read now,
        its row stays.
        """
        sync, tracked = self._sync, self._tracked
        unread = page.problems.keys() - page.gone
        again = details.try_again(batch, unread)
        with sync.ctx.unit(unit=UNIT, last=True) as unit:
            changed: set[int] = set()
            sync.ingest(tracked, page.records, changed, read_at=page.at, is_authoritative=True)
            if page.gone and tracked.cursor["verify"]["full"]:
                changed |= verification.remove(tracked, sorted(page.gone))
            note_corrected(tracked, changed)
            verification.note_unread(tracked, len(unread) - len(again))
            if page.gone and not tracked.cursor["verify"]["full"]:
                verification.widen(tracked)
                details.todo.clear()
                self._details = None
            sync.save(tracked, unit, f"{tracked.repository.full_name}: comparing with GitHub")
        if page.records:
            details.size = min(details.limit, details.size * 2)
        elif details.in_vain >= MOST_IN_VAIN:
            # The rows stay, as for each pull request that can't be read now.
            details.todo.clear()

    def _is_address_of_today(self, node_id: str) -> bool:
        """Return whether a node id has the format of its repository's id, which every
        list returns.

        If GitHub does not find an id of another format, the pull request may still
        exist.
        """
        return node_id.startswith("PR_") == self._tracked.repository.external_id.startswith(
            "R_"
        )

    def _commit_details(
        self, page: DetailPage, lost: Sequence[tuple[int, str]], gone: set[str]
    ) -> None:
        """Write the details of a batch, record the reasons of those that could not be
        read, and delete those that no longer exist.
        """
        sync, tracked, name = (
            self._sync,
            self._tracked,
            self._tracked.repository.full_name,
        )
        with sync.ctx.unit(unit=UNIT, last=True) as unit:
            sync.ingest(tracked, page.records, read_at=page.at)
            if numbers := unsettled(page.records, page.at):
                known = tracked.cursor.get("unsettled", [])
                tracked.cursor = {
                    **tracked.cursor,
                    "unsettled": sorted({*known, *numbers})[:REMEMBERED],
                }
            if gone:
                verification.note_unsigned(tracked, verification.remove(tracked, sorted(gone)))
                sync.ctx.log(f"{name}: {len(gone)} pull requests are no longer on GitHub.")
            for pk, why in lost:
                pull = PullRequest.objects.for_team(sync.team_id).get(pk=pk)
                pull.detail_state, pull.detail_error = DetailState.DEGRADED, storable(why)
                pull.save(update_fields=["detail_state", "detail_error"])
                text = f"{name}: commits and reviews of #{pull.number} could not be read: {why}"
                sync.ctx.log(text, level="warning")
            if lost:
                touch(sync.team_id)
            tracked.sync_status = SyncStatus.SYNCING
            tracked.done += len(page.records) + len(lost)
            self._save_details(unit)

    def _save_details(self, unit: Unit) -> None:
        tracked = self._tracked
        text = f"{tracked.repository.full_name}: details of {tracked.done} of {tracked.total} pull requests"
        self._sync.save(tracked, unit, text)

    def _details_done(self) -> None:
        """Look for what changed while the details were read, or end if that was done
        often enough.
        """
        details, self._details = self._details, None
        if self._compares:
            verification.advance(self._sync, self._tracked, details.last if details else 0)
            self._size = None
            return
        if self._tracked.cursor.get("rounds", 0) >= ROUNDS:
            self._finish()
            return
        self._size = None
        with self._sync.ctx.unit(unit=UNIT, last=True) as unit:
            self._tracked.cursor = {**self._tracked.cursor, "phase": "settle"}
            self._save_details(unit)


def _floor(tracked: TrackedRepository) -> datetime:
    """Return how far back the present list is read: a time of creation or of change."""
    cursor = tracked.cursor
    since = datetime.fromisoformat(cursor["since"])
    if cursor["phase"] == "skeleton":
        return since
    if cursor["phase"] == "update":
        # After the window was widened, older ones that were active between the two
        # starts are not stored yet.
        if (
            tracked.watermark is None
            or tracked.synced_since is None
            or tracked.synced_since > since
        ):
            return since
        return max(tracked.watermark - OVERLAP, since)
    if "began" not in cursor:
        return since
    # The newest change of a repository that rests may be older than the window.
    return max(datetime.fromisoformat(cursor["began"]) - OVERLAP, since)
