"""Where a repository lies, and that all of it lies below the root.

A path may lead out by `..`, by a symbolic link, by a `.git` file, by a linked work tree or by borrowed objects
(alternates); each of them is looked at. Repositories are not searched for in parent folders.
"""

from dataclasses import dataclass
from pathlib import Path

from apps.integrations.git.errors import CannotRead, NoSuchPath, NotARepository, OutsideRoot, SourceDisabled

_MOST_BYTES = 100_000
_MOST_ALTERNATES = 20


@dataclass(frozen=True, slots=True)
class Location:
    """`git_dir` has HEAD, `common_dir` the objects and the configuration; the two differ in linked work trees."""

    shown: str
    root: Path
    path: Path
    git_dir: Path
    common_dir: Path


def locate(path: str, root: Path | None) -> Location:
    """Find the repository at `path`, which is relative to the root or an absolute path below it.

    Raises SourceDisabled, OutsideRoot, NoSuchPath, NotARepository, CannotRead.
    """
    shown = "".join(letter if letter.isprintable() else "?" for letter in path)[:300]
    try:
        top = _root(root)
        place = _resolved(path, shown, top)
        git_dir = _git_dir(place, shown, top)
        common_dir = _pointed_at(git_dir / "commondir", "", git_dir) or git_dir
        _check_below(common_dir, shown, top, "The git folder")
        if not (common_dir / "objects").is_dir():
            raise NotARepository(shown)
        _check_objects(common_dir / "objects", shown, top)
    except (OSError, RuntimeError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "its path cannot be followed"
        raise CannotRead(shown, why.lower()) from error
    return Location(shown, top, place, git_dir, common_dir)


def _root(root: Path | None) -> Path:
    if root is None:
        raise SourceDisabled
    top = root.resolve()
    if not top.is_dir():
        raise SourceDisabled("the folder in GIT_SOURCE_ROOT does not exist")
    return top


def _resolved(path: str, shown: str, top: Path) -> Path:
    if not path.strip() or "\x00" in path:
        raise NoSuchPath(shown)
    place = (top / path).resolve()
    # Before anything else: whether something exists out there is not told.
    _check_below(place, shown, top)
    if not place.exists():
        raise NoSuchPath(shown)
    return place


def _git_dir(place: Path, shown: str, top: Path) -> Path:
    inside = place / ".git"
    git_dir = place
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
    """The folder that a one-line file names, None where it names none. `start` is where relative ones begin."""
    text = _read(pointer)
    if not text.startswith(prefix) or not text.strip():
        return None
    return (start / text.removeprefix(prefix).strip("\r\n")).resolve()


def _read(path: Path) -> str:
    """A small text file; nothing of what is no regular file (a pipe would never end) or not there."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise ValueError(f"{path.name} is too large")
    return text.decode(errors="surrogateescape")


def shallow_boundary(common_dir: Path) -> frozenset[str]:
    """The ids of the commits whose parents a shallow clone left out; none in a full one."""
    path = common_dir / "shallow"
    return frozenset(path.read_text(errors="replace").split()) if path.is_file() else frozenset()


def _check_objects(objects: Path, shown: str, top: Path) -> None:
    """Refuse objects that come from outside: links at the places where whole folders and packs hang, and alternates."""
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
        for folder in (store, store / "pack", store / "info"):
            for entry in folder.iterdir() if folder.is_dir() else ():
                if entry.is_symlink():
                    _check_below(entry.resolve(), shown, top, "The object store")
        lines = _read(store / "info" / "alternates").split("\n")
        if any(line.startswith('"') for line in lines):
            raise CannotRead(shown, "it borrows objects from a folder with a quoted name")
        todo += [(store / line).resolve() for line in lines if line and not line.startswith("#")]


def _check_below(place: Path, shown: str, top: Path, what: str = "") -> None:
    if not place.is_relative_to(top):
        raise OutsideRoot(shown, what)
