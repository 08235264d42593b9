"""Read a repository from a local clone: first count the landings in the window, then
read all of them in units, newest first.

The stored rows replace a cursor: a second sync reads the landings that are new, and
those whose record would differ now (because of `.mailmap`, or the trunk's name). After
the history was rewritten, rows of commits that are no longer on the trunk are deleted.
None of that counts as a correction, because every refresh reads the whole graph. With
`verify`, landings whose rows seem right are read again, too, and rows that differ from
their records are counted as corrected.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db.models import Min, QuerySet

from apps.integrations.models import SyncStatus, TrackedRepository
from apps.integrations.sources.errors import SameRepository
from apps.integrations.sources.git import KEY
from apps.integrations.sources.git.access import open_clone
from apps.integrations.sources.git.errors import NotGranted
from apps.integrations.sources.git.names import settle_names
from apps.integrations.sources.git.repository import (
    LISTED_COMMITS,
    EmptyRepository,
    GitError,
    GitMissing,
    GitRepository,
    LandingGone,
    SourceDisabled,
)
from apps.integrations.sources.reading import UNIT, Alone, Problem, Sync, note_corrected
from apps.metrics.cache import touch
from apps.metrics.models import PullRequest, Repository
from apps.metrics.records import PullRequestData
from apps.pipelines import portions

LANDINGS = 50
DELETED_AT_ONCE = 500
# If so many landings in a row can't be read, each alone, the repository itself is
# broken.
IN_VAIN = 3
HOPELESS = (SourceDisabled, NotGranted, GitMissing, LandingGone)


class GitReader:
    """Reads tracked local clones into rows, unit by unit. Raises GitError."""

    def __init__(self, sync: Sync, alone: Alone) -> None:
        self._sync, self._alone = sync, alone
        self._open: dict[int, GitRepository | None] = {}

    def list_pass(self, rows: Sequence[TrackedRepository], start: datetime) -> None:
        """Count the landings of the window. `start` is ignored, because a clone's whole
        list is on disk.
        """
        for tracked in rows:
            with self._alone(tracked):
                self._outline(tracked)

    def detail(self, rows: Sequence[TrackedRepository]) -> None:
        """Read every landing that is not stored yet, then end the repository."""
        for tracked in rows:
            with self._alone(tracked):
                if (clone := self._clone(tracked)) is not None:
                    self._read_all(tracked, clone)
                with self._sync.ctx.unit(unit=UNIT, last=True):
                    # Once at the end, because the newest commit of a person may be in
                    # any batch.
                    settle_names(tracked.team_id)
                self._sync.end(tracked)

    def _outline(self, tracked: TrackedRepository) -> None:
        """Count the landings, and note which part of the history the clone lacks."""
        if tracked.cursor["phase"] != "skeleton":
            return
        self._sync.check()
        since = self._sync.since
        clone = self._clone(tracked)
        landed = _landed(tracked.repository, clone, since)
        lacking = clone.missing(since) if clone else None
        with self._sync.ctx.unit(unit=UNIT) as unit:
            cut_at = clone.cut_at(since) if clone else None
            if gone := _delete_others(tracked.repository, landed, cut_at):
                text = (
                    f"{tracked.repository.full_name}: removed {gone} changes that are no "
                    "longer on the main branch."
                )
                self._sync.ctx.log(text)
            if clone:
                _identify(tracked.repository, clone)
            else:
                text = f"{tracked.repository.full_name}: the repository has no commits yet."
                self._sync.ctx.log(text, level="warning")
            tracked.sync_status = SyncStatus.SYNCING
            tracked.cursor = {**tracked.cursor, "phase": "detail", "found": len(landed)}
            tracked.total = len(landed)
            tracked.done = tracked.total - len(_unread(tracked.repository, landed))
            if lacking:
                self._sync.note(tracked, [Problem(what="a part of the history", why=lacking)])
            self._sync.save(
                tracked,
                unit,
                f"{tracked.repository.full_name}: {tracked.total} changes found",
            )

    def _clone(self, tracked: TrackedRepository) -> GitRepository | None:
        """Return the clone as it was at this attempt's first reading; None for a clone
        without commits.
        """
        if tracked.pk not in self._open:
            try:
                self._open[tracked.pk] = open_clone(
                    tracked.team_id, tracked.repository.full_name
                )
            except EmptyRepository:
                if _stored(tracked.repository).exists():
                    # The clone had commits once. The rows stay until it has some again.
                    raise
                self._open[tracked.pk] = None
        return self._open[tracked.pk]

    def _read_all(self, tracked: TrackedRepository, clone: GitRepository) -> None:
        landed = _landed(tracked.repository, clone, self._sync.since)
        unread = _unread(tracked.repository, landed)
        self._read_some(tracked, clone, unread)
        if self._sync.verify:
            oids = [key.removeprefix("git:") for key in landed]
            read = set(unread)
            tracked.cursor = {
                **tracked.cursor,
                "verify": tracked.cursor.get("verify", {"corrected": []}),
            }
            self._read_some(
                tracked, clone, [oid for oid in oids if oid not in read], compare=True
            )

    def _read_some(
        self,
        tracked: TrackedRepository,
        clone: GitRepository,
        oids: Sequence[str],
        *,
        compare: bool = False,
    ) -> None:
        """Read these landings in batches.

        With `compare` they are already stored, and each difference is a correction.
        """
        todo = deque(oids)
        size, in_vain = LANDINGS, 0
        while todo:
            self._sync.check()
            batch = [todo.popleft() for _ in range(min(size, len(todo)))]
            try:
                records, problems = self._read(tracked, clone, batch)
            except GitError as error:
                if isinstance(error, HOPELESS):
                    raise
                if len(batch) > 1:
                    # One landing may be damaged. Halves are read to find it, without
                    # giving up the others.
                    todo.extendleft(reversed(batch))
                    size = len(batch) // 2
                    continue
                in_vain += 1
                if in_vain == IN_VAIN:
                    raise
                self._commit(
                    tracked,
                    [],
                    [Problem(what=f"commit {batch[0][:12]}", why=str(error))],
                    compare=compare,
                )
                continue
            in_vain = 0
            self._commit(tracked, records, problems, compare=compare)
            self._tell_clipped(tracked, clone, batch)
            # After a success the batches grow again, because small ones start git more
            # often.
            size = min(LANDINGS, size * 2)

    def _read(
        self, tracked: TrackedRepository, clone: GitRepository, oids: Sequence[str]
    ) -> tuple[list[PullRequestData], list[Problem]]:
        """Read the records of these landings. A landing that hung before is left out
        and recorded as a problem.
        """
        name = tracked.repository.full_name
        records: list[PullRequestData] = []
        problems: list[Problem] = []
        for portion in portions.of(
            self._sync.ctx, oids, lambda some: _landings_name(name, some)
        ):
            if portion.skipped:
                problems.append(
                    Problem(what=f"commit {portion.items[0][:12]}", why=portion.why)
                )
                continue
            with portion.watched():
                records += clone.read(portion.items)
        return records, problems

    def _commit(
        self,
        tracked: TrackedRepository,
        records: Sequence[PullRequestData],
        problems: Sequence[Problem],
        *,
        compare: bool,
    ) -> None:
        name = tracked.repository.full_name
        with self._sync.ctx.unit(unit=UNIT) as unit:
            changed: set[int] = set()
            self._sync.ingest(tracked, records, changed, is_authoritative=compare)
            self._sync.note(tracked, problems)
            tracked.sync_status = SyncStatus.SYNCING
            if compare:
                note_corrected(tracked, changed)
                self._sync.save(tracked, unit, f"{name}: comparing with the clone")
                return
            tracked.done += len(records) + len(problems)
            # The number of landings may have grown since they were counted.
            tracked.total = max(tracked.total or 0, tracked.done)
            self._sync.save(tracked, unit, f"{name}: {tracked.done} of {tracked.total} changes")

    def _tell_clipped(
        self, tracked: TrackedRepository, clone: GitRepository, batch: Sequence[str]
    ) -> None:
        for oid in batch:
            if brought := clone.clipped.get(oid):
                name = tracked.repository.full_name
                text = f"{name}: merge {oid[:12]} brought {brought} commits; the oldest {LISTED_COMMITS} are kept."
                self._sync.ctx.log(text, level="warning")


def _landings_name(repository: str, oids: Sequence[str]) -> str:
    first = f"commit {oids[0][:12]} of {repository}"
    return first if len(oids) == 1 else f"{len(oids)} commits from {first} to {oids[-1][:12]}"


def _landed(
    repository: Repository, clone: GitRepository | None, since: datetime
) -> dict[str, str]:
    """Return the landings since then, or since the oldest row, newest first: the
    digests of records by external id.
    """
    if clone is None:
        return {}
    oldest = _stored(repository).aggregate(oldest=Min("merged_at"))["oldest"]
    # Rows from an earlier, wider window count, too: otherwise they would be deleted as
    # off the trunk.
    start = min(since, oldest) if oldest else since
    known = set(
        _stored(repository).filter(merged_at__lt=since).values_list("external_id", flat=True)
    )
    landed: dict[str, str] = {}
    for landing in clone.landings(start):
        # Landings before the window count only if they are stored already.
        key = f"git:{landing.oid}"
        if landing.landed_at >= since or key in known:
            landed[key] = clone.digest(landing)
    return landed


def _stored(repository: Repository) -> QuerySet[PullRequest]:
    return (
        PullRequest.objects.for_team(repository.team_id)
        .filter(repository=repository)
        .order_by()
    )


def _unread(repository: Repository, landed: Mapping[str, str]) -> list[str]:
    """Return the ids of the landings without a row of the same digest, in their order."""
    known = dict(_stored(repository).values_list("external_id", "digest"))
    return [
        key.removeprefix("git:") for key, digest in landed.items() if known.get(key) != digest
    ]


def _delete_others(
    repository: Repository, landed: Mapping[str, str], cut_at: datetime | None
) -> int:
    """Delete the rows of landings that are not on the trunk any more. Returns how many;
    the caller holds the transaction.

    Landings until `cut_at` stay: the clone became shallow, and does not show whether
    they are still on the trunk.
    """
    stored = _stored(repository)
    if cut_at is not None:
        # Behind the cut the clone knows no commits, so their absence proves nothing.
        stored = stored.filter(merged_at__gt=cut_at)
    rows = stored.values_list("pk", "external_id")
    gone = [pk for pk, external_id in rows if external_id not in landed]
    for start in range(0, len(gone), DELETED_AT_ONCE):
        _stored(repository).filter(pk__in=gone[start : start + DELETED_AT_ONCE]).delete()
    if gone:
        touch(repository.team_id)
    return len(gone)


def _identify(repository: Repository, clone: GitRepository) -> None:
    """Store the clone's key, pages, and trunk. Raises SameRepository if the team tracks
    the clone under another path too, because it would be counted twice.
    """
    same = Repository.objects.for_team(repository.team_id).filter(
        source=KEY, external_id=clone.key
    )
    for other in same.exclude(pk=repository.pk):
        raise SameRepository(repository.full_name, other.full_name)
    repository.external_id, repository.url, repository.default_branch = (
        clone.key,
        clone.url[:500],
        clone.trunk[:250],
    )
    repository.save(update_fields=["external_id", "url", "default_branch"])
