"""The trunk: what landed on it, and which commits each landing brought.

The trunk is walked by first parent. At a back-merge (`messages.is_back_merge`) it forks: all sides are the trunk, each
is walked, and the back-merge itself is no landing, so that what others landed meanwhile is found as their landings.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import NamedTuple

from apps.integrations.git.command import LOG_OPTIONS, Git
from apps.integrations.git.commits import moment
from apps.integrations.git.messages import is_back_merge, one_line

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Landing(NamedTuple):
    """A commit of the trunk: a merge, a squash or a direct push. `landed_at` is the committer's date, in UTC.

    Where git cannot read that date it is the author's, else that of the landing before.
    """

    oid: str
    landed_at: datetime
    subject: str
    is_merge: bool


class _Node(NamedTuple):
    place: int  # children come before their parents
    parents: tuple[str, ...]
    authored_at: datetime | None
    committed_at: datetime | None
    subject: str


@dataclass(frozen=True, slots=True)
class Brought:
    """The commits that a merge brought, oldest first, and the earliest of their authors' dates."""

    oids: list[str]
    since: datetime | None


class History:
    """The part of a repository's history that is not older than a moment, held in memory: a few hundred bytes a commit.

    `landings` are newest first: no commit before one that is built on it, else by date. `cut_at` is when the oldest
    commit of a shallow clone landed, where that leaves out something that was asked for.
    """

    def __init__(self, git: Git, tip: str, trunk: str, since: datetime | None, boundary: frozenset[str]) -> None:
        self._nodes = dict(_nodes(git, tip, _oldest_left_out(git, tip, since)))
        walked = sorted(self._walk(tip, trunk), key=lambda oid: self._nodes[oid].place, reverse=True)
        landings: list[Landing] = []
        cuts: list[datetime] = []
        before = _EPOCH
        for oid in walked:
            node = self._nodes[oid]
            before = node.committed_at or node.authored_at or before
            if since is not None and before < since:
                continue
            if oid in boundary:
                # Its parents are unknown, and so are its size and whether it merged something.
                cuts.append(before)
            else:
                landings.append(Landing(oid, before, node.subject, len(node.parents) > 1))
        self.landings = landings[::-1]
        self.by_oid = {landing.oid: landing for landing in landings}
        self.cut_at = min(cuts, default=None)

    def _walk(self, tip: str, trunk: str) -> set[str]:
        todo, seen, found = [tip], set[str](), set[str]()
        while todo:
            oid = todo.pop()
            while oid in self._nodes and oid not in seen:
                seen.add(oid)
                node = self._nodes[oid]
                if len(node.parents) > 1 and is_back_merge(node.subject, trunk):
                    todo += node.parents[1:]
                else:
                    found.add(oid)
                oid = node.parents[0] if node.parents else ""
        return found

    def brought(self, oid: str) -> Brought:
        """What is reachable from a merge's other parents, but not from its first. Nothing for other commits.

        Both sides are walked from the newest down, until every commit that is left to look at is reachable from the
        first parent.
        """
        first, *others = self._nodes[oid].parents or ("",)
        old: dict[str, bool] = {}
        queue: list[tuple[int, str]] = []
        new_in_queue = 0

        def visit(commit: str, is_old: bool) -> int:
            """Queue it, or mark what is queued as old; returns by how much the number of new ones there changes."""
            if commit not in self._nodes:
                return 0  # left out: it landed before
            if commit not in old:
                old[commit] = is_old
                heappush(queue, (self._nodes[commit].place, commit))
                return 0 if is_old else 1
            if is_old and not old[commit]:
                old[commit] = True
                return -1
            return 0

        visit(first, is_old=True)
        for other in others:
            new_in_queue += visit(other, is_old=False)
        found: list[str] = []
        while new_in_queue > 0:
            _, commit = heappop(queue)
            if not old[commit]:
                found.append(commit)
                new_in_queue -= 1
            for parent in self._nodes[commit].parents:
                new_in_queue += visit(parent, old[commit])
        dates = [date for commit in found if (date := self._nodes[commit].authored_at) is not None]
        return Brought(found[::-1], min(dates, default=None))


def _oldest_left_out(git: Git, tip: str, since: datetime | None) -> str | None:
    """The commit below the oldest one of the trunk that landed since then; what it is built on is not needed."""
    if since is None:
        return None
    left_out: str | None = tip
    form = "--format=tformat:%H%x00%P%x00%at%x00%ct"
    fields = git.fields("log", "-z", "--first-parent", form, *LOG_OPTIONS, tip, "--")
    for _, parents, authored, committed in zip(fields, fields, fields, fields, strict=False):
        # A clock that was wrong once must not end the walk: all of the trunk is looked at.
        landed_at = moment(committed) or moment(authored)
        if landed_at is not None and landed_at >= since:
            left_out = parents.split()[0] if parents else None
    return left_out


def _nodes(git: Git, tip: str, left_out: str | None) -> Iterator[tuple[str, _Node]]:
    range_ = [tip] if left_out is None else [tip, f"^{left_out}"]
    form = "--format=tformat:%H%x00%P%x00%at%x00%ct%x00%s"
    fields = git.fields("log", "-z", "--date-order", form, *LOG_OPTIONS, *range_, "--")
    rows = zip(fields, fields, fields, fields, fields, strict=False)
    for place, (oid, parents, authored, committed, subject) in enumerate(rows):
        yield oid, _Node(place, tuple(parents.split()), moment(authored), moment(committed), one_line(subject))
