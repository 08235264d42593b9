import os
import subprocess
from datetime import UTC, datetime

import pytest

from apps.integrations.sources.git.repository import GitRepository

START = 1_767_225_600  # 2026-01-01 00:00 UTC
HOUR = 3600
LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)
ANN = ("Ann Lee", "ann@example.com")
BEN = ("Ben Roe", "7+ben@users.noreply.github.com")


def at(hour):
    """The moment that many hours after the start of 2026."""
    return datetime.fromtimestamp(START + hour * HOUR, UTC)


class Builder:
    """A real repository, made by the git program with dates and people of our choice."""

    def __init__(self, path, *options):
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main", *options)

    def git(self, *args, hour=0, author=ANN, committer=None, committed=None, given=None):
        committer = committer or author
        env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_AUTHOR_NAME": author[0],
            "GIT_AUTHOR_EMAIL": author[1],
            "GIT_AUTHOR_DATE": f"@{START + hour * HOUR} +0000",
            "GIT_COMMITTER_NAME": committer[0],
            "GIT_COMMITTER_EMAIL": committer[1],
            "GIT_COMMITTER_DATE": f"@{START + (hour if committed is None else committed) * HOUR} +0000",
        }
        done = subprocess.run(
            ["git", *args],
            cwd=self.path,
            env=env,
            input=given,
            capture_output=True,
            check=True,
            timeout=60,
        )
        return done.stdout.decode(errors="replace").strip()

    def commit(self, message, files=None, **when):
        """Commit files ({name: text}; by default one that is named after the message);
        returns the id.
        """
        for name, text in (files or {f"{abs(hash(message))}.txt": "line\n"}).items():
            place = self.path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(text if isinstance(text, bytes) else text.encode())
        self.git("add", "--all", "--force")
        return self.write(message, **when)

    def write(self, message, **when):
        """Commit what is staged; the message may be bytes, and anything."""
        given = message if isinstance(message, bytes) else message.encode()
        self.git(
            "commit",
            "--quiet",
            "--allow-empty",
            "--cleanup=verbatim",
            "--file=-",
            given=given,
            **when,
        )
        return self.git("rev-parse", "HEAD")

    def branch(self, name, start="main"):
        self.git("checkout", "--quiet", "-b", name, start)

    def merge(self, message, *branches, into="main", **when):
        """Merge branches by a merge commit with this message; returns its id."""
        self.git("checkout", "--quiet", into)
        self.git("merge", "--quiet", "--no-ff", "--no-edit", "-m", message, *branches, **when)
        return self.git("rev-parse", "HEAD")

    def raw(self, headers, message=b"msg\n"):
        """Write a commit object as it is, well-formed or not; returns its id."""
        return self.git(
            "hash-object",
            "-t",
            "commit",
            "-w",
            "--stdin",
            "--literally",
            given=headers + b"\n" + message,
        )


@pytest.fixture
def root(tmp_path):
    """The folder below which repositories may be read."""
    folder = tmp_path / "root"
    folder.mkdir()
    return folder


@pytest.fixture
def make(root):
    """Makes a repository below the root."""
    return lambda name="app", *options: Builder(root / name, *options)


@pytest.fixture
def repo(make):
    return make()


@pytest.fixture
def read(root):
    """Reads a whole repository: its records, newest first."""

    def read_all(name="app", since=LONG_AGO):
        repository = GitRepository.open(name, root)
        return repository.read([landing.oid for landing in repository.landings(since)])

    return read_all
