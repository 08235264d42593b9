"""Find the clones below the root, by the rules of `location`."""

import os
from pathlib import Path

from apps.integrations.sources.git.errors import GitError, SourceDisabled
from apps.integrations.sources.git.location import locate

DEPTH = 3
MOST_FOLDERS = 2000
MOST_CLONES = 200


def find_clones(root: Path | None) -> tuple[list[str], bool]:
    """Return the paths, relative to the root, of the clones up to three folders deep,
    and whether there may be more.

    Folders inside a clone, hidden folders, and symbolic links are not entered. Raises
    SourceDisabled.
    """
    if root is None or not root.is_dir():
        raise SourceDisabled
    found: list[str] = []
    todo, seen = [(root.resolve(), 0)], 0
    while todo:
        folder, depth = todo.pop(0)
        seen += 1
        if seen > MOST_FOLDERS or len(found) >= MOST_CLONES:
            return sorted(found, key=str.casefold), True
        path = str(folder.relative_to(root.resolve()))
        if _is_clone(path, root):
            found.append(path)
        elif depth < DEPTH:
            todo += [(inside, depth + 1) for inside in _folders(folder)]
    return sorted(found, key=str.casefold), False


def _is_clone(path: str, root: Path) -> bool:
    try:
        locate(path, root)
    except GitError:
        return False
    return path.isprintable()


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            inside = [
                entry
                for entry in entries
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            ]
    except OSError:
        return []
    return sorted(Path(entry.path) for entry in inside)
