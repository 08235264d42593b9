"""Notice changes of code and templates at little cost: one `stat` for each file, no
package needed.

watcher = Watcher([ROOT / "apps", ROOT / "project"])
...
changed = watcher.changed()      # a path, or None
"""

import os
from pathlib import Path

SUFFIXES = (".py", ".html", ".txt")
IGNORED = {"__pycache__", "node_modules"}


class Watcher:
    """The times of change of all files with one of SUFFIXES below some folders."""

    def __init__(self, folders: list[Path]) -> None:
        self._roots = [str(folder) for folder in folders]
        self._files: dict[str, int] = {}
        self._folders: dict[str, int] = {}
        self._scan()

    def changed(self) -> Path | None:
        """Return a file that was changed, added, or removed since the last call, or
        None.
        """
        if not self._differs():
            return None
        before = self._files
        self._scan()
        for path in sorted(before.keys() | self._files.keys()):
            if before.get(path) != self._files.get(path):
                return Path(path)
        # Only a folder's time changed: compiled modules, an editor's own files.
        return None

    def _differs(self) -> bool:
        for known in (self._files, self._folders):
            for path, at in known.items():
                if _time_of(path) != at:
                    return True
        return False

    def _scan(self) -> None:
        self._files, self._folders = {}, {}
        waiting = list(self._roots)
        while waiting:
            folder = waiting.pop()
            self._folders[folder] = _time_of(folder)
            try:
                entries = list(os.scandir(folder))
            except OSError:
                continue
            for entry in entries:
                if entry.name.startswith(".") or entry.name in IGNORED:
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif entry.name.endswith(SUFFIXES):
                    self._files[entry.path] = _time_of(entry.path)


def _time_of(path: str) -> int:
    """Return when a file was changed, in nanoseconds; 0 if it is gone."""
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116 - a Path for each would cost more than the call
    except OSError:
        return 0
