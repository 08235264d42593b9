"""The folder in which `make demo` keeps what it makes, and what it may delete there.

    origin = Origin.of(data=None, repo=Path("/src/api"), months=24)
    folder = origin.default_folder(ROOT / ".state")      # .state/demo-api-1f0c9a2b
    with claim(folder, origin, fresh=False):
        ...

A file in it, .firstlight-demo.json, marks the folder as a demo's and states what its
data came from. A folder without this file is used only if it is empty, and nothing in
it is ever deleted.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MARKER, LOCK = ".firstlight-demo.json", ".firstlight-demo.lock"
# The settings that a demo runs with, for `manage.py` commands in the same checkout
# (project/development.py).
SETTINGS = ".firstlight-demo-settings.json"
LOGS = ("web.log", "worker.log", "sandbox.log")
# What a demo makes, as patterns of names. Nothing else is deleted.
MADE = (
    "db.sqlite3*",
    "queue.sqlite3*",
    "secret_key",
    "credential_key",
    *LOGS,
    "hung",
    SETTINGS,
    MARKER,
)
SAMPLE_MONTHS = 12
GIT_SECONDS = 30


class UsageError(Exception):
    """Something given to the demo can't be used; the message states what, and what to
    do.
    """


@dataclass(frozen=True)
class Origin:
    """All that the data of a demo depends on.

    `kind` is repo, data, or sample. `path` is the real path of a clone or of a folder
    of files, and `content` a checksum that changes when another repository or other
    files are there.
    """

    kind: str
    path: str
    content: str
    months: int

    @classmethod
    def of(cls, data: Path | None, repo: Path | None, months: int) -> "Origin":
        if repo:
            return cls("repo", str(repo.resolve()), _checksum(_identity(repo)), months)
        if data:
            return cls("data", str(data.resolve()), _checksum(_files(data)), months)
        return cls("sample", "", "", months)

    def default_folder(self, parent: Path) -> Path:
        """Return the folder of this origin below `parent`; another origin has another
        one.
        """
        if self.kind == "sample":
            return parent / (
                "demo" if self.months == SAMPLE_MONTHS else f"demo-{self.months}-months"
            )
        key = _checksum([self.as_text()])[:8]
        return parent / f"demo-{Path(self.path).name}-{key}"

    def as_text(self) -> str:
        fields = {
            "kind": self.kind,
            "path": self.path,
            "content": self.content,
            "months": self.months,
        }
        return json.dumps(fields, indent=2)

    def __str__(self) -> str:
        return f"{self.path or 'the made-up organization'}, {self.months} months"


def _checksum(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()


def _files(folder: Path) -> list[str]:
    """Return the name, size, and time of change of each file of pull requests."""
    described = []
    for path in sorted(folder.glob("*__*.jsonl")):
        status = path.stat()
        described.append(f"{path.name} {status.st_size} {status.st_mtime_ns}")
    return described


def _identity(repo: Path) -> list[str]:
    """Return what stays as it is when commits are added: the first commits and the
    remote's address.

    The list is empty if git can't read the repository; the demo then states why.
    """
    first = _git(repo, "rev-list", "--max-parents=0", "HEAD", "--")
    remote = _git(repo, "config", "--local", "--get", "remote.origin.url")
    return sorted(first.split()) + remote.split()


def _git(repo: Path, *words: str) -> str:
    """Return what a git command prints, or an empty text if it fails."""
    safe = [
        "-c",
        "safe.directory=*",
        "-c",
        "core.fsmonitor=false",
        "-c",
        "protocol.allow=never",
    ]
    command = ["git", *safe, "-C", str(repo), *words]
    env = {
        "PATH": os.environ.get("PATH", ""),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    try:
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=GIT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return ""
    return done.stdout


@contextlib.contextmanager
def claim(folder: Path, origin: Origin, *, fresh: bool) -> Iterator[None]:
    """Hold a state folder, which two demos must not share. With `fresh`, clear it
    first.

    Raises UsageError if it is not a demo's, in use, or of another origin.
    """
    _refuse_foreign(folder, fresh=fresh)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / LOCK).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UsageError(
                f"a demo is running in {folder} already. End it first, with Ctrl-C there."
            ) from None
        if fresh:
            _clear(folder)
        _mark(folder, origin)
        yield


def share_settings(folder: Path, settings: dict[str, str]) -> None:
    """Write the settings of a running demo, which other commands in this checkout use."""
    path = folder / SETTINGS
    path.write_text(json.dumps(settings))
    path.chmod(0o600)


def _refuse_foreign(folder: Path, *, fresh: bool) -> None:
    """Raise UsageError if the folder has files and no demo made it."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"STATE={folder} is a file. Give a folder.")
    if not folder.is_dir() or (folder / MARKER).is_file():
        return
    names = {path.name for path in folder.iterdir()} - {LOCK}
    if not names:
        return
    # Demos of earlier releases have no marker. Their default folders are known by place
    # and content.
    made = {"db.sqlite3", "web.log", "worker.log"} <= names
    if made and folder.parent.name == ".state" and folder.name.startswith("demo"):
        if fresh:
            return
        raise UsageError(f"{folder} is of an earlier release. FRESH=1 starts over.")
    raise UsageError(
        f"{folder} has files, and no demo made it. Nothing in it was changed. Give another STATE."
    )


def _clear(folder: Path) -> None:
    """Delete what a demo made; leave everything else."""
    for pattern in MADE:
        for path in folder.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _mark(folder: Path, origin: Origin) -> None:
    """Write the marker, or raise UsageError if the folder holds data of another origin."""
    marker = folder / MARKER
    if not marker.exists():
        marker.write_text(origin.as_text())
        return
    if marker.read_text() == origin.as_text():
        return
    raise UsageError(
        f"{folder} holds another demo: {_described(marker)}. FRESH=1 starts over in it; another STATE keeps both."
    )


def _described(marker: Path) -> str:
    try:
        return str(Origin(**json.loads(marker.read_text())))
    except (OSError, ValueError, TypeError):
        return f"its {MARKER} can't be read"
