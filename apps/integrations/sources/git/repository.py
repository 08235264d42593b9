"""A local clone or bare repository, read as pull requests.

    repository = GitRepository.open("acme/api", settings.GIT_SOURCE_ROOT)
    landings = repository.landings(since)                    # newest first, light
    for unit in batched(landings, 25):
        pulls = repository.read([landing.oid for landing in unit])

Each landing on the trunk becomes one record with `external_id` `git:<oid>`, state
merged:

- a merge is a pull request with the commits that it brought; sizes are the difference
  from its first parent;
- a squash, known by the number in its message, is a pull request with itself as its one
  commit;
- a merge of a long-lived branch, which brought other landings, is a release; these are
  records of their own;
- any other commit is a change.

A merge is created at the earliest author's date of its commits, a squash or change at
its author's date, none later than it landed or before its branch left the trunk. If
that is a guess, `opening_known` is False and there is no duration. Its author is that
of its oldest commit. There are no reviews: git knows of none. The history of another
project is left out. Two landings may have one number (a pull request merged again after
a revert); their external ids differ.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Self

from apps.integrations.sources.git.attributes import LeftOut
from apps.integrations.sources.git.command import Git, is_oid
from apps.integrations.sources.git.commits import CommitRecord, read_commits
from apps.integrations.sources.git.errors import (
    CannotRead,
    EmptyRepository,
    GitError,
    GitMissing,
    LandingGone,
    NoSuchPath,
    NotARepository,
    OutsideRoot,
    PartialClone,
    SourceDisabled,
    TimedOut,
)
from apps.integrations.sources.git.history import History, Landing
from apps.integrations.sources.git.location import (
    Location,
    locate,
    read_config_file,
    shallow_boundary,
)
from apps.integrations.sources.git.messages import one_line
from apps.integrations.sources.git.origin import Origin, read_origin
from apps.integrations.sources.git.records import LISTED_COMMITS, landing_record
from apps.integrations.sources.git.shadow import Shadow, is_partial
from apps.metrics.records import PullRequestData

__all__ = [
    "LISTED_COMMITS",
    "CannotRead",
    "EmptyRepository",
    "GitError",
    "GitMissing",
    "GitRepository",
    "Landing",
    "LandingGone",
    "NoSuchPath",
    "NotARepository",
    "OutsideRoot",
    "PartialClone",
    "SourceDisabled",
    "TimedOut",
]

_KEY_LENGTH = 500
# Raise it when the rules of records change, so that everything is read again.
RULES = "3"


class GitRepository:
    """One repository as it was when it was opened. Later pushes are not visible in it.

    name         `owner/repo` from the remote `origin`, else `local/<path below the root>`
    url          its page on GitHub, GitLab or Bitbucket, or ""
    key          stable id: the resolved path, the same for a folder and the `.git` in it
    trunk        name of the branch that is read
    is_shallow   the clone's history is cut off
    clipped      of the merges read so far that brought more than LISTED_COMMITS commits: {oid: number brought};
                 only the oldest LISTED_COMMITS are in their records
    """

    def __init__(
        self, git: Git, location: Location, trunk: str, tip: str, origin: Origin
    ) -> None:
        self._git = git
        self._shadow: Shadow | None = None  # lives as long as the repository is open
        self._location = location
        self._tip = tip
        self._origin = origin
        self._boundary = shallow_boundary(location.common_dir)
        self._since: datetime | None = None
        self._known: History | None = None
        self._rules: LeftOut | None = None
        self._kept: str | None = None
        self.trunk = trunk
        self.name = origin.name
        self.url = origin.url
        self.key = _key(identity_of(location))
        self.is_shallow = bool(self._boundary)
        self.clipped: dict[str, int] = {}

    @classmethod
    def open(cls, path: str, root: Path | None, *, timeout: float = 300.0) -> Self:
        """Open the repository at `path`, relative to `root` or absolute and below it.
        `timeout` is in seconds, per process.

        Raises GitError; see `errors` for its subclasses.
        """
        location = locate(path, root)
        shadow = Shadow(location)
        git = Git(
            shadow.git_dir, location.shown, timeout, objects=location.common_dir / "objects"
        )
        # The format of storage must be known before git reads any object.
        settings = git.settings_in(read_config_file(location))
        shadow.configure(settings)
        git.is_partial = is_partial(settings)
        trunk, tip = _trunk(git, location)
        git.use_mailmap_of(tip)
        address = settings.get("remote.origin.url", "")
        opened = cls(
            git, location, trunk, tip, read_origin(address) or Origin(_local_name(location))
        )
        opened._shadow = shadow
        return opened

    def count(self, since: datetime) -> int:
        """Return how many landings there are since then."""
        return len(self._history(since).landings)

    def landings(self, since: datetime, after: str | None = None) -> list[Landing]:
        """Return what landed since then, newest first; with `after`, only what follows
        that landing.

        If `after` is missing because the trunk was rewritten, everything is returned
        again.
        """
        landings = self._history(since).landings
        for index, landing in enumerate(landings):
            if landing.oid == after:
                return landings[index + 1 :]
        return list(landings)

    def cut_at(self, since: datetime) -> datetime | None:
        """Return the time until which the history since then is cut off; None if it is
        complete.
        """
        return self._history(since).cut_at

    def missing(self, since: datetime) -> str | None:
        """Return a message for users about what cannot be read since then; None if all
        of it can.
        """
        cut_at = self.cut_at(since)
        if cut_at is None:
            return None
        return (
            f"The clone is shallow: what landed until {cut_at:%Y-%m-%d} is not in it. "
            f"Run 'git fetch --unshallow' in '{self._location.shown}', then retry."
        )

    def read(self, oids: Sequence[str]) -> list[PullRequestData]:
        """Return the records of these landings, in this order, with bodies, sizes, and
        commits; 25 to 100 are a good unit.

        Raises LandingGone if an id is no longer on the trunk, and CannotRead,
        PartialClone, TimedOut.
        """
        history = self._history_of(oids)
        left_out = self._left_out()
        brought = {oid: history.brought(oid) for oid in oids}
        listed = {oid: found.oids[:LISTED_COMMITS] for oid, found in brought.items()}
        self.clipped |= {
            oid: len(found.oids)
            for oid, found in brought.items()
            if len(found.oids) > LISTED_COMMITS
        }
        imported = {
            oid: self._imported(found.imports)
            for oid, found in brought.items()
            if found.imports
        }
        # Landings without imports share one git process. The others need rules of their
        # own, which leave out the imported paths.
        plain = [oid for oid in oids if oid not in imported]
        landed = _by_oid(self._git, plain, merges=True, left_out=left_out)
        for oid, paths in imported.items():
            landed |= _by_oid(self._git, [oid], merges=True, left_out=left_out.and_also(paths))
        # A dictionary, because it has each commit once and keeps the order.
        wanted = {oid: None for some in listed.values() for oid in some}
        commits = _by_oid(self._git, wanted, merges=False, left_out=left_out)
        return [
            landing_record(
                history.by_oid[oid],
                landed[oid],
                [commits[commit] for commit in listed[oid]],
                digest=self.digest(history.by_oid[oid]),
                trunk=self.trunk,
                origin=self._origin,
                boundary=self._boundary,
            )
            for oid in oids
        ]

    def digest(self, landing: Landing) -> str:
        """Return a text that changes whenever the landing's record would."""
        return hashlib.sha256(f"{self._context()} {landing.digest}".encode()).hexdigest()[:32]

    def _context(self) -> str:
        """Return the values, apart from the history, that all records depend on."""
        if self._kept is None:
            names = ""
            with suppress(
                CannotRead, PartialClone
            ):  # a damaged tree is reported by the landings that need it
                names = (
                    self._git.line("rev-parse", "--verify", "--quiet", f"{self._tip}:.mailmap")
                    or ""
                )
            # Everything that changes records without a new commit: the rules, the
            # trunk's name, `.mailmap`, attributes, the origin, and the depth of the
            # clone.
            parts = [
                RULES,
                self.trunk,
                names,
                self._left_out().key,
                self._origin.url,
                *sorted(self._boundary),
            ]
            self._kept = hashlib.sha256("\n".join(parts).encode()).hexdigest()
        return self._kept

    def _left_out(self) -> LeftOut:
        if self._rules is None:
            self._rules = LeftOut(self._git, self._tip)
        return self._rules

    def _imported(self, merges: Sequence[str]) -> frozenset[str]:
        """Return the paths that these merges of another project's history changed."""
        records = read_commits(
            self._git, merges, merges=True, left_out=self._left_out(), paths=True
        )
        return frozenset(path for record in records for path in record.paths)

    def _history(self, since: datetime | None) -> History:
        # The last history is kept, because the units of a sync ask for the same one
        # again and again.
        if self._known is None or self._since != since:
            self._known = History(
                self._git,
                self._tip,
                self.trunk,
                since,
                self._boundary,
                owner=self._origin.owner,
            )
            self._since = since
        return self._known

    def _history_of(self, oids: Sequence[str]) -> History:
        """Return a history with these landings: the last one that was read, or the
        whole.
        """
        known = self._known
        if known is None or any(oid not in known.by_oid for oid in oids):
            known = self._history(None)
        for oid in oids:
            if oid not in known.by_oid:
                raise LandingGone(self._location.shown, one_line(oid, 64))
        return known


