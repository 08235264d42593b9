"""Counts the landings of a repository a second time, slowly and by other means.

The product reads the graph into memory and walks it. This counter asks git about each
merge (`git rev-list A ^B`) and shares no code with the product, so a mistake in one of
them shows as a difference. To compare both on a clone, and print what differs:

    python -m tests.integrations.git.counter /path/to/clone main

    kind           product  counter
    pull_request       135      135
    direct_commit      362      362
    497 landings agree, 0 differ

The rules:

* The trunk is the line of first parents. At a back-merge, which merged the trunk into
  a branch that the trunk then took over, the trunk goes on at the second parent. What
  only the first parent has landed as well. A title tells a back-merge if it names the
  trunk, unless only the first parent had merges with a number.
* A commit of the line is a pull request if its message has a number or a Change-Id,
  else a direct commit. A merge is a pull request of what its first parent lacks.
* Merges with a number that lie inside another one have landed themselves, and make the
  outer one a release. So have squashes and merges of a branch that lives long by its
  name, and squashes of a branch that consists of them. A merge of such a branch of the
  same repository is a release whatever it brings.
* What doesn't descend from the trunk's first commit is another project's.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

PULL_REQUEST = "pull_request"
RELEASE = "release"
DIRECT_COMMIT = "direct_commit"

DAY = 86_400
MINUTE = 60
LISTED = 250  # the most commits that a record lists, the oldest ones
GITHUB = "noreply@github.com"
TRUNKS = {"main", "master", "trunk"}
# As apps/integrations/sources/branches.py describes them.
LONG_LIVED = re.compile(
    r"main|master|trunk|default|dev|devel|develop|development|next|integration|staging|stage"
    r"|stable|live|qa|uat|canary|prod|production|preprod|pre-production|nightly"
    r"|releases?|(releases?|stable)/.+"
    r"|(releases?|stable|support|maint|maintenance)[/_-]v?\d.*"
    r"|v?\d+([._-]\d+)*(\.x|[._-](stable|maintenance|maint|release|lts))"
)

# The titles that forges give to merges and to squashes.
MERGES = [
    re.compile(r"Merge pull request #(?P<number>\d+) in \S+ from (?P<branch>\S+) to \S+"),
    re.compile(r"Merge pull request #(?P<number>\d+) from [^/\s]+/(?P<branch>\S+)"),
    re.compile(r"Merge pull request #(?P<number>\d+) from (?P<branch>\S+)"),
    re.compile(r"Merged in (?P<branch>\S+) \(pull request #(?P<number>\d+)\)"),
]
SQUASHES = [
    re.compile(r"Merged PR (?P<number>\d+): (?P<title>.+)"),
    re.compile(r"(?P<title>.*\S)\s*\((?:[\w.-]+/[\w.-]+)?[#!](?P<number>\d+)\)"),
    re.compile(r"(?P<title>.*\S)\s*\(pull request #(?P<number>\d+)\)"),
]
# The lines below a text that name where it was reviewed.
REVIEWS = [
    re.compile(r"^See merge request (?:[^\s!]*)!(\d+)\s*$", re.MULTILINE),
    re.compile(r"^See merge request https?://\S+/merge_requests/(\d+)\s*$", re.MULTILINE),
    re.compile(r"^Reviewed-on: https?://\S*?/(\d+)/?\s*$", re.MULTILINE),
    re.compile(r"^Differential Revision: \S*?D(\d+)\s*$", re.MULTILINE),
]
CHANGE = re.compile(r"^Change-Id: I[0-9a-f]{40}\s*$", re.MULTILINE)
GIT_MERGE = re.compile(
    r"Merge (?P<remote>remote-tracking )?branch '(?P<branch>[^']+)'"
    r"(?P<of> of \S+)?(?P<into> into '[^']+')?(?: into [^'].*)?"
)
OCTOPUS = re.compile(r"Merge branches '(?P<names>[^']+'(?:(?:, | and )'[^']+)+)'.*")


@dataclass(frozen=True)
class Commit:
    sha: str
    parents: tuple[str, ...]
    author: str
    authored: int
    committed: int
    committer: str
    title: str
    body: str

    @property
    def is_merge(self) -> bool:
        return len(self.parents) > 1

    @cached_property
    def number(self) -> int | None:
        """Return the number of the pull request that this commit landed."""
        for form in MERGES + SQUASHES:
            if found := form.fullmatch(self.title):
                return int(found["number"])
        for review in REVIEWS:
            if numbers := review.findall(self.body):
                return int(numbers[-1])
        return None

    @property
    def is_numbered(self) -> bool:
        return self.number is not None

    @property
    def is_reviewed(self) -> bool:
        return self.is_numbered or CHANGE.search(self.body) is not None

    @property
    def branches(self) -> list[str]:
        """Return the names of the branches that a merge names, without their remote."""
        for form in MERGES:
            if found := form.fullmatch(self.title):
                return [found["branch"].rpartition(":")[2]]
        if found := OCTOPUS.fullmatch(self.title):
            return re.split(r"'(?:, | and )'", found["names"])
        found = GIT_MERGE.fullmatch(self.title)
        if found is None:
            return []
        name = found["branch"].rpartition(":")[2]
        return [name.partition("/")[2] if found["remote"] else name]

    def is_of_fork(self, owner: str) -> bool:
        """Tell a merge whose title names a branch that is or may be another owner's."""
        if found := re.fullmatch(r"Merge pull request #\d+ from ([^/\s]+)/\S+", self.title):
            return found[1].lower() != owner.lower()
        found = GIT_MERGE.fullmatch(self.title)
        if found is None:
            return False
        remote = found["branch"].partition("/")[0] if found["remote"] else "origin"
        is_elsewhere = found["of"] is not None or ":" in found["branch"]
        return (
            is_elsewhere or remote not in ("origin", "upstream") or self.target in self.branches
        )

    @property
    def target(self) -> str:
        """Return the branch that a merge went into, if GitLab wrote it."""
        found = GIT_MERGE.fullmatch(self.title)
        into = found["into"] if found else None
        return into.removeprefix(" into ").strip("'") if into else ""

    @property
    def seconds(self) -> list[int]:
        """Return its dates, without those that no clock of a developer shows."""
        latest = datetime.now(UTC).timestamp() + 2 * DAY
        return [date for date in (self.authored, self.committed) if 10 * DAY < date < latest]


