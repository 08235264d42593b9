"""Run git on one repository whose configuration is not trusted.

Nothing in the repository may start a program, open a connection, wait for a terminal,
change its data, or name other files to read. Therefore the environment is made here,
settings that start programs are overridden, and no protocol is allowed. There is no
shell; all arguments are fixed options and object ids. Each process has a time limit.
"""

import errno
import os
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from apps.integrations.sources.git.errors import (
    CannotRead,
    GitError,
    GitMissing,
    PartialClone,
    TimedOut,
)
from apps.pipelines.worker import marks

# The file is no program of this machine, may not be run, or was just removed.
_NO_PROGRAM = (errno.ENOEXEC, errno.EACCES, errno.ENOENT)
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REFUSED_TRANSPORT = re.compile(r"transport '\S+' not allowed")
_CHUNK = 1 << 18

# Options of `git log` and similar commands that override the repository's settings.
LOG_OPTIONS = (
    "--no-show-signature",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-decorate",
    "--no-notes",
    "--no-relative",
    "--encoding=UTF-8",
    "-O/dev/null",
)

_SETTINGS = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.pager=cat",
    "core.quotePath=false",
    "log.showSignature=false",
    "mailmap.file=/dev/null",
    "protocol.allow=never",
)


# Words by which git's errors mention objects.
_OBJECTS = (
    "object",
    "unable to read",
    "could not read",
    "could not parse",
    "failed to parse",
    "pack",
    "revision walk",
)


def is_oid(text: str) -> bool:
    """Return whether this is a full object id in lower-case hexadecimal, SHA-1 or
    SHA-256.
    """
    return _OID.fullmatch(text) is not None


