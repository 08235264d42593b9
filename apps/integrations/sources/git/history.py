r"""The trunk: what landed on it, and which commits each landing brought.

A landing is found by the graph. Every commit of the trunk is one, except for a
back-merge: the merge that brought the trunk into itself. Both of its sides are the
trunk; what both have belongs to the second one, which was the trunk when it landed. A
merge of a long-lived branch (`develop` into `main`) brings what landed on that branch;
those are landings as well, and the merge is a release:

    main     A-----------------R      R: release, "Merge branch 'develop' into main"
              \               /
    develop    M1----M2----M3         landings #1, #2, #3
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from apps.integrations.sources.branches import is_long_lived
from apps.integrations.sources.git.command import LOG_OPTIONS, Git
from apps.integrations.sources.git.commits import moment
from apps.integrations.sources.git.graph import (
    Branch,
    Node,
    foreign,
    grow,
    read_nodes,
    roots_of,
)
from apps.integrations.sources.git.messages import (
    is_back_merge,
    merged_names,
    merges_trunk,
    one_line,
    own_branches,
    read_message,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# How often the trunk is walked again after another line of it was found.
_MOST_TURNS = 10
# A squash's two dates differ by seconds when a forge writes both.
_ONE_DATE = timedelta(minutes=1)
# Clocks of a team differ a little: a commit may be this much older than its base.
_SKEW = timedelta(hours=1)


class Landing(NamedTuple):
    """A commit of the trunk: a merge, a squash, or a direct push.

    `landed_at` is the committer's date in UTC. If that is no date, it is the author's
    date, or else the date of the landing before. `opened_at` is the earliest author's
    date, but not before its branch left the trunk; it is a guess if not
    `opening_known`. `is_foreign` is True if it brought only another project's history.
    """

    oid: str
    landed_at: datetime
    subject: str
    is_merge: bool
    is_release: bool = False
    opened_at: datetime | None = None
    opening_known: bool = False
    is_foreign: bool = False
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Brought:
    """The commits that a merge brought, oldest first.

    `imports` are those merges among them that brought another project's history.
    """

    oids: list[str]
    imports: list[str]


@dataclass(slots=True)
class _Found:
    """A landing during the walk: what it brought, and which commits of that are
    landings themselves.
    """

    oid: str
    sides: Sequence[Branch]
    is_release: bool = False


class History:
    """The part of a repository's history that is not older than a moment, held in
    memory: a few hundred bytes a commit.

    `landings` are newest first: a commit comes before those that it is built on, and
    otherwise they are sorted by date. `cut_at` is when the oldest commit of a shallow
    clone landed, if the clone lacks a part of the history that was asked for.
    """

    def __init__(
        self,
        git: Git,
        tip: str,
        trunk: str,
        since: datetime | None,
        boundary: frozenset[str],
        *,
        owner: str = "",
    ) -> None:
        self._trunk = trunk
        self._owner = owner
        left_out, chain = _oldest_left_out(git, tip, since)
        for _ in range(_MOST_TURNS):
            self._read(git, tip, left_out, chain, boundary)
            below = max(self._unread, key=lambda oid: chain[oid], default=self._below_trunk())
            if left_out is None or below == left_out:
                break
            # A branch, or after a back-merge the trunk itself, begins below the part
            # that was read.
            left_out = below
        else:
            self._read(git, tip, None, chain, boundary)
        self._set(since, boundary)

    def _read(
        self,
        git: Git,
        tip: str,
        left_out: str | None,
        chain: Mapping[str, int],
        boundary: frozenset[str],
    ) -> None:
        """Read the commits and find the landings among them."""
        self._nodes, self._outside = read_nodes(git, tip, left_out)
        self._chain = chain
        self._unread: set[str] = set()
        self._turned: set[str] = set()
        self._grown = grow(self._nodes, tip)
        self._foreign = self._other_projects(git, tip, self._grown, chain, boundary)
        self._walk(self._grown)
        # Another line of the trunk may contain further back-merges.
        for _ in range(_MOST_TURNS):
            if not self._back_merges - self._turned:
                break
            self._turned |= self._back_merges
            self._grown = grow(self._nodes, tip, self._turned)
            self._walk(self._grown)

    def _below_trunk(self) -> str | None:
        """Return the commit that the oldest commit of the trunk was built on, if it
        wasn't read.
        """
        if not self._grown.commits:
            return None
        oldest = self._grown.commits[0]
        parents = self._nodes[oldest].parents
        if oldest in self._turned:
            parents = parents[1:]
        return parents[0] if parents else None

    def _set(self, since: datetime | None, boundary: frozenset[str]) -> None:
        landings: list[Landing] = []
        cuts: list[datetime] = []
        before = _EPOCH
        for oid in sorted(self._found, key=lambda oid: self._nodes[oid].place, reverse=True):
            node = self._nodes[oid]
            before = node.committed_at or node.authored_at or before
            if since is not None and before < since:
                continue
            if oid in boundary:
                # Its parents are unknown, and so are its size and whether it merged
                # something.
                cuts.append(before)
            else:
                landings.append(self._landing(self._found[oid], before))
        self.landings = landings[::-1]
        self.by_oid = {landing.oid: landing for landing in landings}
        self.cut_at = min(cuts, default=None)

    def _other_projects(
        self,
        git: Git,
        tip: str,
        grown: Branch,
        chain: Mapping[str, int],
        boundary: frozenset[str],
    ) -> frozenset[str]:
        own = set(grown.commits[:1])
        has_roots = any(
            not node.parents and oid not in own | boundary for oid, node in self._nodes.items()
        )
        if not has_roots and (chain.keys() >= self._outside.keys() or roots_of(git, tip) < 2):
            return frozenset()
        return foreign(git, tip, self._nodes, boundary)

    def _told_number(self, oid: str) -> int | None:
        node = self._nodes[oid]
        if not node.message:
            return None
        return read_message(
            node.message, is_merge=len(node.parents) > 1, trunk=self._trunk
        ).number

    def _walk(self, trunk: Branch) -> None:
        """Find the landings of the trunk, and of all branches that count as a part of
        it.
        """
        self._found: dict[str, _Found] = {}
        self._back_merges: set[str] = set()
        todo = [trunk]
        while todo:
            branch = todo.pop()
            places = {commit: place for place, commit in enumerate(branch.commits)}
            for oid in branch.commits:
                if oid in self._foreign:
                    continue
                sides = branch.sides.get(oid, [])
                if len(self._nodes[oid].parents) > 1 and self._is_back_merge(
                    oid, branch, places, sides
                ):
                    todo += sides
                    continue
                found = _Found(oid, sides)
                self._found[oid] = found
                self._find_inside(found)

    def _is_back_merge(
        self,
        oid: str,
        branch: Branch,
        places: Mapping[str, int],
        sides: Sequence[Branch],
    ) -> bool:
        """Return whether a merge merged the trunk into itself, by its message if that
        names the trunk, and by the graph.

        If only one of the two lines has pull requests since they parted, that one was
        the trunk.
        """
        if oid in self._turned:
            return True
        message = self._nodes[oid].message
        if self._told_number(oid) is not None or self._is_import(oid):
            return False
        names_trunk = is_back_merge(message, self._trunk)
        is_other = names_trunk and not merges_trunk(message, self._trunk)
        if is_other or not sides or (merged_names(message) and not names_trunk):
            return names_trunk
        theirs = sides[0].commits
        mine = self._since_met(oid, branch, places, sides[0])
        they_landed = any(self._told_number(commit) is not None for commit in theirs)
        if names_trunk:
            # A fork's trunk has the same name. The number of a squash may be an
            # issue's, in a commit that was not yet pushed.
            is_forks = not they_landed and any(
                self._is_numbered_merge(commit) for commit in mine
            )
            is_trunk = not is_forks
        else:
            i_landed = any(self._has_landed(commit, branch) for commit in mine)
            is_trunk = they_landed and bool(mine) and not i_landed
        if is_trunk and len(self._nodes[oid].parents) == 2:
            self._back_merges.add(oid)
        return is_trunk

    def _since_met(
        self, oid: str, branch: Branch, places: Mapping[str, int], side: Branch
    ) -> list[str]:
        """Return the commits of a line that a branch which left it hasn't merged back."""
        start = (self._nodes[side.commits[0]].parents or ("",))[0]
        below = self._nodes[branch.commits[0]].parents[:1]
        if start not in places and start not in below:
            if start in self._outside and start in self._chain:
                self._unread.add(start)
            return []
        met = -1
        for other in side.everything():
            for commit in other.commits:
                for parent in self._nodes[commit].parents:
                    met = max(met, places.get(parent, -1))
        return branch.commits[met + 1 : places[oid]]

    def _has_landed(self, oid: str, branch: Branch) -> bool:
        """Return whether a commit has a number, or is a back-merge of a trunk with such
        commits.
        """
        if self._told_number(oid) is not None:
            return True
        if oid not in self._back_merges or oid in self._turned:
            return False
        sides = branch.sides.get(oid, [])
        return any(
            self._told_number(commit) is not None for side in sides for commit in side.commits
        )

    def _is_numbered_merge(self, oid: str) -> bool:
        return len(self._nodes[oid].parents) > 1 and self._told_number(oid) is not None

    def _find_inside(self, outer: _Found) -> None:
        """Find the landings on the branches that a landing merged, and whether they
        make it a release.
        """
        todo = [(side, outer, True) for side in outer.sides]
        while todo:
            side, around, is_first = todo.pop()
            names = merged_names(self._nodes[around.oid].message)
            lives_long = bool(names) and all(is_long_lived(name, self._trunk) for name in names)
            counts = self._squashes_count(side, around, lives_long)
            inner: list[_Found] = []
            for oid in side.commits:
                sides = side.sides.get(oid, [])
                is_merge = len(self._nodes[oid].parents) > 1
                number = self._told_number(oid)
                lands = number is not None and (is_merge or counts or self._nodes[oid].by_forge)
                if is_merge and number is None and lives_long:
                    lands = bool(sides) and not is_back_merge(
                        self._nodes[oid].message, self._trunk
                    )
                if oid in self._foreign:
                    lands = False
                if lands:
                    found = _Found(oid, sides)
                    inner.append(found)
                    todo += [(other, found, True) for other in sides]
                else:
                    todo += [(other, around, False) for other in sides]
            if not inner and not (is_first and self._is_kept(around, side)):
                continue
            self._found |= {found.oid: found for found in inner}
            if is_first:
                around.is_release = True
                if self._told_number(around.oid) is None:
                    self._find_direct(side)

    def _is_kept(self, around: _Found, side: Branch) -> bool:
        """Return whether a merge is of a branch that the repository keeps. The same
        rule makes GitHub's pull requests releases.
        """
        names = own_branches(self._nodes[around.oid].message, self._owner)
        if not names or self._trunk in names or self._foreign.issuperset(side.commits):
            return False
        return all(is_long_lived(name) for name in names)

    def _find_direct(self, side: Branch) -> None:
        """Count the other commits of a long-lived branch as direct pushes to it."""
        for oid in side.commits:
            if len(self._nodes[oid].parents) == 1 and oid not in self._foreign:
                self._found.setdefault(oid, _Found(oid, ()))

    def _squashes_count(self, side: Branch, around: _Found, lives_long: bool) -> bool:
        """Return whether the number in a commit of a branch is a pull request's and not
        an issue's.

        It is a pull request's on a long-lived branch. On a branch that was merged
        without a number, it is one if most of the branch's commits have numbers, all of
        them different.
        """
        if lives_long:
            return True
        if self._told_number(around.oid) is not None:
            return False
        numbers = [
            number for oid in side.commits if (number := self._told_number(oid)) is not None
        ]
        return len(set(numbers)) == len(numbers) and len(numbers) > max(
            1, len(side.commits) // 2
        )

    def _is_import(self, oid: str) -> bool:
        """Return whether a merge brought the history of another project."""
        others = self._nodes[oid].parents[1:]
        return (
            bool(others)
            and oid not in self._foreign
            and any(parent in self._foreign for parent in others)
        )

    def brought(self, oid: str) -> Brought:
        """Return what a landing brought, without commits that are landings themselves
        and without other projects' history.
        """
        found = self._found[oid]
        oids: list[str] = []
        imports = [oid] if self._is_import(oid) else []
        todo = list(found.sides)
        while todo:
            branch = todo.pop()
            for commit in branch.commits:
                if commit in self._found or commit in self._foreign:
                    continue
                oids.append(commit)
                todo += branch.sides.get(commit, [])
                if self._is_import(commit):
                    imports.append(commit)
        return Brought(
            sorted(oids, key=lambda commit: self._nodes[commit].place, reverse=True), imports
        )

    def _landing(self, found: _Found, landed_at: datetime) -> Landing:
        node = self._nodes[found.oid]
        is_merge = len(node.parents) > 1
        brought = self.brought(found.oid)
        own = brought.oids if is_merge else [found.oid]
        parted = self._parted_at(found) if is_merge else None
        opened, known = _opening(
            [self._nodes[oid] for oid in own], landed_at, parted, is_merge=is_merge
        )
        is_foreign = is_merge and not own and self._is_import(found.oid)
        stamps = (
            landed_at,
            opened,
            known and not found.is_release,
            found.is_release,
            is_foreign,
        )
        parts = [found.oid, *map(str, stamps), *own, *brought.imports]
        return Landing(
            found.oid,
            landed_at,
            one_line(node.message.partition("\n")[0]),
            is_merge,
            found.is_release,
            opened,
            known and not found.is_release,
            is_foreign,
            hashlib.sha256(" ".join(parts).encode()).hexdigest(),
        )

    def _parted_at(self, found: _Found) -> datetime | None:
        """Return the date of the commit that the merged branch began at, None if that
        is unknown.
        """
        if not found.sides:
            return None
        parents = self._nodes[found.sides[0].commits[0]].parents
        base = (
            (self._nodes.get(parents[0]) or self._outside.get(parents[0])) if parents else None
        )
        return base.committed_at if base else None