def _by_oid(
    git: Git, oids: Sequence[str] | dict[str, None], *, merges: bool, left_out: LeftOut
) -> dict[str, CommitRecord]:
    return {
        commit.oid: commit
        for commit in read_commits(git, oids, merges=merges, left_out=left_out)
    }


def _trunk(git: Git, location: Location) -> tuple[str, str]:
    """Return the name and tip of the branch that is read: the remote's, else the one
    checked out, else main or master.
    """
    candidates = []
    remote = git.line("symbolic-ref", "--quiet", "refs/remotes/origin/HEAD")
    if remote and remote.startswith("refs/remotes/origin/"):
        # The remote's default branch comes first: a clone may have any branch checked
        # out.
        candidates.append((remote.removeprefix("refs/remotes/origin/"), remote))
    head = git.line("symbolic-ref", "--quiet", "HEAD")
    if head and head.startswith("refs/heads/"):
        candidates.append((head.removeprefix("refs/heads/"), head))
    for name in ("main", "master"):
        candidates += [(name, f"refs/heads/{name}"), (name, f"refs/remotes/origin/{name}")]
    for name, ref in [*candidates, ("HEAD", "HEAD")]:
        tip = git.line("rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
        if tip is None:
            continue
        if not is_oid(tip):
            raise CannotRead(location.shown, "the answers of the program 'git' can't be used")
        return name, tip
    # A damaged repository must not be reported as an empty one.
    if _has_commits(git):
        raise CannotRead(location.shown, "its newest commit is missing or damaged")
    raise EmptyRepository(location.shown)


def _has_commits(git: Git) -> bool:
    """Return whether a reference names a commit, even if that commit is missing.

    In a repository without commits no reference does.
    """
    names = (
        git.line("for-each-ref", "--count=1", "--format=%(refname)"),
        git.line("rev-parse", "--quiet", "--verify", "HEAD"),
    )
    return any(names)


def _key(path: Path) -> str:
    key = str(path).encode(errors="replace").decode()
    return (
        key if len(key) <= _KEY_LENGTH else "sha256:" + hashlib.sha256(key.encode()).hexdigest()
    )


def identity_of(location: Location) -> Path:
    """Return the folder that identifies a repository.

    It is `good` for both `good` and `good/.git`.
    """
    return location.path.parent if location.path.name == ".git" else location.path


def _local_name(location: Location) -> str:
    place = identity_of(location)
    below = (
        place.relative_to(location.root).parts if place.is_relative_to(location.root) else ()
    )
    below = below or (location.root.name,)
    return one_line(
        "/".join(["local", *below]).removesuffix(".git").encode(errors="replace").decode(), 250
    )
