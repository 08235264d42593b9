"""Find a repository, and check that all of it is below the root.

A path may lead out of the root by `..`, by a symbolic link, by a `.git` file, by a
linked work tree, or by borrowed objects (alternates); each of them is checked. Inside
the git folder symbolic links are refused, and so are files that never end, such as
pipes. Repositories are not searched for in parent folders.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from apps.integrations.sources.git.errors import (
    CannotRead,
    NoSuchPath,
    NotARepository,
    OutsideRoot,
    SourceDisabled,
)

_MOST_BYTES = 100_000
_MOST_ALTERNATES = 20
_MOST_FILES = 1_000_000
# Folders that the git commands used here never read, and in which links are common.
_NOT_READ = frozenset({"hooks", "modules", "lfs", "annex"})


@dataclass(frozen=True, slots=True)
class Location:
    """`git_dir` has HEAD, `common_dir` the objects and the configuration; the two
    differ in linked work trees.
    """

    shown: str
    root: Path
    path: Path
    git_dir: Path
    common_dir: Path


def locate(path: str, root: Path | None) -> Location:
    """Find the repository at `path`, which is relative to the root or an absolute path
    below it.

    Raises SourceDisabled, OutsideRoot, NoSuchPath, NotARepository, CannotRead.
    """
    shown = "".join(letter if letter.isprintable() else "?" for letter in path)[:300]
    try:
        top = _root(root)
        place = _resolved(path, shown, top)
        git_dir = _git_dir(place, shown, top)
        common_dir = _pointed_at(git_dir / "commondir", "", git_dir) or git_dir
        _check_below(common_dir, shown, top, "The git folder")
        for folder in {git_dir, common_dir}:
            _check_files(folder, shown, top)
        if not (common_dir / "objects").is_dir():
            raise NotARepository(shown)
        _check_objects(common_dir / "objects", shown, top)
    except (OSError, RuntimeError, ValueError) as error:
        why = (
            error.strerror
            if isinstance(error, OSError) and error.strerror
            else "its path cannot be followed"
        )
        raise CannotRead(shown, why.lower()) from error
    return Location(shown, top, place, git_dir, common_dir)


def _root(root: Path | None) -> Path:
    if root is None:
        raise SourceDisabled
    top = root.resolve()
    if not top.is_dir():
        raise SourceDisabled("the folder that holds them does not exist")
    return top


def _resolved(path: str, shown: str, top: Path) -> Path:
    if not path.strip() or "\x00" in path:
        raise NoSuchPath(shown)
    place = (top / path).resolve()
    # This check comes first, so that the error does not reveal which files exist
    # outside.
    _check_below(place, shown, top)
    if not place.exists():
        raise NoSuchPath(shown)
    return place


def _git_dir(place: Path, shown: str, top: Path) -> Path:
    inside = place / ".git"
    git_dir = place
    if inside.is_symlink():
        _check_below(inside.resolve(), shown, top, "The git folder")
    if inside.is_dir():
        git_dir = inside.resolve()
    elif inside.is_file():
        git_dir = _pointed_at(inside, "gitdir: ", place) or place
    _check_below(git_dir, shown, top, "The git folder")
    head = git_dir / "HEAD"
    if not git_dir.is_dir() or not (head.is_file() or head.is_symlink()):
        raise NotARepository(shown)
    return git_dir


def _pointed_at(pointer: Path, prefix: str, start: Path) -> Path | None:
    """Return the folder that a one-line file names, or None if it names none.

    Relative paths begin at `start`.
    """
    text = _read(pointer)
    if not text.startswith(prefix) or not text.strip():
        return None
    return (start / text.removeprefix(prefix).strip("\r\n")).resolve()


def _read(path: Path) -> str:
    """Return the text of a small file; empty if it is missing or no regular file (a
    pipe would never end).
    """
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise ValueError(f"{path.name} is too large")
    return text.decode(errors="surrogateescape")


def shallow_boundary(common_dir: Path) -> frozenset[str]:
    """Return the ids of the commits whose parents a shallow clone left out; empty for a
    full clone.
    """
    path = common_dir / "shallow"
    return (
        frozenset(path.read_text(errors="replace").split()) if path.is_file() else frozenset()
    )


def read_config_file(location: Location) -> Path:
    """Return the path of the repository's configuration, checked to be small.

    Raises:
        CannotRead: if it is larger than any real one.
    """
    path = location.common_dir / "config"
    if path.is_file() and path.stat().st_size > _MOST_BYTES:
        raise CannotRead(location.shown, "its configuration is too large")
    return path


def head_of(location: Location) -> str:
    """Return the text of HEAD: the name of the branch that is checked out, or a
    commit's id.
    """
    return _read(location.git_dir / "HEAD")


def _check_files(folder: Path, shown: str, top: Path) -> None:
    """Refuse symbolic links, pipes, and devices anywhere in a git folder.

    git follows a link, and its errors quote what it read; a pipe would never end.
    """
    for count, entry in enumerate(_entries(folder)):
        if count > _MOST_FILES:
            raise CannotRead(shown, f"its git folder has more than {_MOST_FILES} files")
        if entry.is_symlink():
            _check_below(Path(entry.path).resolve(), shown, top, "A link in the git folder")
            raise CannotRead(shown, "its git folder contains a symbolic link")
        if entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False):
            continue
        if not stat.S_ISSOCK(
            entry.stat(follow_symlinks=False).st_mode
        ):  # git's own monitor has a socket there
            raise CannotRead(shown, "its git folder contains something that is not a file")


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """Yield everything below a git folder, without following links."""
    todo = [folder]
    while todo:
        here = todo.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                if here == folder and entry.name in _NOT_READ:
                    continue
                yield entry
                if entry.is_dir(follow_symlinks=False):
                    todo.append(Path(entry.path))


def _check_objects(objects: Path, shown: str, top: Path) -> None:
    """Refuse objects that come from outside, by links or by alternates."""
    todo, seen = [objects.resolve()], set[Path]()
    while todo:
        store = todo.pop()
        if store in seen:
            continue
        seen.add(store)
        if len(seen) > _MOST_ALTERNATES:
            raise CannotRead(shown, "it borrows objects from too many other repositories")
        _check_below(store, shown, top, "The object store")
        if not store.is_dir():
            continue
        _check_files(store, shown, top)
        lines = _read(store / "info" / "alternates").split("\n")
        if any(line.startswith('"') for line in lines):
            raise CannotRead(shown, "it borrows objects from a folder with a quoted name")
        todo += [
            (store / line).resolve() for line in lines if line and not line.startswith("#")
        ]


def _check_below(place: Path, shown: str, top: Path, what: str = "") -> None:
    if not place.is_relative_to(top):
        raise OutsideRoot(shown, what)