def _opening(
    nodes: Sequence[Node], landed_at: datetime, parted: datetime | None, *, is_merge: bool
) -> tuple[datetime, bool]:
    """Return when a landing was opened, and whether that is known.

    It is unknown if all its dates are equal (a squash has the date of its merge), or
    older than its base (it was rebased).
    """
    dates = [node.authored_at for node in nodes if node.authored_at is not None]
    if not dates:
        dates = [node.committed_at for node in nodes if node.committed_at is not None]
    opened = min(dates, default=landed_at)
    known = opened < landed_at if is_merge else opened <= landed_at - _ONE_DATE
    if parted is not None and opened < parted <= landed_at:
        known = known and parted - opened <= _SKEW and parted < landed_at
        opened = parted
    return min(opened, landed_at), known


def _oldest_left_out(
    git: Git, tip: str, since: datetime | None
) -> tuple[str | None, dict[str, int]]:
    """Return the commit below the oldest commit of the trunk that landed since then,
    and the positions of the trunk's commits.

    Commits below that one are not needed.
    """
    if since is None:
        return None, {}
    left_out: str | None = tip
    chain: dict[str, int] = {}
    form = "--format=tformat:%H%x00%P%x00%at%x00%ct"
    fields = git.fields("log", "-z", "--first-parent", form, *LOG_OPTIONS, tip, "--")
    for oid, parents, authored, committed in zip(fields, fields, fields, fields, strict=False):
        chain[oid] = len(chain)
        # A clock that was wrong once must not end the walk, so all of the trunk is
        # checked.
        landed_at = moment(committed) or moment(authored)
        if landed_at is not None and landed_at >= since:
            left_out = parents.split()[0] if parents else None
    return left_out, chain