@dataclass
class Landing:
    """What landed. `commits` are those that a merge brought, or the commit itself."""

    sha: str
    kind: str
    number: int | None
    commits: set[str] = field(default_factory=set)
    author: str = ""
    merged: int = 0


class Counter:
    def __init__(self, path: Path, trunk: str = "") -> None:
        self.path = path
        self.trunk = trunk or self._git("symbolic-ref", "--short", "HEAD").strip()
        self.tip = self._git("rev-parse", "--verify", f"{self.trunk}^{{commit}}").strip()
        self.commits = self._read_commits()
        self.oldest_first = list(self._rev_list("--date-order", "--reverse", self.tip))
        self.ours = self._ours()
        self.owner = self._owner()
        self.found: dict[str, Landing] = {}
        self._known: dict[str, bool] = {}

    def landings(self) -> dict[str, Landing]:
        self.found = {}
        # Whether a merge is a back-merge depends on the merges before it.
        for sha in self.oldest_first:
            self._is_back_merge(self.commits[sha])
        self._walk(self.tip, set(self.commits))
        return self.found

    def _walk(self, tip: str, within: set[str]) -> None:
        """Land a line of first parents that is the trunk, as far as it lies within
        these.
        """
        for commit in self._line(tip, within):
            if commit.sha not in self.ours:
                continue
            if not commit.is_merge:
                self._land(commit, {commit.sha})
                continue
            brought = self._brought(commit) & within
            self._land(commit, brought)

    def _line(self, tip: str, within: set[str]) -> Iterator[Commit]:
        """Yield the commits of the trunk, the newest first, and take in what it took
        over.
        """
        sha = tip
        while sha in within:
            commit = self.commits[sha]
            if self._is_back_merge(commit):
                trunk, *others = self._trunk_first(commit)
                for other in others:
                    own = self._between(trunk, other) & within
                    self._walk(other, own)
                sha = trunk
                continue
            yield commit
            sha = commit.parents[0] if commit.parents else ""

    def _trunk_first(self, commit: Commit) -> list[str]:
        """Return the parents of a back-merge, first the one that the trunk goes on at."""
        first, *others = commit.parents
        names = set(commit.branches)
        trunks = TRUNKS if self.trunk in TRUNKS else {self.trunk}
        if len(others) == 1 and names <= trunks:
            return [*others, first]
        return [first, *others]

    def _land(self, commit: Commit, commits: set[str]) -> None:
        is_import = self._is_import(commit)
        brought = commits & self.ours
        kind = DIRECT_COMMIT
        if commit.is_merge and (brought or not is_import):
            kind = PULL_REQUEST
        if commit.is_reviewed:
            kind = PULL_REQUEST
        landing = Landing(commit.sha, kind, commit.number, brought)
        self.found[commit.sha] = landing
        if commit.is_merge:
            self._land_inside(landing, brought)
        self._date(landing)

    def _land_inside(self, outer: Landing, brought: set[str]) -> None:
        """Land what landed on the branches that a merge brought."""
        merge = self.commits[outer.sha]
        lines = [(parent, True) for parent in merge.parents[1:]]
        left = set(brought)
        while lines:
            tip, is_outermost = lines.pop(0)
            line = self._first_parents(tip, left)
            left -= {commit.sha for commit in line}
            landed = [commit for commit in line if self._lands_in(commit, merge, line)]
            for commit in line:
                if commit not in landed:
                    lines += [(parent, False) for parent in commit.parents[1:]]
            for commit in landed[::-1]:
                own = {commit.sha}
                if commit.is_merge:
                    own = self._brought(commit) & left
                    left -= own
                outer.commits -= own | {commit.sha}
                self._land(commit, own)
            is_release = bool(landed) or self._is_of_kept_branch(merge, line)
            if not is_release or not is_outermost:
                continue
            outer.kind = RELEASE
            if merge.is_numbered:
                continue
            for commit in line:
                if not commit.is_merge and commit.sha not in self.found:
                    outer.commits.discard(commit.sha)
                    self._land(commit, {commit.sha})

    def _lands_in(self, commit: Commit, merge: Commit, line: list[Commit]) -> bool:
        """Tell whether a commit of a merged branch is a landing itself."""
        if commit.sha not in self.ours:
            return False
        names = merge.branches
        lives_long = bool(names) and all(self._is_long_lived(name) for name in names)
        if not commit.is_numbered:
            brings = commit.is_merge and bool(self._brought(commit))
            return lives_long and brings and not self._names_trunk(commit)
        if commit.is_merge or commit.committer == GITHUB or lives_long:
            return True
        numbers = [other.number for other in line if other.is_numbered]
        is_of_squashes = len(numbers) > max(1, len(line) // 2)
        return is_of_squashes and len(set(numbers)) == len(numbers) and not merge.is_numbered

    def _is_of_kept_branch(self, merge: Commit, line: list[Commit]) -> bool:
        names = merge.branches
        if not names or self.trunk in names or merge.is_of_fork(self.owner):
            return False
        has_own = any(commit.sha in self.ours for commit in line)
        return has_own and all(LONG_LIVED.fullmatch(name) for name in names)

    def _is_long_lived(self, name: str) -> bool:
        return name == self.trunk or LONG_LIVED.fullmatch(name) is not None

    def _names_trunk(self, commit: Commit) -> bool:
        """Tell whether a merge's title names the trunk as what was merged."""
        trunks = {self.trunk, *TRUNKS}
        names = commit.branches
        return bool(names) and trunks.issuperset(names) and commit.target not in trunks

    def _is_back_merge(self, commit: Commit) -> bool:
        if commit.sha not in self._known:
            self._known[commit.sha] = self._brought_trunk(commit)
        return self._known[commit.sha]

    def _brought_trunk(self, commit: Commit) -> bool:
        """Tell a merge of the trunk into a branch that the trunk then took over.

        Its title names the trunk. Or it names nothing, and only what the second parent
        has beyond the first one landed by number.
        """
        if not commit.is_merge or commit.is_numbered or self._is_import(commit):
            return False
        if commit.sha not in self.ours:
            return False
        names_trunk = self._names_trunk(commit)
        is_other = names_trunk and self._trunk_first(commit)[0] == commit.parents[0]
        if is_other or len(commit.parents) > 2:
            return names_trunk
        if commit.branches and not names_trunk:
            return False
        first, second = commit.parents
        others = self._first_parents(second, self._between(first, second))
        has_numbers = any(other.is_numbered for other in others)
        if has_numbers is names_trunk:
            return has_numbers
        own = self._trunk_line(first, self._between(second, first))
        if not self._left_line(first, others):
            own = []
        if names_trunk:
            return not any(other.is_merge and other.is_numbered for other in own)
        return bool(own) and not any(other.is_numbered for other in own)

    def _is_import(self, commit: Commit) -> bool:
        return not self.ours.issuperset(commit.parents[1:])

    def _date(self, landing: Landing) -> None:
        """Set the author, who wrote the oldest commit, and when it was merged."""
        commit = self.commits[landing.sha]
        listed = [sha for sha in self.oldest_first if sha in landing.commits]
        landing.commits = set(listed[:LISTED])
        landing.author = self.commits[listed[0]].author if listed else commit.author
        landing.merged = commit.seconds[-1] if commit.seconds else 0

    def _brought(self, commit: Commit) -> set[str]:
        """Return what a merge brought, without itself."""
        brought = self._between(commit.parents[0], commit.sha)
        return (brought - {commit.sha}) & self.ours

    def _between(self, without: str, sha: str) -> set[str]:
        return set(self._rev_list(sha, f"^{without}"))

    def _first_parents(self, tip: str, within: set[str]) -> list[Commit]:
        line = []
        while tip in within:
            commit = self.commits[tip]
            line.append(commit)
            tip = commit.parents[0] if commit.parents else ""
        return line

    def _left_line(self, tip: str, branch: list[Commit]) -> bool:
        """Tell whether a branch began at a commit of the line that ends with the tip."""
        if not branch or not branch[-1].parents:
            return False
        start = branch[-1].parents[0]
        return any(commit.sha == start for commit in self._trunk_line(tip, set(self.commits)))

    def _trunk_line(self, tip: str, within: set[str]) -> list[Commit]:
        """Return a line of first parents that goes on at the second parent of a
        back-merge.
        """
        line = []
        while tip in within:
            commit = self.commits[tip]
            line.append(commit)
            parents = (
                self._trunk_first(commit) if self._is_back_merge(commit) else commit.parents
            )
            tip = parents[0] if parents else ""
        return line

    def _ours(self) -> set[str]:
        root = self._rev_list("--first-parent", self.tip)[-1]
        return {root, *self._rev_list("--ancestry-path", f"{root}..{self.tip}")}

    def _owner(self) -> str:
        """Return whose repository `origin` is, an empty string if it isn't known."""
        address = ["config", "--get", "remote.origin.url"]
        done = subprocess.run(
            ["git", "-C", str(self.path), *address],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        found = re.search(r"[:/]([^/:]+)/[^/]+$", done.stdout.strip())
        return found[1] if found else ""

    def _rev_list(self, *args: str) -> list[str]:
        return self._git("rev-list", *args).split()

    def _read_commits(self) -> dict[str, Commit]:
        form = "%H%n%P%n%aN%n%at%n%ct%n%cE%n%B"
        text = self._git("log", "-z", f"--format={form}", self.tip)
        commits = {}
        for record in text.rstrip("\0").split("\0"):
            sha, parents, author, authored, committed, email, message = record.split("\n", 6)
            title, _, body = message.strip().partition("\n")
            commits[sha] = Commit(
                sha,
                tuple(parents.split()),
                author,
                int(authored or 0),
                int(committed or 0),
                email,
                title.strip(),
                body,
            )
        return commits

    def _git(self, *args: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.path), *args], check=True, capture_output=True, timeout=120
        )
        return done.stdout.decode("utf-8", "replace")


