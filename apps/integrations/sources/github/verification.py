"""Compare a repository with GitHub, whatever its lists show: correct what differs, and
delete what no longer exists.

    created    pages by creation, back to the start of the window: what is missing here
    updated    pages by last change, back to the same day: older ones that were active since
    details    everything of each stored pull request, in the order of primary keys

The whole comparison is due in three cases: for `refresh --verify`, if GitHub's counts
do not fit, and if GitHub does not find a pull request under a node id of a former
format (the cursor is "doubtful"), because it may be deleted or have another id today. A
part of it, some details only, is done for a repository whose turn it is in the rolling
comparison (`rolling`). If GitHub does not know a stored pull request of this part, the
whole comparison follows, whose lists return the present ids.

The position is kept in the repository's cursor, under "verify": {"stage", "after",
"to", "full", "whole", "corrected", "unread", "refused"}. `full` is the comparison with
its lists; `whole` means that it ends a round; `unread` counts those without details from
GitHub; `refused` counts the positions in the list that GitHub refused.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Max
from django.utils import timezone

from apps.integrations.models import TrackedRepository
from apps.integrations.sources.github import counts, queries
from apps.integrations.sources.github.changes import news_of
from apps.integrations.sources.github.errors import BadResponse, Overloaded, StaleCursor
from apps.integrations.sources.github.pages import SkeletonPage
from apps.integrations.sources.reading import UNIT, Sync, note_corrected
from apps.metrics.cache import touch
from apps.metrics.models import PullRequest
from apps.metrics.records import PullRequestData

# How many details are read before the position among them is written.
CHUNK = 1_000
TRIES = 3
# How often a list starts at its top again, because GitHub refused a position in it.
MOST_REFUSED = 5


def begin(sync: Sync, tracked: TrackedRepository) -> bool:
    """Start the comparison if one is due for a repository whose changes have been read.
    Returns whether it is.
    """
    cursor = tracked.cursor
    # A run compares a repository once. A first read has just read everything, so it
    # needs no comparison.
    if cursor.get("verified") or tracked.synced_since is None:
        return False
    part = cursor.get("compare")
    # With problems in the list, pull requests are missing in any case, and the error
    # names them.
    is_whole = not cursor.get("problems")
    differs = is_whole and counts.differ(tracked.outside, counts.outside(tracked, sync.since))
    if sync.verify or differs or cursor.get("doubtful"):
        state: dict[str, Any] = {
            "stage": "created",
            "after": None,
            "full": True,
            "whole": True,
            "corrected": [],
        }
    elif part and part["to"] > part["after"]:
        state = {"stage": "details", **part, "full": False, "corrected": []}
    else:
        return False
    name = tracked.repository.full_name
    with sync.ctx.unit(unit=UNIT, last=True) as unit:
        if differs:
            sync.ctx.log(
                f"{name}: GitHub's counts differ from what is stored. Comparing everything."
            )
        tracked.cursor = {**cursor, "phase": "verify", "verify": state}
        sync.save(tracked, unit, f"{name}: comparing with GitHub")
    return True


def pending(tracked: TrackedRepository) -> list[tuple[int, str]]:
    """Return the next stored pull requests to compare, as primary keys with node ids;
    none if all are compared.
    """
    state = tracked.cursor["verify"]
    pulls = PullRequest.objects.for_team(tracked.team_id).filter(
        repository_id=tracked.repository_id
    )
    chunk = pulls.filter(pk__gt=state["after"], pk__lte=state["to"]).order_by("pk")
    return list(chunk.values_list("pk", "external_id")[:CHUNK])


class Lists:
    """The two list stages of one repository, a page at a time.

    Raises GitHubError if it can't be read.
    """

    def __init__(self, sync: Sync, tracked: TrackedRepository) -> None:
        self._sync, self._tracked = sync, tracked
        self.size, self._tries = queries.PAGE_LIMIT, 0

    @property
    def document(self) -> str:
        """The query of the stage."""
        return queries.SKELETON if self._is_by_creation else queries.UPDATED

    @property
    def _is_by_creation(self) -> bool:
        return bool(self._tracked.cursor["verify"]["stage"] == "created")

    def take(
        self, answer: Callable[[], SkeletonPage], identify: Callable[[SkeletonPage], None]
    ) -> None:
        """Handle a page. If GitHub could not answer, the next page is smaller."""
        try:
            page = answer()
        except StaleCursor:
            if self._tracked.cursor["verify"].get("refused", 0) >= MOST_REFUSED:
                raise
            self._forget_place()
            return
        except (Overloaded, BadResponse):
            # Only attempts that a smaller page cannot help count.
            self._tries += self.size == 1
            self.size = max(1, self.size // 2)
            if self._tries >= TRIES:
                raise
            return
        self._tries += 1
        # Unusable nodes are often a temporary fault, so the page is read again.
        if page.problems and self._tries < TRIES:
            return
        self._tries, self.size = 0, queries.PAGE_LIMIT
        self._commit(page, identify)

    def _forget_place(self) -> None:
        """Start the list at its top again, with a smaller first page, so that the pages
        end at other positions.
        """
        state: dict[str, Any] = self._tracked.cursor["verify"]
        refused = state.get("refused", 0) + 1
        self.size = max(1, queries.PAGE_LIMIT >> refused)
        with self._sync.ctx.unit(unit=UNIT, last=True) as unit:
            state = {**state, "after": None, "refused": refused}
            self._tracked.cursor = {**self._tracked.cursor, "verify": state}
            self._sync.save(self._tracked, unit)

    def _commit(self, page: SkeletonPage, identify: Callable[[SkeletonPage], None]) -> None:
        sync, tracked = self._sync, self._tracked
        since = datetime.fromisoformat(tracked.cursor["since"])
        wanted: list[PullRequestData] = []
        for record in page.records:
            moment = record.created_at if self._is_by_creation else record.updated_at
            if moment >= since:
                wanted.append(record)
        edge = page.oldest if self._is_by_creation else page.stalest
        with sync.ctx.unit(unit=UNIT, last=True) as unit:
            identify(page)
            changed: set[int] = set()
            news = news_of(tracked.repository, wanted, page.at)
            sync.ingest(tracked, news, changed, read_at=page.at)
            sync.note(tracked, page.problems)
            note_corrected(tracked, changed)
            self._turn(
                page, is_over=not page.end.has_next or (edge is not None and edge < since)
            )
            sync.save(tracked, unit, f"{tracked.repository.full_name}: comparing with GitHub")

    def _turn(self, page: SkeletonPage, *, is_over: bool) -> None:
        """Write the cursor of the next page, or the next stage."""
        state: dict[str, Any] = dict(self._tracked.cursor["verify"])
        state["after"] = page.end.cursor
        if is_over:
            state.pop("refused", None)
        if is_over and self._is_by_creation:
            state |= {"stage": "updated", "after": None}
        elif is_over:
            pulls = PullRequest.objects.for_team(self._tracked.team_id)
            last = pulls.filter(repository_id=self._tracked.repository_id).aggregate(
                last=Max("pk")
            )["last"]
            # Rows with later keys have just been read, so they need no comparison.
            state |= {"stage": "details", "after": 0, "to": last or 0}
        self._tracked.cursor = {**self._tracked.cursor, "verify": state}


def note_unread(tracked: TrackedRepository, count: int) -> None:
    """Count pull requests whose details GitHub did not give, however often they were
    asked for.
    """
    if count:
        state = dict(tracked.cursor["verify"])
        tracked.cursor = {
            **tracked.cursor,
            "verify": state | {"unread": state.get("unread", 0) + count},
        }


def note_unsigned(tracked: TrackedRepository, keys: Iterable[int]) -> None:
    """Record pull requests that the lists show as changed or deleted, although their
    time of change is not later.
    """
    known = tracked.cursor.get("unsigned", [])
    if added := {*keys} - {*known}:
        tracked.cursor = {**tracked.cursor, "unsigned": sorted({*known, *added})}


def remove(tracked: TrackedRepository, gone: Sequence[str]) -> set[int]:
    """Delete the pull requests with these node ids, which GitHub does not know any
    more. Returns their keys.
    """
    pulls = PullRequest.objects.for_team(tracked.team_id).filter(
        repository_id=tracked.repository_id
    )
    # The keys are read before the deletion, because the caller reports them.
    keys = set(pulls.filter(external_id__in=gone).values_list("pk", flat=True))
    pulls.filter(pk__in=keys).delete()
    if keys:
        touch(tracked.team_id)
    return keys


def widen(tracked: TrackedRepository) -> None:
    """Extend the comparison to the whole one, starting with its lists."""
    corrected = tracked.cursor["verify"]["corrected"]
    state = {
        "stage": "created",
        "after": None,
        "full": True,
        "whole": True,
        "corrected": corrected,
    }
    tracked.cursor = {**tracked.cursor, "verify": state}


def advance(sync: Sync, tracked: TrackedRepository, last: int) -> bool:
    """Record that the details up to a primary key are compared.

    Returns whether there are more.
    """
    name, state = tracked.repository.full_name, dict(tracked.cursor["verify"])
    state["after"] = last
    has_more = bool(last < state["to"])
    with sync.ctx.unit(unit=UNIT, last=True) as unit:
        cursor: dict[str, Any] = {**tracked.cursor, "verify": state}
        if not has_more:
            # The comparison took a while: what changed meanwhile is read once more.
            cursor |= {"phase": "settle", "verified": True, "after": None}
            tracked.verified_to = None if state["whole"] else last
            tracked.verified_at = timezone.now() if state["whole"] else tracked.verified_at
            tracked.save(update_fields=["verified_to", "verified_at"])
            if state["corrected"]:
                sync.ctx.log(
                    f"{name}: corrected {len(state['corrected'])} pull requests that differed "
                    "from GitHub."
                )
            sync.count(tracked)
        tracked.cursor = cursor
        sync.save(tracked, unit, f"{name}: comparing with GitHub")
    return has_more
