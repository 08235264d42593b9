"""Reads commits with their sizes, many per process, from `git log`'s NUL-separated output."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from apps.integrations.git.command import LOG_OPTIONS, Git

# id, parents, author, author date, committer, committer date, message; %aN and %aE go through .mailmap.
_FORMAT = "%x00".join(["%H", "%P", "%aN", "%aE", "%at", "%cN", "%cE", "%ct", "%B"])
_FIELDS = 9
# Lines added and removed ("-": a binary file), then the path; of a rename, two paths in fields of their own.
_SIZE = re.compile(r"(\d+|-)\t(\d+|-)\t(.*)", re.DOTALL)
_LAST_SECOND = 253_402_214_400  # 9999-12-31: later ones do not fit a date


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """One commit as git gives it. Dates that cannot be read are None, and so are sizes that were not asked for."""

    oid: str
    parents: tuple[str, ...]
    author_name: str
    author_email: str
    authored_at: datetime | None
    committer_name: str
    committer_email: str
    committed_at: datetime | None
    message: str
    additions: int | None
    deletions: int | None
    changed_files: int | None


def moment(seconds: str) -> datetime | None:
    """A date of git's in UTC. None where it is malformed, in the far future, or not after 1970 began."""
    if not seconds.isascii() or not seconds.isdigit() or len(seconds) > 12:
        return None
    number = int(seconds)
    return datetime.fromtimestamp(number, UTC) if 0 < number < _LAST_SECOND else None


def read_commits(git: Git, oids: Iterable[str], *, merges: bool) -> Iterator[CommitRecord]:
    """The commits with these ids, in this order, each once.

    Sizes are those of the change from the first parent, of a root commit from nothing; of merge commits only with
    `merges`. Renamed files count as changed with the lines that differ.
    """
    wanted = list(oids)
    if not wanted:
        return
    tokens = git.fields(
        "log",
        "--stdin",
        "--no-walk=unsorted",
        "-z",
        f"--format=tformat:{_FORMAT}",
        *LOG_OPTIONS,
        "--root",
        "--numstat",
        "--find-renames=50%",
        "-l400",
        "--submodule=short",
        "--ignore-submodules=none",
        f"--diff-merges={'first-parent' if merges else 'off'}",
        given=wanted,
    )
    token = next(tokens, None)
    while token is not None:
        header = [token, *(next(tokens, "") for _ in range(_FIELDS - 1))]
        additions = deletions = files = 0
        token = next(tokens, None)
        while token is not None and (size := _SIZE.fullmatch(token.removeprefix("\n"))):
            additions += int(size[1]) if size[1] != "-" else 0
            deletions += int(size[2]) if size[2] != "-" else 0
            files += 1
            if not size[3]:
                next(tokens), next(tokens)
            token = next(tokens, None)
        yield _record(header, (additions, deletions, files), merges=merges)


def _record(header: list[str], sizes: tuple[int, int, int], *, merges: bool) -> CommitRecord:
    oid, parents, author, author_email, authored, committer, committer_email, committed, message = header
    known = merges or " " not in parents
    return CommitRecord(
        oid=oid,
        parents=tuple(parents.split()),
        author_name=author,
        author_email=author_email,
        authored_at=moment(authored),
        committer_name=committer,
        committer_email=committer_email,
        committed_at=moment(committed),
        message=message.removesuffix("\n"),
        additions=sizes[0] if known else None,
        deletions=sizes[1] if known else None,
        changed_files=sizes[2] if known else None,
    )