def differences(product: dict[str, Landing], counter: dict[str, Landing]) -> list[str]:
    """Return a line for each landing that isn't the same in both."""
    lines = []
    for sha in sorted(product.keys() | counter.keys()):
        mine, theirs = product.get(sha), counter.get(sha)
        if mine != theirs:
            lines.append(f"{sha[:12]} product {_shown(mine)}, counter {_shown(theirs)}")
    return lines


def read_product(path: Path) -> tuple[str, dict[str, Landing]]:
    """Return the trunk that the product reads, and the landings that it finds."""
    from apps.integrations.sources.git.repository import GitRepository
    from apps.metrics.records import ChangeKind

    kinds = {
        ChangeKind.PULL_REQUEST: PULL_REQUEST,
        ChangeKind.RELEASE: RELEASE,
        ChangeKind.CHANGE: DIRECT_COMMIT,
    }
    repository = GitRepository.open(str(path), path.parent)
    shas = [landing.oid for landing in repository.landings(datetime(1980, 1, 1, tzinfo=UTC))]
    found = {}
    for start in range(0, len(shas), 100):
        for record in repository.read(shas[start : start + 100]):
            sha = record.merge_commit_oid
            found[sha] = Landing(
                sha,
                kinds[record.kind],
                record.number,
                {commit.oid for commit in record.commits},
                record.author.name if record.author else "",
                int(record.merged_at.timestamp()) if record.merged_at else 0,
            )
    return repository.trunk, found


def _shown(landing: Landing | None) -> str:
    if landing is None:
        return "none"
    number = f" #{landing.number}" if landing.number else ""
    count = len(landing.commits)
    return f"{landing.kind}{number} by {landing.author} at {landing.merged}, {count} commits"


def main() -> int:
    """Compare the product with the counter on a clone; return 1 if they differ."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("path", type=Path, help="of a clone, or of a bare repository")
    parser.add_argument(
        "trunk", nargs="?", default="", help="a ref; by default what the product reads"
    )
    options = parser.parse_args()
    path = options.path.resolve()
    trunk, product = read_product(path)
    counter = Counter(path, options.trunk or trunk).landings()
    print(f"{'kind':14} {'product':>8} {'counter':>8}")
    for kind in (PULL_REQUEST, RELEASE, DIRECT_COMMIT):
        counts = [
            sum(1 for landing in found.values() if landing.kind == kind)
            for found in (product, counter)
        ]
        print(f"{kind:14} {counts[0]:8} {counts[1]:8}")
    lines = differences(product, counter)
    for line in lines:
        print(line)
    print(f"{len(product.keys() | counter.keys()) - len(lines)} agree, {len(lines)} differ")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
