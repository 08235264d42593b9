"""Read commits with their sizes, many per process, from `git log`'s NUL-separated
output.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from apps.integrations.sources.git.attributes import LeftOut
from apps.integrations.sources.git.command import LOG_OPTIONS, Git
from apps.metrics.figures.moments import EARLIEST, latest

# id, parents, author, author date, committer, committer date, message; %aN and %aE go
# through .mailmap.
_FORMAT = "%x00".join(["%H", "%P", "%aN", "%aE", "%at", "%cN", "%cE", "%ct", "%B"])
_FIELDS = 9
# Lines added and removed ("-": a binary file), then the path; of a rename, two paths in
# fields of their own.
_SIZE = re.compile(r"(\d+|-)\t(\d+|-)\t(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class CommitRecord:
    """One commit as git returns it.

    Dates that cannot be read are None, and so are sizes that were not asked for.
    """

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
    # Lines in generated and vendored files. The other counts do not include them.
    left_out: int = 0
    paths: tuple[str, ...] = ()


def moment(seconds: str) -> datetime | None:
    """Return one of git's dates in UTC. Return None if it is malformed, or a time that
    no correct clock can have shown.
    """
    if not seconds.isascii() or not seconds.isdigit() or len(seconds) > 11:
        return None
    number = int(seconds)
    if not EARLIEST.timestamp() <= number <= latest().timestamp():
        return None
    return datetime.fromtimestamp(number, UTC)


def read_commits(
    git: Git, oids: Iterable[str], *, merges: bool, left_out: LeftOut, paths: bool = False
) -> Iterator[CommitRecord]:
    """Yield the commits with these ids, in this order, each once.

    Sizes are those of the change from the first parent, of a root commit from nothing;
    of merge commits only with `merges`. Renamed files count as changed with the lines
    that differ. Generated and vendored files are left out, and so are changed line
    ends. With `paths` the records name the changed files.
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
        "--ignore-cr-at-eol",
        "--submodule=short",
        "--ignore-submodules=none",
        f"--diff-merges={'first-parent' if merges else 'off'}",
        given=wanted,
    )
    read: list[tuple[list[str], list[tuple[str, int, int]]]] = []
    token = next(tokens, None)
    while token is not None:
        header = [token, *(next(tokens, "") for _ in range(_FIELDS - 1))]
        files: list[tuple[str, int, int]] = []
        token = next(tokens, None)
        while token is not None and (size := _SIZE.fullmatch(token.removeprefix("\n"))):
            added, deleted = (
                int(number) if number != "-" else 0 for number in size.group(1, 2)
            )
            path = size[3]
            if not path:
                # A rename: the old path, then the new one.
                next(tokens)
                path = next(tokens, "")
            files.append((path, added, deleted))
            token = next(tokens, None)
        read.append((header, files))
    ignored = left_out.among({path for _, files in read for path, _, _ in files})
    for header, files in read:
        yield _record(header, files, ignored, merges=merges, paths=paths)


def _record(
    header: list[str],
    files: list[tuple[str, int, int]],
    ignored: frozenset[str],
    *,
    merges: bool,
    paths: bool,
) -> CommitRecord:
    (
        oid,
        parents,
        author,
        author_email,
        authored,
        committer,
        committer_email,
        committed,
        message,
    ) = header
    known = merges or " " not in parents
    counted = [file for file in files if file[0] not in ignored]
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
        additions=sum(added for _, added, _ in counted) if known else None,
        deletions=sum(deleted for _, _, deleted in counted) if known else None,
        changed_files=len(files) if known else None,
        left_out=sum(added + deleted for path, added, deleted in files if path in ignored),
        paths=tuple(path for path, _, _ in files) if paths else (),
    )
