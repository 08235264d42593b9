"""Child processes of the scripts here: ended by the process that started them, each by
its own handle.

Each child's stdin is held by its parent and watched by the child: it ends, too, when
the parent was killed. Children are groups of their own: a Ctrl-C reaches the parent
alone, which ends each child once.
"""

import contextlib
import errno
import socket
import subprocess
import sys
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parent.parent
MANAGE = [sys.executable, str(ROOT / "manage.py")]
WEB = [sys.executable, str(ROOT / "scripts" / "web.py")]
GRACE = 15.0  # seconds that a child has to end by itself


class PortTaken(Exception):
    """Another program listens there."""


class ChildEnded(Exception):
    """A child is gone that should be there; the message says which, and how it ended."""


class Children:
    """The children of a script, by name:

    `with Children() as children: …` ends them all.
    """

    def __init__(self) -> None:
        self._started: dict[str, subprocess.Popen[str]] = {}

    def __enter__(self) -> "Children":
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(
        self,
        name: str,
        command: list[str],
        *,
        sockets: tuple[socket.socket, ...] = (),
        stdout: int | IO | None = None,
        stderr: int | IO | None = None,
        keep: bool = False,
    ) -> subprocess.Popen[str]:
        """Start a child that takes over `sockets`, whose numbers are among its
        arguments.

        With `keep` they stay open here, too, for the next child that takes them over.
        """
        self._started[name] = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            text=True,
            start_new_session=True,
            pass_fds=[each.fileno() for each in sockets],
        )
        if not keep:
            for each in sockets:
                each.close()
        return self._started[name]

    def check(self) -> None:
        """Raises ChildEnded if one is gone."""
        for name, child in self._started.items():
            if (status := child.poll()) is not None:
                raise ChildEnded(f"The {name} ended with status {status}.")

    def ended(self) -> set[str]:
        """Return the names of the children that have ended by themselves."""
        return {name for name, child in self._started.items() if child.poll() is not None}

    def end(self, *names: str) -> None:
        """Ask each child to end, wait, and kill those that don't; all of them at once
        on a second Ctrl-C.

        Without `names`, all children are ended.
        """
        children = [self._started.pop(name) for name in names or list(self._started)]
        for child in children:
            if child.poll() is None:
                child.terminate()
        try:
            for child in children:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(GRACE)
        finally:
            for child in children:
                if child.poll() is None:
                    child.kill()
                    child.wait()


def listen(port: int) -> tuple[socket.socket, ...]:
    """Sockets on this port of the machine itself, IPv4 and, where there is one, IPv6:
    browsers try both for localhost.

    Whoever connects waits until somebody takes the sockets over. Port 0 takes a free
    one, on IPv4 alone. Raises PortTaken.
    """
    try:
        sockets = [socket.create_server(("127.0.0.1", port), backlog=128)]
    except OSError as error:
        raise PortTaken(error.strerror) from None
    if port and socket.has_ipv6:
        try:
            sockets.append(
                socket.create_server(("::1", port), family=socket.AF_INET6, backlog=128)
            )
        except OSError as error:
            if not is_without_ipv6(error):
                sockets[0].close()
                raise PortTaken(error.strerror) from None
    return tuple(sockets)


def is_without_ipv6(error: OSError) -> bool:
    """Whether the machine has no IPv6, as against somebody else listening there."""
    return error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)
