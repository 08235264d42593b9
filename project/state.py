"""Keeps the files of an installation private to its user.

New files are private by the umask that `project.startup.prepare` sets. What an earlier release
or another program made is corrected at every start: database, queue, and keys become 0600.
"""

import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

PRIVATE = 0o600
SQLITE_SUFFIXES = ("", "-wal", "-shm", "-journal")


def tighten(state: Path, database: Mapping[str, Any], queue: Mapping[str, Any]) -> None:
    """Take all rights on keys and SQLite files from group and others.

    `state` is STATE_DIR, `database` an entry of DATABASES, and `queue` the connection of HUEY.
    Files of another user are left as they are, because only their owner can change them.
    STATE_DIR itself, too: it may be a folder that others need.
    """
    paths = [state / "secret_key", state / "credential_key"]
    if "sqlite" in database["ENGINE"]:
        paths += _sqlite_files(database["NAME"])
    if "filename" in queue:
        paths += _sqlite_files(queue["filename"])
    for path in paths:
        _make_private(path)


def _sqlite_files(name: Any) -> list[Path]:
    """Return the paths of a database and of its journals, which take over its mode when made."""
    return [Path(f"{name}{suffix}") for suffix in SQLITE_SUFFIXES]


def _make_private(path: Path) -> None:
    # A setting may name a folder by mistake, such as /tmp, and without its rights nothing in it is found.
    if not path.is_file():
        return
    # Of another user, or on a file system without modes.
    with suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & ~PRIVATE:
            path.chmod(mode & PRIVATE)
