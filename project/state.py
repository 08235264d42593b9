"""Keep the files of an installation private to its user.

New files are private by the umask that `project.startup.prepare` sets. Files of an
earlier release or another program are corrected at every start: database, queue, and
keys become 0600.
"""

import os
import pwd
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

PRIVATE = 0o600
SQLITE_SUFFIXES = ("", "-wal", "-shm", "-journal")


def tighten(state: Path, database: Mapping[str, Any], queue: Mapping[str, Any]) -> None:
    """Remove all rights of group and others from keys and SQLite files.

    `state` is STATE_DIR, `database` an entry of DATABASES, and `queue` the connection
    of HUEY. Files of another user stay as they are, because only their owner can change
    them. STATE_DIR itself stays, too, because other programs may need the folder.
    """
    paths = [state / "secret_key", state / "credential_key"]
    if "sqlite" in database["ENGINE"]:
        paths += _sqlite_files(database["NAME"])
    if "filename" in queue:
        paths += _sqlite_files(queue["filename"])
    for path in paths:
        _make_private(path)


def unwritable(database: Mapping[str, Any], queue: Mapping[str, Any]) -> list[str]:
    """Return a line for each of the two SQLite databases that this process can't write.

    SQLite's own message names no file. The usual reason is another owner, often because
    a command was once run as root.

    Example:
        The database /var/lib/firstlight/db.sqlite3 can't be written: it belongs to
        root, and this process runs as www.
    """
    databases = []
    if "sqlite" in database["ENGINE"]:
        databases.append(("database", database["NAME"]))
    if "filename" in queue:
        databases.append(("queue", queue["filename"]))
    return [line for kind, name in databases if (line := _why_unwritable(kind, Path(name)))]


def _why_unwritable(kind: str, file: Path) -> str:
    """Return the reason why a database can't be written, in a line; empty if it can."""
    for path in (*_sqlite_files(file), file.parent):
        if not path.exists() or os.access(path, os.W_OK):
            continue
        what = (
            "it"
            if path == file
            else f"its folder {path}"
            if path == file.parent
            else f"its file {path.name}"
        )
        try:
            owner = path.owner()
        except (KeyError, OSError):
            owner = f"the user {path.stat().st_uid}"
        user = _name_of_user()
        if owner == user:
            return f"The {kind} {file} can't be written: {what} is read-only, or its disk is; this process runs as {user}."
        return f"The {kind} {file} can't be written: {what} belongs to {owner}, and this process runs as {user}."
    return ""


def _name_of_user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return f"the user {os.geteuid()}"


def _sqlite_files(name: Any) -> list[Path]:
    """Return the paths of a database and of its journals, which get its mode when
    SQLite creates them.
    """
    return [Path(f"{name}{suffix}") for suffix in SQLITE_SUFFIXES]


def _make_private(path: Path) -> None:
    # The file is missing, belongs to another user, or is on a file system without
    # modes.
    with suppress(OSError):
        found = path.stat()
        # A setting may name a folder such as /tmp by mistake. Without its rights, other
        # programs could no longer use it.
        if stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) & ~PRIVATE:
            path.chmod(found.st_mode & PRIVATE)
