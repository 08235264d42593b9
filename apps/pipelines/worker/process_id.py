"""The identity of the process that holds a step, and the proof that another process is
dead.

A name like "worker-1" proves nothing, because it comes back after a restart. Boot id,
pid namespace, pid, and start time together identify one process. For processes on other
machines there is no proof; their leases run out.
"""

import os
from functools import cache
from pathlib import Path

PROC = Path("/proc")


@cache
def _place() -> str:
    """Return this machine since its boot, and the pid namespace that this process sees."""
    try:
        boot = (PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return f"{os.uname().nodename}/unknown"


def _start_time(pid: int) -> str | None:
    """Return the kernel's start time of a living process; None if there is none or it
    is a zombie.
    """
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def me() -> str:
    """Return the identity of the calling process."""
    return _identity(os.getpid())


@cache
def _identity(pid: int) -> str:
    """Return the identity of a process of this machine. It is cached because the hot
    path needs it each time; a forked process has a pid of its own.
    """
    return f"{_place()}|{pid}|{_start_time(pid) or 0}"


def is_dead(owner: str) -> bool:
    """Return True only if it is certain that the process is gone."""
    place, _, rest = owner.partition("|")
    pid, _, started = rest.partition("|")
    if not pid.isdigit() or place != _place() or place.endswith("/unknown"):
        return False
    found = _start_time(int(pid))
    if found is None and _belongs_to_another_user(int(pid)):
        return False
    return found != started


def _belongs_to_another_user(pid: int) -> bool:
    """Return whether the process lives under another user.

    With systemd's ProtectProc=invisible, as in deploy/, /proc does not show such a
    process.
    """
    try:
        os.kill(pid, 0)  # sends nothing
    except PermissionError:
        return True
    except OSError:
        return False
    return False
