"""Reading a repository from a local clone: how much landed in the window, then everything of it in units, newest first.

What has landed never changes, so the rows that are there already are the cursor: a second sync reads what is new.
"""

from collections import deque
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings

from apps.integrations.git.source import (
    LISTED_COMMITS,
    EmptyRepository,
    GitError,
    GitMissing,
    GitRepository,
    LandingGone,
    SourceDisabled,
)
from apps.integrations.github.errors import SameRepository
from apps.integrations.github.source import Problem
from apps.integrations.models import SyncStatus, TrackedRepository
from apps.integrations.sync_ledger import UNIT, Alone, Ledger
from apps.metrics.ingest import ingest_pull_requests
from apps.metrics.models import PullRequest, Repository, Source
from apps.metrics.records import PullRequestData

LANDINGS = 50
# So many landings in a row, each read alone in vain, are the repository's fault.
IN_VAIN = 3
HOPELESS = (SourceDisabled, GitMissing, LandingGone)


class GitReader:
    """Reads tracked local clones into rows, unit by unit. Raises GitError."""

    def __init__(self, ledger: Ledger, alone: Alone) -> None:
        self._ledger, self._alone = ledger, alone
        self._open: dict[int, GitRepository | None] = {}

    def outline(self, rows: Sequence[TrackedRepository], start: datetime) -> None:
        """Count what landed in the window, whatever `start` is: a clone's list is at hand."""
        for tracked in rows:
            with self._alone(tracked):
                self._outline(tracked)

    def detail(self, rows: Sequence[TrackedRepository]) -> None:
        """Read every landing that is not in the rows yet, then end the repository."""
        for tracked in rows:
            with self._alone(tracked):
                if (clone := self._clone(tracked)) is not None:
                    self._read_all(tracked, clone)
                self._ledger.end(tracked)

    def _outline(self, tracked: TrackedRepository) -> None:
        """Count what landed, and note what the clone does not have of it."""
        if tracked.cursor["phase"] != "skeleton":
            return
        self._ledger.check()
        since = self._ledger.since
        clone = self._clone(tracked)
        landed = [landing.oid for landing in clone.landings(since)] if clone else []
        lacking = clone.missing(since) if clone else None
        with self._ledger.ctx.unit(unit=UNIT) as unit:
            if clone:
                _identify(tracked.repository, clone)
            else:
                text = f"{tracked.repository.full_name}: the repository has no commits yet."
                self._ledger.ctx.log(text, level="warning")
            tracked.sync_status = SyncStatus.SYNCING
            tracked.cursor = {**tracked.cursor, "phase": "detail", "found": len(landed)}
            tracked.total = len(landed)
            tracked.done = tracked.total - len(_unread(tracked.repository, landed))
            if lacking:
                self._ledger.note(tracked, [Problem(what="a part of the history", why=lacking)])
            self._ledger.save(tracked, unit, f"{tracked.repository.full_name}: {tracked.total} pull requests found")

    def _clone(self, tracked: TrackedRepository) -> GitRepository | None:
        """The clone as it was when this attempt first looked; None for one without commits."""
        if tracked.pk not in self._open:
            try:
                self._open[tracked.pk] = GitRepository.open(tracked.repository.full_name, settings.GIT_SOURCE_ROOT)
            except EmptyRepository:
                self._open[tracked.pk] = None
        return self._open[tracked.pk]

    def _read_all(self, tracked: TrackedRepository, clone: GitRepository) -> None:
        landed = [landing.oid for landing in clone.landings(self._ledger.since)]
        todo = deque(_unread(tracked.repository, landed))
        size, in_vain = LANDINGS, 0
        while todo:
            self._ledger.check()
            batch = [todo.popleft() for _ in range(min(size, len(todo)))]
            try:
                records = clone.read(batch)
            except GitError as error:
                if isinstance(error, HOPELESS):
                    raise
                if len(batch) > 1:
                    todo.extendleft(reversed(batch))
                    size = len(batch) // 2
                    continue
                in_vain += 1
                if in_vain == IN_VAIN:
                    raise
                self._commit(tracked, [], [Problem(what=f"commit {batch[0][:12]}", why=str(error))])
                continue
            in_vain = 0
            self._commit(tracked, records, [])
            self._tell_clipped(tracked, clone, batch)
            size = min(LANDINGS, size * 2)

    def _commit(
        self, tracked: TrackedRepository, records: Sequence[PullRequestData], problems: Sequence[Problem]
    ) -> None:
        name = tracked.repository.full_name
        with self._ledger.ctx.unit(unit=UNIT) as unit:
            ingest_pull_requests(tracked.repository, records)
            self._ledger.note(tracked, problems)
            tracked.sync_status = SyncStatus.SYNCING
            tracked.done += len(records) + len(problems)
            # What landed while the clone was being read may be more than was counted first.
            tracked.total = max(tracked.total or 0, tracked.done)
            self._ledger.save(tracked, unit, f"{name}: {tracked.done} of {tracked.total} pull requests")

    def _tell_clipped(self, tracked: TrackedRepository, clone: GitRepository, batch: Sequence[str]) -> None:
        for oid in batch:
            if brought := clone.clipped.get(oid):
                name = tracked.repository.full_name
                text = f"{name}: merge {oid[:12]} brought {brought} commits; the oldest {LISTED_COMMITS} are kept."
                self._ledger.ctx.log(text, level="warning")


def _unread(repository: Repository, landed: Sequence[str]) -> list[str]:
    """Those of the landings that are in no row yet, in their order."""
    stored = PullRequest.objects.for_team(repository.team_id).filter(repository=repository)
    known = set(stored.values_list("external_id", flat=True))
    return [oid for oid in landed if f"git:{oid}" not in known]


def _identify(repository: Repository, clone: GitRepository) -> None:
    """Keep what the clone says of itself; one clone under two paths would be counted twice."""
    same = Repository.objects.for_team(repository.team_id).filter(source=Source.GIT, external_id=clone.key)
    for other in same.exclude(pk=repository.pk):
        raise SameRepository(repository.full_name, other.full_name)
    repository.external_id, repository.url, repository.default_branch = clone.key, clone.url[:500], clone.trunk[:250]
    repository.save(update_fields=["external_id", "url", "default_branch"])
