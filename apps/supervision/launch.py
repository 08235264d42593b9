"""Make the process that was started the supervisor, and go on in its child.

    table = launch.supervise(Limits(...))     # returns only in the child, which does the work

The starting process forks and then replaces itself by the small program in
`supervisor.py`. It keeps its process id, so systemd or a container runtime signals and
awaits the supervisor, which passes signals on. After the supervisor has ended a child
that hung, it starts another one by the original command line; that one finds the table
in its environment.
"""

import ctypes
import json
import os
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from apps.supervision.table import Table

# "<file number>:<process id of the supervisor>"
VARIABLE = "FIRSTLIGHT_MARKS"
FORWARDED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGQUIT,
)
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """When a process is ended. All times are in seconds.

    silence: how long it may run no Python code. grace: how long it may go on after
    SIGTERM. reports: the folder in which the supervisor writes which process it ended
    and why. name: the name of the process in the supervisor's log lines.
    """

    silence: float
    grace: float
    reports: str
    name: str = "worker"
    as_json: bool = False


def supervise(limits: Limits) -> Table | None:
    """Return the table of marks in the working process; None on a system that can't
    supervise.

    Call it early, with one thread and without open connections. The calling process
    never returns from here unless it is the supervisor's child already.
    """
    if not _is_possible():
        return None
    if (table := _inherited()) is not None:
        _die_with_parent()
        return table
    table = Table.make()
    parent = os.getpid()
    os.environ[VARIABLE] = f"{table.number}:{parent}"
    os.set_inheritable(table.number, True)
    # Signals that arrive from here on wait for the supervisor, which passes them on.
    # None is lost.
    signal.pthread_sigmask(signal.SIG_BLOCK, {*FORWARDED, signal.SIGCHLD})
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        _become_supervisor(child, table, limits)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {*FORWARDED, signal.SIGCHLD})
    _die_with_parent(parent)
    return table


def _become_supervisor(child: int, table: Table, limits: Limits) -> None:
    order = {
        "child": child,
        "table": table.number,
        "command": sys.orig_argv,
        "python": sys.executable,
    }
    program = str(Path(__file__).with_name("supervisor.py"))
    command = [sys.executable, "-I", "-S", program, json.dumps(order | asdict(limits))]
    os.execv(sys.executable, command)  # noqa: S606


def _inherited() -> Table | None:
    number, _, supervisor = os.environ.get(VARIABLE, "").partition(":")
    # A process that a working process starts inherits the variable, but it is not the
    # supervisor's child.
    if not number.isdecimal() or supervisor != str(os.getppid()):
        return None
    try:
        table = Table(int(number))
    except (OSError, ValueError):
        return None
    os.set_inheritable(table.number, True)
    table.clear(os.getpid())
    return table


def _is_possible() -> bool:
    return (
        sys.platform == "linux"
        and hasattr(os, "memfd_create")
        and Path("/proc/self/stat").exists()
    )


def _die_with_parent(parent: int | None = None) -> None:
    """Make the kernel end this process when the supervisor is killed."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        os._exit(1)