class Git:
    """git with one repository. `shown` is the repository's name in errors; `timeout` is
    in seconds, per process.

    `objects` is the repository's object store, if `git_dir` is a folder that replaces
    the repository's own.
    """

    def __init__(
        self, git_dir: Path, shown: str, timeout: float, objects: Path | None = None
    ) -> None:
        program = shutil.which("git")
        if program is None:
            raise GitMissing
        self._git_dir = git_dir
        self._shown = shown
        self._timeout = timeout
        self._objects = objects
        self.is_partial = False
        # Absolute, because git runs in another folder, in which a relative entry of
        # PATH would lead elsewhere.
        self._program = str(Path(program).absolute())
        self._settings = [f"safe.directory={git_dir}", *_SETTINGS]

    def use_mailmap_of(self, oid: str) -> None:
        """Read `.mailmap` from that commit, whatever is checked out."""
        self._settings.append(f"mailmap.blob={oid}:.mailmap")

    def settings_in(self, path: Path) -> dict[str, str]:
        """Return the settings of a configuration file by lower-case name, without those
        of files that it includes.
        """
        if not path.is_file():
            return {}
        found = {}
        # With --file, git follows no includes unless it is asked to.
        for field in self.fields("config", "--file", str(path), "--null", "--list"):
            name, _, value = field.partition("\n")
            found[name.lower()] = value
        return found

    def line(self, *args: str) -> str | None:
        """Return the first line that git prints; None if git ends with 1, by which
        checks with `--quiet` answer no.
        """
        try:
            # Text ends in a new line, or in the NUL of `config --null`.
            return "".join(self.fields(*args)).split("\n", 1)[0]
        except _EndedWithOne:
            return None

    def fields(self, *args: str, given: Iterable[str] = (), ends: str = "\n") -> Iterator[str]:
        """Yield what git prints, cut at each NUL, while it runs. `given` are the lines
        of its standard input, each ended by `ends`.

        Raises TimedOut, and CannotRead or PartialClone once all output was read and git
        ended with an error.
        """
        # git is stopped at its own limit, so the supervisor's limit must be later.
        with (
            TemporaryFile() as stdin,
            TemporaryFile() as stderr,
            marks.allowing(self._timeout + 60.0),
        ):
            stdin.writelines(f"{line}{ends}".encode(errors="surrogateescape") for line in given)
            stdin.seek(0)
            # An absolute program, a list of arguments, no shell: nothing in them is
            # interpreted.
            try:
                process = subprocess.Popen(  # noqa: S603
                    self._command(args),
                    cwd=self._git_dir,
                    env=self._environment(),
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    # A process group of its own, so that `_stop` also kills what git
                    # has started.
                    start_new_session=True,
                )
            except OSError as error:
                # The same error code means a missing program or a missing folder.
                if not self._git_dir.is_dir():
                    raise CannotRead(self._shown, "its folder is gone") from error
                if error.errno in _NO_PROGRAM:
                    raise GitMissing("can't be started on the server") from error
                raise
            # Set by the timer only, so that a normal end is not reported as a timeout.
            late = threading.Event()
            timer = threading.Timer(self._timeout, _stop, [process, late])
            timer.daemon = True
            timer.start()
            try:
                if process.stdout is not None:
                    yield from _split(process.stdout)
                process.wait()
            finally:
                timer.cancel()
                _stop(process)
                process.wait()
                if process.stdout is not None:
                    process.stdout.close()
            if late.is_set():
                raise TimedOut(self._shown, self._timeout)
            if process.returncode:
                stderr.seek(0)
                raise self._failure(
                    process.returncode, stderr.read(20_000).decode(errors="replace")
                )

    def _command(self, args: Iterable[str]) -> list[str]:
        settings = [part for setting in self._settings for part in ("-c", setting)]
        return [self._program, "--no-pager", f"--git-dir={self._git_dir}", *settings, *args]

    def _environment(self) -> dict[str, str]:
        # The environment starts empty, so that no GIT_* variable reaches git, and no
        # user's or system's configuration is read.
        environment = {
            "PATH": os.pathsep.join([str(Path(self._program).parent), os.defpath]),
            "HOME": "/nonexistent",
            # Errors are recognized by their English words.
            "LC_ALL": "C",
            "TZ": "UTC",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_IMPLICIT_WORK_TREE": "0",  # as if bare: no file of a work tree is read
            # References below refs/replace would let a repository show other contents
            # under an object's id.
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_GRAFT_FILE": "/dev/null/none",
            # A partial clone must not open a connection to fetch missing objects.
            "GIT_NO_LAZY_FETCH": "1",
            # This setting is stronger than protocol.allow, which the repository could
            # override for each protocol.
            "GIT_ALLOW_PROTOCOL": "none",
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_TERMINAL_PROMPT": "0",
            # git must not write to the repository, not even a refreshed index.
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_PAGER": "cat",
        }
        if self._objects is not None:
            environment["GIT_OBJECT_DIRECTORY"] = str(self._objects)
        return environment

    def _failure(self, code: int, said: str) -> GitError:
        if code == 1 and not said:
            return _EndedWithOne(self._shown, "git found nothing")
        if "promisor" in said or "lazy fetching" in said or _REFUSED_TRANSPORT.search(said):
            return PartialClone(self._shown)
        return self._explained(code, said.lower())

    def _explained(self, code: int, said: str) -> GitError:
        """Return the error in the product's own words, because git's may quote a file's
        content.
        """
        if any(word in said for word in _OBJECTS):
            if self.is_partial:
                return PartialClone(self._shown)
            return CannotRead(self._shown, "an object is missing or damaged")
        if "config" in said:
            return CannotRead(self._shown, "its configuration is not valid")
        if "ref" in said or "shallow" in said:
            return CannotRead(self._shown, "a reference is not valid")
        return CannotRead(self._shown, f"git ended with status {code}")


class _EndedWithOne(CannotRead):
    """git ended with 1 and printed no error, which means no."""


def _stop(process: subprocess.Popen[bytes], late: threading.Event | None = None) -> None:
    """Stop the process and what it started, if it still runs."""
    if process.poll() is None:
        if late is not None:
            late.set()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def _split(stream: IO[bytes]) -> Iterator[str]:
    """Yield the pieces between NULs, and the piece after the last NUL if it is not
    empty.
    """
    parts: list[bytes] = []
    while chunk := stream.read(_CHUNK):
        marks.alive()
        if b"\x00" not in chunk:
            parts.append(chunk)
            continue
        first, *rest = chunk.split(b"\x00")
        parts.append(first)
        yield b"".join(parts).decode(errors="replace")
        for piece in rest[:-1]:
            yield piece.decode(errors="replace")
        parts = [rest[-1]]
    if last := b"".join(parts):
        yield last.decode(errors="replace")
